"""JupyterLab's list of kernels, with the lock in the name that its cards and tooltips show.

The committed specification keeps the plain name `fin-kedro`, and so do the notebooks that are
saved; only what this server tells the browser is longer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from sealed_kernel.environment import EnvironmentReport, compare, find_lock, project_root
from sealed_kernel.kernel_name import KERNEL


class LockedKernelSpecs(KernelSpecManager):
    """Finds kernels as Jupyter does, and says on which lock `fin-kedro` stands."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The specification; that of `fin-kedro` with its lock in the display name."""
        spec = super().get_kernel_spec(kernel_name)
        if kernel_name == KERNEL:
            spec.display_name = name_with_lock(compare(find_lock(self._project())))
        return spec

    def _project(self) -> Path | None:
        served: Any = getattr(self.parent, "root_dir", None)
        return project_root(Path(served) if served else Path.cwd())


def name_with_lock(report: EnvironmentReport) -> str:
    """`fin-kedro (lock 1a2b3c4d)`, and how many distributions differ from it."""
    if report.lock_sha256 is None:
        return f"{KERNEL} (no lock)"
    many = len(report.problems)
    differ = f", {many} package{'s differ' if many > 1 else ' differs'}" if many else ""
    return f"{KERNEL} (lock {report.lock_sha256[:8]}{differ})"

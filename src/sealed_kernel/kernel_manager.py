"""The manager that starts kernels for executions: this interpreter, private sockets."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import Float

from sealed_kernel.fixed import fixed_environment
from sealed_kernel.kernel_name import KERNEL

NATIVE = "python3"
BY_SHUTDOWN = (-2, -9, -15, 130)  # SIGINT, SIGKILL, SIGTERM; 130 is how Python says SIGINT
OWN_SPEC = Path(__file__).resolve().parents[2] / "notebooks" / ".lab" / "kernel"


def kernel_environment() -> dict[str, str]:
    """The environment that a kernel is started in: this one, fixed, sealed and without a banner."""
    return {
        **os.environ,
        **fixed_environment(kernel=True),
        "FIN_KEDRO_SEALED": os.environ.get("FIN_KEDRO_SEALED", "1"),
        "FIN_KEDRO_BANNER": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


class OwnKernels(KernelSpecManager):
    """Finds `fin-kedro` and `python3` as this very interpreter, whatever PATH or a user's kernels
    say; the spec of `fin-kedro` is the one beside this code, where there is one."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the spec of `kernel_name`; raises NoSuchKernel."""
        if kernel_name == NATIVE:
            return KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name=NATIVE,
                language="python",
                metadata={"supported_encryption": ["curve"]},  # else outputs cross TCP in the clear
            )
        own = kernel_name == KERNEL and OWN_SPEC.is_dir()
        found = (
            KernelSpec.from_resource_dir(str(OWN_SPEC))
            if own
            else super().get_kernel_spec(kernel_name)
        )
        if found.argv and Path(found.argv[0]).name in ("python", "python3"):
            found.argv = [sys.executable, *found.argv[1:]]
        return found


class ReportKernelManager(AsyncKernelManager):
    """A kernel manager whose kernels run on the interpreter that runs this process.

    Where the system has Unix sockets the kernel is reached through one in a private folder: no
    port that another process may take first, nothing that another user can listen to.
    """

    # seconds; a kernel on a busy machine is not killed before its exit handlers have run
    shutdown_wait_time = Float(40.0)

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return OwnKernels(parent=self)

    def _transport_default(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"

    def _ip_default(self) -> str:
        if self.transport != "ipc":
            return "127.0.0.1"
        self._sockets = tempfile.TemporaryDirectory(prefix="fk-", ignore_cleanup_errors=True)
        return str(Path(self._sockets.name) / "kernel")


def exit_status(process: Any) -> int | None:
    """The status a kernel's process has ended with; None where that cannot be known.

    A kernel that was interrupted or killed by the shutdown it was asked for has none of its own.
    """
    status = getattr(process, "returncode", None)
    return None if status in BY_SHUTDOWN else status

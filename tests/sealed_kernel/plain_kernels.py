"""Notebooks of a few cells on IPython's own kernel, started by our provisioner."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from sealed_kernel.fixed import fixed_environment
from sealed_kernel.kernel_manager import ReportKernelManager

PROVISIONER = {"kernel_provisioner": {"provisioner_name": "fin-kedro-warm"}}
LIGHT = ("ipykernel.kernelapp", "ipykernel.ipkernel")  # a host of half a second
PLAIN_ENVIRONMENT = fixed_environment(kernel=True)


class PlainSpecs(KernelSpecManager):
    """IPython's kernel under fixed conditions, whatever name is asked for."""

    environment: Mapping[str, str] = PLAIN_ENVIRONMENT

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            env=dict(self.environment),
            display_name=kernel_name,
            language="python",
            metadata=PROVISIONER,
        )


class PlainManager(ReportKernelManager):
    """A manager of such kernels."""

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return PlainSpecs(parent=self)


def execute(*cells: str, folder: Path | None = None, **options: Any) -> list[dict[str, Any]]:
    """Run cells in a new kernel; their outputs without times."""
    node = nbformat.v4.new_notebook()
    node.cells = [nbformat.v4.new_code_cell(cell, id=f"c{n}") for n, cell in enumerate(cells)]
    options = {"kernel_manager_class": PlainManager, "kernel_name": "plain", **options}
    resources = {"metadata": {"path": str(folder)}} if folder else {}
    NotebookClient(node, timeout=60, resources=resources, **options).execute()
    return [dict(output) for cell in node.cells for output in cell.outputs]


def printed(*cells: str, folder: Path | None = None, **options: Any) -> str:
    """Run cells in a new kernel; what they printed."""
    outputs = execute(*cells, folder=folder, **options)
    return "".join(o["text"] for o in outputs if o.get("name") == "stdout")

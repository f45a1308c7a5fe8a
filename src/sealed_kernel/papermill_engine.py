"""papermill's engine `fin-kedro`; papermill imports this module at every start, so it is light.

    papermill --engine fin-kedro in.ipynb out.ipynb -p rows 10

executes on the kernel `fin-kedro` and fails closed. Nothing of papermill is imported here: an
entry point that fails to load, or that loads papermill while papermill loads it, would break
every use of papermill.
"""

from __future__ import annotations

from typing import Any

from sealed_kernel.kernel_name import KERNEL


class SealedEngine:
    """Executes on the sealed kernel; any trap that papermill itself lets pass is an error."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Execute a notebook (nbformat 4) in place and return it; see `execution.execute`.

        Raises Refused, and executes nothing, for parameters that are not allowed or cells that
        were saved out of order. What fails later stands as an error output in the failing cell;
        papermill raises for it and keeps the notebook.
        """
        from sealed_kernel.execution import execute

        return execute(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:  # noqa: ARG003 (papermill gives it)
        """Return the kernel asked for, else the sealed one, whatever the notebook names."""
        return name or KERNEL

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:  # noqa: ARG003
        """Return the language asked for, else Python."""
        return language or "python"

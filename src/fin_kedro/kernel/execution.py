"""Execution of a validation notebook that fails closed.

Stock papermill passes a misspelt parameter with a log line, and a notebook that calls
`sys.exit(0)` before its checks. Here every such case is an error, and the notebook is kept as far
as it came. Two runs on the same data give the same bytes: no times, durations or random ids.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from fin_kedro.kernel.record import RecordError, read_record
from fin_kedro.kernel.report_html import render_html

Progress = Callable[[int, int], None]
NATIVE_KERNEL = "python3"
INJECTED = "injected-parameters"
LOCATIONS = ("project_path", "versions")
STARTUP_SECONDS = 60
# One thread and one CPU feature set: BLAS results differ between counts and CPU classes.
KERNEL_ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True)
class ReportResult:
    """What one execution left: the notebook, its report, its verdicts, and what went wrong.

    `notebook_json` and `html` hold what was executed, also after an error (empty when nothing
    was). `error` is None or {cell, name, message}: `cell` counts code cells from 1, None when no
    cell is to blame. `verdicts` is empty whenever there is an error.
    """

    notebook_json: str
    html: str
    verdicts: list[dict[str, Any]]
    error: dict[str, Any] | None


def execute_report(
    *,
    notebook: Path,
    parameters: Mapping[str, Any],
    kernel_name: str = NATIVE_KERNEL,
    timeout: int = 300,
    progress: Progress | None = None,
) -> ReportResult:
    """Run `notebook` with `parameters` in its own folder; never raises for what the notebook does.

    `timeout`: seconds for one cell. `progress` is called with (cells done, cells in all).
    Every parameter must be declared in the cell tagged `parameters`; one declared as `None`
    without `Optional` or `| None` in its annotation must be given.
    Raises FileNotFoundError when the notebook does not exist.
    """
    source = Path(notebook)
    if not source.is_file():
        raise FileNotFoundError(f"No notebook at {source}; name one under notebooks/validation.")
    wrong = _parameter_error(source, parameters)
    if wrong:
        return ReportResult("", "", [], {"cell": None, "name": "ParameterError", "message": wrong})
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        executed, error = _run(
            source,
            Path(folder),
            parameters,
            kernel_name=kernel_name,
            timeout=timeout,
            progress=progress,
        )
    canonical = canonical_notebook(executed)
    verdicts, error = ([], error) if error else _read(canonical)
    text = json.dumps(canonical, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    html = render_html(canonical, verdicts=verdicts, error=error)
    return ReportResult(text, html, verdicts, error)


def _parameter_error(source: Path, parameters: Mapping[str, Any]) -> str:
    """What is wrong with the parameters, before anything runs; "" when nothing is."""
    cells = nbformat.read(source, as_version=4).cells
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        return (
            f"{source.name} has {len(tagged)} cells tagged 'parameters'; it must have exactly one."
        )
    # papermill formats braces in a path, so it gets a notebook object under a plain name.
    with tempfile.TemporaryDirectory(prefix="report-") as folder, quiet_papermill():
        declared = papermill.inspect_notebook(_clean_copy(source, Path(folder), NATIVE_KERNEL))
    unknown = sorted(set(parameters) - set(declared))
    if unknown:
        return (
            f"{source.name} declares no parameter {unknown[0]!r}; it declares {sorted(declared)}."
        )
    required = [name for name, found in declared.items() if _is_required(found)]
    missing = sorted(set(required) - set(parameters))
    return f"{source.name} needs the parameter {missing[0]!r}; give it a value." if missing else ""


def _is_required(declared: Mapping[str, str]) -> bool:
    """Whether a parameter's default is None though its annotation does not allow None."""
    optional = (
        "None" in declared["inferred_type_name"] or "Optional" in declared["inferred_type_name"]
    )
    return declared["default"] == "None" and not optional


def _clean_copy(source: Path, folder: Path, kernel_name: str) -> str:
    """Copy the notebook to a plain path, without outputs: an old record must not pass for new."""
    node = nbformat.read(source, as_version=4)
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    node.metadata["kernelspec"] = {
        "display_name": kernel_name,
        "language": "python",
        "name": kernel_name,
    }
    nbformat.write(node, folder / "input.ipynb")
    return str(folder / "input.ipynb")


def _run(
    source: Path,
    folder: Path,
    parameters: Mapping[str, Any],
    *,
    kernel_name: str,
    timeout: int,
    progress: Progress | None,
) -> tuple[nbformat.NotebookNode, dict[str, Any] | None]:
    """Execute in the notebook's folder; the notebook as far as it came, and the error if any."""
    target, error = folder / "output.ipynb", None
    try:
        with quiet_papermill():
            papermill.execute_notebook(
                _clean_copy(source, folder, kernel_name),
                str(target),
                parameters=dict(parameters),
                kernel_name=kernel_name,
                cwd=str(source.resolve().parent),
                progress_bar=False,
                start_timeout=STARTUP_SECONDS,
                execution_timeout=timeout,
                kernel_manager_class=ReportKernelManager,
                **_hooks(source, progress),
            )
    except papermill.PapermillExecutionError as failure:
        error = {"name": failure.ename, "message": str(failure.evalue)}
    except Exception as failure:  # a dead kernel, a timeout, a kernel that is not there
        error = {"name": type(failure).__name__, "message": str(failure) or "no message"}
    kept = target if target.is_file() else folder / "input.ipynb"
    executed = nbformat.read(kept, as_version=4)
    return executed, error and {"cell": _failed_cell(executed), **error}


def _hooks(source: Path, progress: Progress | None) -> dict[str, Any]:
    """nbclient's hook that reports each finished cell."""
    if progress is None:
        return {}
    total = len(nbformat.read(source, as_version=4).cells) + 1  # the injected parameters

    def done(*, cell_index: int, **_: Any) -> None:
        progress(min(cell_index + 1, total), total)

    return {"on_cell_complete": done}


def _failed_cell(executed: nbformat.NotebookNode) -> int | None:
    """The code cell (from 1) that failed: the one with an error output, else the last one begun."""
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    failed = [
        n for n, cell in enumerate(code, 1) if any(o.output_type == "error" for o in cell.outputs)
    ]
    begun = [
        n for n, cell in enumerate(code, 1) if cell.metadata.get("papermill", {}).get("start_time")
    ]
    return next(iter((failed or begun)[-1:]), None)


def _read(notebook: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The recorded verdicts, or the error that there is no sound record."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        found = next((o for o in cell["outputs"] if o["output_type"] == "error"), None)
        if found or (cell["execution_count"] is None and "".join(cell["source"]).strip()):
            name = found["ename"] if found else "NotExecuted"
            return [], {
                "cell": number,
                "name": name,
                "message": "the notebook ended before its last cell.",
            }
    try:
        return read_record(notebook), None
    except RecordError as failure:
        return [], {"cell": None, "name": "RecordError", "message": str(failure)}


def canonical_notebook(executed: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook as a plain dict without times, durations, random ids and this run's paths.

    The values of the parameters in LOCATIONS say where the evidence lay, not what it was, and
    differ from run to run; the report names the evidence by its content.
    """
    notebook: dict[str, Any] = json.loads(json.dumps(executed))
    kernel = notebook["metadata"].get("kernelspec", {})
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook["cells"] = [
        cell for cell in notebook["cells"] if not _has_tag(cell, "papermill-error-cell-tag")
    ]
    for number, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        if INJECTED in tags:
            cell["id"] = INJECTED
            cell["source"] = _without_locations(cell["source"])
        cell.setdefault("id", f"cell-{number}")
        cell["outputs"] = _joined(cell["outputs"]) if "outputs" in cell else None
        if cell["outputs"] is None:
            del cell["outputs"]
    return notebook


def _without_locations(source: str) -> str:
    """The injected parameters without the values that only say where the evidence lay."""
    lines = source.splitlines()
    hidden = tuple(f"{name} = " for name in LOCATIONS)
    return "\n".join(
        f"# {line.split(' = ')[0]}: given by the run" if line.startswith(hidden) else line
        for line in lines
    )


def _has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    """Whether the cell carries `tag`."""
    return tag in cell["metadata"].get("tags", [])


def _joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs with neighbouring chunks of one stream joined: how they are cut depends on timing."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        same = joined and output["output_type"] == "stream" == joined[-1]["output_type"]
        if same and output["name"] == joined[-1]["name"]:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(output)
    return joined


class _OwnPython(KernelSpecManager):
    """Finds `python3` as this very interpreter, whatever PATH or a user's kernels say."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The spec of `kernel_name`; this interpreter's own for `python3`."""
        if kernel_name != NATIVE_KERNEL:
            return super().get_kernel_spec(kernel_name)
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            env=KERNEL_ENVIRONMENT,
            display_name=NATIVE_KERNEL,
            language="python",
            metadata={
                "supported_encryption": ["curve"]
            },  # else cell outputs cross TCP in the clear
        )


class ReportKernelManager(AsyncKernelManager):
    """A kernel manager whose `python3` is the interpreter that runs the pipeline.

    Where the system has Unix sockets the kernel is reached through one in a private folder: no
    port that another process may take first, nothing that another user can listen to.
    """

    def _kernel_spec_manager_default(self) -> KernelSpecManager:
        return _OwnPython(parent=self)

    def _transport_default(self) -> str:
        return "ipc" if os.name == "posix" else "tcp"

    def _ip_default(self) -> str:
        if self.transport != "ipc":
            return "127.0.0.1"
        self._sockets = tempfile.TemporaryDirectory(prefix="fk-", ignore_cleanup_errors=True)
        return str(Path(self._sockets.name) / "kernel")


@contextmanager
def quiet_papermill() -> Iterator[None]:
    """Keep papermill's and the kernel's log lines out of the run's own log."""
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    levels = [logger.level for logger in loggers]
    debugger = os.environ.get("PYDEVD_DISABLE_FILE_VALIDATION")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if debugger is None:
            del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]

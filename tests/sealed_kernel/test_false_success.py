"""Notebooks in which something failed although every cell ended well: each is an error.

Issue 12, "Notebooks" 13. One forked kernel for each; the names are those of the attacks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from fin_kedro.reports.execution import ReportResult, execute_notebook

pytestmark = pytest.mark.usefixtures("forked_kernels")
GATE = "from sealed_kernel.watch import gate\n"
FAILS = {
    "gate with nan": (GATE + "gate('AUC', float('nan'))", "GateError"),
    "gate with text": (GATE + "gate('AUC', 'False')", "GateError"),
    "shell: false; true": ("!false; true", "ShellError"),
    "shell: cd to nowhere": ("!cd /nowhere; echo done", "ShellError"),
    "sx cell": ("%%sx\nfalse\ntrue", "ShellError"),
    "cell of !!": ("!!false; true", "ShellError"),
    "cd to nowhere": ("%cd /nowhere/at/all", "ShellError"),
    "script with a failing line": ("%%script bash\nfalse\ntrue", "CalledProcessError"),
    "script with an option": ("%%script --no-raise-error bash -u\nfalse | cat\necho 1", None),
    "script by env": ("%%script env bash\nfalse\ntrue", "ShellError"),
    "left side of a pipe in sh": ("%%sh\nfalse | cat\ntrue", "CalledProcessError"),
    "background in a line": ("!(sleep 0; false) & true", "ShellError"),
    "background in bash": ("%%bash\nfalse &\ntrue", "ShellError"),
    "prun with an exit": ("%%prun\nimport sys; sys.exit(3)", "EarlyExit"),
    "line of prun with an exit": ("%prun __import__('sys').exit(3)", "EarlyExit"),
    "thread": ("import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()",
               "ZeroDivisionError"),
    "exit in a thread": (
        "import threading, sys\nt = threading.Thread(target=lambda: sys.exit(3))\nt.start()\n"
        "t.join()", "EarlyExit"),
    "thread pool of multiprocessing": (
        "from multiprocessing.pool import ThreadPool\np = ThreadPool(1)\n"
        "r = p.apply_async(lambda: 1 / 0)\np.close(); p.join()", "ZeroDivisionError"),
    "unfinished task": (
        "import asyncio\nasync def wait(): await asyncio.sleep(99)\n"
        "t = asyncio.get_running_loop().create_task(wait())", "Unfinished"),
    "unfinished task of a library": (
        "import asyncio\nt = asyncio.ensure_future(asyncio.sleep(99))", "Unfinished"),
    "thread cut off": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(30,)).start()",
        "Unfinished"),
    "exit handler": ("import atexit\natexit.register(lambda: 1 / 0)", "ZeroDivisionError"),
    "child left, and an exit handler": (
        "import subprocess, atexit\nsubprocess.Popen(['sleep', '60'])\n"
        "ended = subprocess.Popen(['true'])\natexit.register(lambda: 1 / 0)", "ZeroDivisionError"),
    "exit handler that ends the kernel": (
        "import subprocess, atexit, os\np = subprocess.Popen(['true'])\n"
        "atexit.register(os._exit, 3)", "DeadKernelError"),
}  # fmt: skip


def notebook(folder: Path, *cells: Any) -> Path:
    node = nbformat.v4.new_notebook(cells=list(cells))
    node.metadata["kernelspec"] = {"name": "fin-kedro", "display_name": "x", "language": "python"}
    nbformat.write(node, folder / "small.ipynb")
    return folder / "small.ipynb"


def run(path: Path) -> ReportResult:
    return execute_notebook(notebook=path, timeout=60, html=False)


@pytest.mark.parametrize("attack", FAILS)
def test_what_failed_is_no_success(attack: str, tmp_path: Path) -> None:
    source, name = FAILS[attack]
    cell = nbformat.v4.new_code_cell(source, id="c0")
    error = run(notebook(tmp_path, cell)).error
    assert (error and error["name"]) == name, error


def test_a_notebook_without_kernelspec_is_executed(tmp_path: Path) -> None:
    path = notebook(tmp_path, nbformat.v4.new_code_cell("print('kept')", id="c0"))
    node = nbformat.read(path, as_version=4)
    del node.metadata["kernelspec"]
    nbformat.write(node, path)
    result = execute_notebook(notebook=path, timeout=60)
    assert result.error is None
    assert "kept" in result.notebook_json and "kept" in result.html

"""The engine is there for papermill's own command, and harms nobody who does not ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from fin_kedro.seals.seal import check_seal, read_seal
from sealed_kernel.papermill_engine import SealedEngine
from tests import commands


def papermill(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["-m", "papermill", "--no-progress-bar", *arguments]
    environment = {**commands.settled(os.environ), "PYTHONPATH": str(commands.ROOT / "src")}
    return commands.run(command, folder=folder, environment=environment)


TWICE = """import time
print(rows, end=" ", flush=True)  # this is a message of its own
time.sleep(0.5)
print(rows + 1)"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cells = [
        nbformat.v4.new_code_cell(
            "rows: int = 3  # [1..100] rows to draw", metadata={"tags": ["parameters"]}
        ),
        nbformat.v4.new_code_cell(TWICE),
    ]
    kernel = {"name": "gone", "display_name": "gone", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "in.ipynb")
    return tmp_path


def test_papermill_runs_it_on_the_sealed_kernel(folder: Path) -> None:
    result = papermill(folder, "--engine", "fin-kedro", "in.ipynb", "out.ipynb", "-p", "rows", "41")
    assert result.returncode == 0, result.stderr
    executed = nbformat.read(folder / "out.ipynb", as_version=4)
    [output] = executed.cells[-1].outputs
    assert output.text == "41 42\n"
    assert executed.metadata.language_info.fin_kedro  # the kernel's fingerprint
    seal = read_seal(folder / "out.ipynb")
    check_seal(seal)
    assert seal["content"]["parameters"] == {"rows": 41}
    assert seal["content"]["environment"]["seeds"]["hash"] == "0"  # as the kernel answered
    assert list(seal["content"]["code"]["notebooks"]) == ["in.ipynb"]
    assert seal["occasion"]["run"] and "answers" not in executed.metadata.fin_kedro


@pytest.mark.parametrize(
    ("parameter", "message"),
    [(("rws", "41"), "Did you mean 'rows'?"), (("rows", "0"), "'rows' is 0, below 1")],
)
def test_a_refusal_is_a_sentence(folder: Path, parameter: tuple[str, str], message: str) -> None:
    given = ("--engine", "fin-kedro", "in.ipynb", "out.ipynb", "-p", *parameter)
    result = papermill(folder, *given)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "out.ipynb").exists()


@pytest.mark.parametrize("first", ["papermill", "sealed_kernel.papermill_engine"])
def test_the_module_may_be_imported_first_or_last(first: str) -> None:
    code = (
        f"import sys, {first}, papermill.engines as e; "
        "assert e.papermill_engines.get_engine('fin-kedro').__name__ == 'SealedEngine'; "
        "assert 'sealed_kernel.execution' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()


def test_a_kernel_that_was_asked_for_is_taken() -> None:
    assert SealedEngine.nb_kernel_name({}) == "fin-kedro"
    assert SealedEngine.nb_kernel_name({}, "python3") == "python3"
    assert SealedEngine.nb_language({}) == "python"

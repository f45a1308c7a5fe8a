"""Execution fails closed, keeps what was executed, and gives the same bytes every time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from fin_kedro.reports.execution import ReportResult, execute_notebook, execute_report
from fin_kedro.seals.seal import check_seal, make_seal, read_seal
from fin_kedro.storage.canonical import canonical_outputs

pytestmark = pytest.mark.usefixtures("forked_kernels")

RECORD = """from fin_kedro.checks.verdict import judge
from fin_kedro.reports.record import record_verdicts
record_verdicts([judge(code="A", title="a", value=1.0, limits={"min": 0})])"""
PARAMETERS = "rows: int = 3\nversions: dict = {}\nproject_path: str = '.'"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def notebook(*cells: str, parameters: str = PARAMETERS, name: str = "report.ipynb") -> Path:
        node = nbformat.v4.new_notebook()
        node.metadata["kernelspec"] = {"name": "other", "display_name": "x", "language": "python"}
        node.cells = [
            nbformat.v4.new_markdown_cell("# A report", id="title"),
            nbformat.v4.new_code_cell(parameters, id="given", metadata={"tags": ["parameters"]}),
        ]
        node.cells += [nbformat.v4.new_code_cell(c, id=f"c{n}") for n, c in enumerate(cells)]
        nbformat.write(node, tmp_path / name)
        return tmp_path / name

    return notebook


def run(notebook: Path, **parameters: object) -> ReportResult:
    return execute_report(notebook=notebook, parameters=parameters, timeout=60)


def test_verdicts_of_a_complete_run(write: Write) -> None:
    seen: list[tuple[int, int]] = []
    notebook = write("import sys; print(sys.executable, rows)", RECORD)
    result = execute_report(
        notebook=notebook, parameters={"rows": 7}, progress=lambda *done: seen.append(done)
    )
    assert result.error is None
    assert [verdict["code"] for verdict in result.verdicts] == ["A"]
    assert f"{sys.executable} 7" in result.notebook_json  # the interpreter that runs the tests
    assert seen[-1] == (5, 5)
    assert "1 pass" in result.html


def test_two_runs_give_the_same_bytes_and_no_place(write: Write) -> None:
    notebook = write("import time, numpy; print('a'); time.sleep(.02); print('b')", RECORD)
    first = run(notebook, versions={"a": "2026-01-01"}, project_path="/one")
    second = run(notebook, versions={"a": "2026-01-02"}, project_path="/two")
    assert first.error is None
    assert (first.notebook_json, first.html) == (second.notebook_json, second.html)
    assert "2026-01" not in first.notebook_json
    metadata = [cell["metadata"] for cell in json.loads(first.notebook_json)["cells"]]
    assert all(set(found) <= {"tags"} for found in metadata)


def test_misspelt_parameter_runs_nothing(write: Write, tmp_path: Path) -> None:
    result = run(write(f"open({str(tmp_path / 'ran')!r}, 'w')", RECORD), rws=7)
    assert result.error is not None
    assert "no parameter 'rws'; it declares ['project_path', 'rows', 'versions']" in str(
        result.error
    )
    assert not (tmp_path / "ran").exists()


def test_required_parameter(write: Write) -> None:
    notebook = write(RECORD, parameters="rows: int = None\nnote: str | None = None")
    result = run(notebook)
    assert result.error is not None
    assert "needs the parameter 'rows'" in result.error["message"]
    assert run(notebook, rows=1).error is None


def test_notebook_without_a_parameters_cell(write: Write) -> None:
    notebook = write(RECORD)
    node = nbformat.read(notebook, as_version=4)
    node.cells[1].metadata.tags = []
    nbformat.write(node, notebook)
    result = run(notebook)
    assert result.error is not None
    assert "0 cells tagged 'parameters'" in result.error["message"]


def test_failing_cell_is_named_and_the_rest_kept(write: Write) -> None:
    result = run(write("print('before')", "1 / 0", RECORD), rows=1)
    assert result.error == {
        "cell": 4,
        "id": "c1",
        "line": "1 / 0",
        "name": "ZeroDivisionError",
        "message": "division by zero",
    }
    assert result.verdicts == []
    assert "before" in result.notebook_json
    assert "This report is not complete" in result.html
    assert "papermill-error-cell" not in result.notebook_json


def test_early_exit_is_an_error(write: Write) -> None:
    result = run(write("import sys; sys.exit(0)", "assert False", RECORD))
    assert result.error is not None
    assert result.error["name"] == "SystemExit"
    assert result.verdicts == []


def test_record_before_an_early_exit_does_not_count(write: Write) -> None:
    result = run(write(RECORD, "import sys; sys.exit(0)"))
    assert result.error is not None
    assert result.verdicts == []


def test_dead_kernel_is_an_error(write: Write) -> None:
    result = run(write("print('before')", "import os; os._exit(138)", RECORD))
    assert result.error is not None
    assert result.error["name"] == "DeadKernelError"
    assert result.error["cell"] == 3
    assert "before" in result.notebook_json


def test_timeout_is_an_error(write: Write) -> None:
    notebook = write("import time; time.sleep(60)", RECORD)
    result = execute_report(notebook=notebook, parameters={}, timeout=2)
    assert result.error is not None
    assert "Timeout" in result.error["name"]


def test_missing_record_is_an_error(write: Write) -> None:
    result = run(write("print('all good')"))
    assert result.error is not None
    assert "ended without recording" in result.error["message"]


def test_record_must_come_last_and_once(write: Write) -> None:
    result = run(write(RECORD, "print('after')"))
    assert result.error is not None
    assert "in the last cell" in result.error["message"]
    twice = run(write(f"{RECORD}\n{RECORD}"))
    assert twice.error is not None


def test_an_old_record_in_the_file_does_not_count(write: Write) -> None:
    executed = json.loads(run(write(RECORD)).notebook_json)
    old = nbformat.from_dict(executed)
    old.cells[-1].source = "print('no record')"
    path = write(RECORD)
    nbformat.write(old, path)
    assert run(path).error is not None


def test_shell_failure_without_a_record_is_an_error(write: Write) -> None:
    assert run(write("!false")).error is not None


def test_unknown_kernel_is_an_error(write: Write) -> None:
    result = execute_report(notebook=write(RECORD), parameters={}, kernel_name="no-such-kernel")
    assert result.error is not None
    assert "no-such-kernel" in result.error["message"]


def test_braces_in_the_path(write: Write) -> None:
    assert run(write(RECORD, name="report {workflow}.ipynb")).error is None


def test_path_does_not_choose_the_interpreter(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(write(RECORD)).error is None


def test_missing_notebook(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="name one under notebooks/validation"):
        run(tmp_path / "none.ipynb")


# execute_notebook


CARD = "4111 1111 1111 1111"


def seal_of(notebook: Path, **options: object) -> ReportResult:
    return execute_notebook(notebook=notebook, html=False, timeout=60, **options)  # type: ignore[arg-type]


def test_a_notebook_carries_its_seal(write: Write, tmp_path: Path) -> None:
    load = "from sealed_kernel import data_log\ndata_log.note('scores', 'v1', 'a' * 64)"
    load += "\ndata_log.note('scores', 'v2', 'b' * 64)\ndata_log.note('x', saved=True)\n1 + rows"
    result = execute_notebook(
        notebook=write("# %% nothing", load), parameters={"rows": 7}, env="ci", timeout=60
    )
    assert result.error is None
    assert result.seal is not None
    check_seal(result.seal)
    content = result.seal["content"]
    assert content["subject"] == {"notebook": "report.ipynb", "env": "ci"}
    assert content["parameters"] == {"rows": 7}  # places are none of it
    assert content["data"]["read"] == {"scores": "b" * 64, "scores@v1": "a" * 64}
    assert set(content["data"]["written"]) == {"outputs", "x"}
    assert content["environment"]["threads"]["OMP_NUM_THREADS"] == "1"
    assert content["environment"]["seeds"] == {"random": 0, "numpy": 0, "hash": "0"}
    places = result.seal["occasion"]["datasets"]
    assert places["scores@v1"] == {"path": None, "version": "v1", "file_sha256": None}
    kept = tmp_path / "kept.ipynb"
    kept.write_text(result.notebook_json)
    assert read_seal(kept)["digest"] == result.seal["digest"]
    stored = json.loads(result.notebook_json)["metadata"]["fin_kedro"]["seal"]
    assert set(stored) == {"format", "digest", "digests", "content"}
    steps = {name: step["written"]["output"] for name, step in content["steps"].items()}
    assert list(steps) == ["cell 1 (#given)", "cell 2 (#c0)", "cell 3 (#c1)"]
    assert list(steps.values()) == list(canonical_outputs(kept).values())
    assert f'<meta name="seal" content="{result.seal["digest"]}">' in result.html


def test_identical_executions_give_identical_bytes(write: Write) -> None:
    notebook = write("import random, time; print(random.random()); time.sleep(.01)", "rows")
    first, second = seal_of(notebook), seal_of(notebook)
    assert first.error is None
    assert first.notebook_json == second.notebook_json
    assert first.seal is not None
    assert second.seal is not None
    assert first.seal["occasion"]["run"] != second.seal["occasion"]["run"]
    changed = make_seal({**first.seal["content"], "parameters": {"rows": 4}}, {})
    assert changed["digest"] != first.seal["digest"]


def test_a_failed_execution_is_sealed_as_failed(write: Write) -> None:
    result = seal_of(write("print('before')", "1 / 0"))
    assert result.error is not None
    assert result.seal is not None
    assert result.seal["content"]["outcome"] == "failed"
    assert result.seal["occasion"]["error"]["step"] == "cell 3 (#c1)"


def test_nothing_executed_nothing_sealed(write: Write) -> None:
    notebook = write("1")
    for parameters in ({"rws": 1}, {"rows": "many"}):
        result = seal_of(notebook, parameters=parameters)
        assert result.error is not None
        assert result.error["name"] == "ParameterError"
        assert (result.notebook_json, result.seal) == ("", None)


def test_gates_asked_for_must_be_reached(write: Write) -> None:
    notebook = write("from sealed_kernel.watch import gate\ngate(''.join('KS'), rows == 3)", "1")
    assert seal_of(notebook, gates=("KS",)).error is None
    missing = seal_of(notebook, gates=("KS", "PSI"))
    assert missing.error is not None
    assert (missing.error["name"], missing.error["id"]) == ("GateNotReached", "c1")
    assert "'PSI'" in missing.error["message"]
    assert json.loads(missing.notebook_json)["metadata"]["fin_kedro"]["gates"] == {"KS": "passed"}


def test_a_record_is_read_where_there_is_one(write: Write) -> None:
    assert [v["code"] for v in seal_of(write(RECORD)).verdicts] == ["A"]
    assert seal_of(write("1")).error is None
    required = seal_of(write("1"), must_record=True)
    assert required.error is not None
    assert required.error["name"] == "RecordError"


@pytest.mark.parametrize(
    ("cell", "where"),
    [
        ("card = 4 * 1028, 1; print(' '.join(['4111'] + 3 * ['1111']))", "output 1"),
        ("card = ' '.join(['4111'] + 3 * ['1111'])\nraise ValueError(card)", "the traceback"),
    ],
)
def test_what_must_not_be_shown_is_not_kept(write: Write, cell: str, where: str) -> None:
    result = execute_notebook(notebook=write("print('before')", cell, "1"), timeout=60)
    assert result.error is not None
    assert (result.error["name"], result.error["id"]) == ("DisclosureError", "c1")
    assert f"card number in {where}" in result.error["message"]
    assert CARD not in result.notebook_json + result.html + json.dumps(result.seal)
    assert "before" in result.notebook_json
    assert "[outputs withheld: card number]" in result.notebook_json


def test_a_later_cell_cannot_put_a_secret_into_an_earlier_one(write: Write) -> None:
    first = "from IPython.display import display\nshown = display('nothing', display_id='x')"
    result = seal_of(write(first, "shown.update(' '.join(['4111'] + 3 * ['1111']))"))
    assert result.error is not None
    assert (result.error["name"], result.error["id"]) == ("DisclosureError", "c0")
    assert CARD not in result.notebook_json


def test_a_private_cell_keeps_no_outputs(write: Write) -> None:
    notebook = write("print('a name')", "raise ValueError('a name')")
    node = nbformat.read(notebook, as_version=4)
    for cell in node.cells[-2:]:
        cell.metadata["tags"] = ["private"]
        cell.source = cell.source.replace("a name", "a' 'name")
    nbformat.write(node, notebook)
    result = seal_of(notebook)
    assert result.error is not None
    assert (result.error["name"], result.error["id"]) == ("ValueError", "c1")
    assert "aname" not in result.notebook_json + json.dumps(result.error)
    assert result.notebook_json.count("outputs withheld: the cell is tagged 'private'") == 2


def test_a_failure_that_nobody_saw_does_not_tell_either(write: Write) -> None:
    cell = """import threading
def fail():
    raise ValueError(' '.join(['4111'] + 3 * ['1111']))
t = threading.Thread(target=fail); t.start(); t.join()"""
    result = seal_of(write("import sys; sys.stderr = open('/dev/null', 'w')", cell, "1"))
    assert result.error is not None
    assert (result.error["name"], result.error["id"]) == ("ValueError", "c1")
    assert result.error["message"] == "[message withheld: it shows card number]"
    assert CARD not in result.notebook_json


def test_a_kernel_that_refuses_says_why(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.lock").write_text("numpy==1.0.0\n")
    monkeypatch.setenv("FIN_KEDRO_LOCK", str(tmp_path / "other.lock"))
    result = seal_of(write("open('ran', 'w')"))
    assert result.error is not None
    assert result.error["name"] == "KernelRefused"
    assert "EnvironmentDiffersError: this kernel is sealed" in result.error["message"]
    assert not (tmp_path / "ran").exists()

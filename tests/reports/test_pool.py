"""Several notebooks at a time: in order, apart from each other, and nothing left behind."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from fin_kedro.cli.commands import notebooks_group
from fin_kedro.reports.execution import ReportResult, execute_notebook
from fin_kedro.reports.notebook_command import _places
from fin_kedro.reports.pool import Job, execute_many
from sealed_kernel.warm import ADDRESS, kernels
from tests import commands
from tests.children import gone, until
from tests.conftest import ROOT

LIGHT = ("ipykernel.kernelapp", "ipykernel.ipkernel", "sealed_kernel.kernel")
LATE = """
class Late:
    def __del__(self, end=__import__("os").{}, status={}):
        end(*status)
__import__("sys").late = Late()  # the interpreter lets go of it after the last exit handler
"""
CRASH, LATE_STATUS = LATE.format("abort", ()), LATE.format("_exit", (7,))
AT_EXIT = "import atexit, os; atexit.register(os._exit, 7)"
ENDED_BEFORE = "all of the notebook's code had ended when its kernel crashed with status -6"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def notebook(*cells: str, name: str = "one") -> Path:
        node = nbformat.v4.new_notebook()
        node.cells = [nbformat.v4.new_code_cell(cell, id=f"c{n}") for n, cell in enumerate(cells)]
        node.cells[0].metadata["tags"] = ["parameters"]
        kernel = {"name": "fin-kedro", "display_name": "fin-kedro", "language": "python"}
        node.metadata["kernelspec"] = kernel
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(node, path)
        return path

    return notebook


def jobs_of(*notebooks: Path, **parameters: object) -> list[Job]:
    return [Job(path, parameters, {"html": False, "timeout": 60}) for path in notebooks]


def said(result: ReportResult) -> str:
    """What a notebook printed."""
    cells = json.loads(result.notebook_json)["cells"]
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))


def test_results_stand_in_the_order_of_the_jobs_and_one_failure_harms_no_other(
    write: Write, tmp_path: Path
) -> None:
    slow = write("n: int = 0", "import time, os; time.sleep(1); print('slow', os.getppid())")
    quick = write("n: int = 0", "import os; print('quick', n, os.getppid())", name="two")
    dead = write("n: int = 0", "import os; os._exit(1)", name="three")
    wrong = write("n: int = 0", "1 / 0", name="four")
    seen: list[tuple[int, int, int]] = []
    ended: list[tuple[int, bool]] = []
    results = execute_many(
        jobs_of(slow, dead, tmp_path / "missing.ipynb", wrong, quick, n=7),
        workers=3,
        imports=LIGHT,
        progress=lambda *done: seen.append(done),
        ended=lambda number, result: ended.append((number, result.error is None)),
    )
    names = [result.error and result.error["name"] for result in results]
    assert names == [None, "DeadKernelError", "FileNotFoundError", "ZeroDivisionError", None]
    assert said(results[0]).startswith("slow ")
    assert said(results[4]).startswith("quick 7 ")
    hosts = {said(results[number]).split()[-1] for number in (0, 4)}
    assert len(hosts) == 1  # one warm host for both
    assert str(os.getpid()) not in hosts
    assert (0, 3, 3) in seen
    assert {number for number, _, _ in seen} == {0, 1, 3, 4}
    assert sorted(ended) == [(0, True), (1, False), (2, False), (3, False), (4, True)]
    assert ADDRESS not in os.environ
    assert all(process.poll() is not None for process in kernels())


def test_cold_and_warm_runs_give_the_same_notebook_and_seal(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    notebook = write(
        "rows: int = 3",
        "import numpy as np; print(np.random.rand(rows), hash('x'))",
        "import matplotlib.pyplot as plt; plt.plot(range(rows));",
    )
    cold, other = execute_many(jobs_of(notebook, notebook, rows=4), warm=False)
    warm, again = execute_many(jobs_of(notebook, notebook, rows=4))
    assert "started cold" not in caplog.text
    assert cold.error is None
    assert cold.notebook_json == other.notebook_json == warm.notebook_json == again.notebook_json
    assert cold.seal is not None
    assert warm.seal is not None
    assert cold.seal["content"] == warm.seal["content"]


@pytest.mark.usefixtures("forked_kernels")
def test_each_kernel_is_reached_by_sockets_in_a_folder_of_its_own(write: Write) -> None:
    look = """import os, pathlib
app = get_ipython().kernel.parent
print(app.transport, pathlib.Path(app.ip).parent, oct(os.stat(os.path.dirname(app.ip)).st_mode))"""
    notebook = write("n: int = 0", look)
    results = execute_many(jobs_of(notebook, notebook))
    (first, one, mode), (second, other, _) = (said(result).split() for result in results)
    assert (first, second, mode) == ("ipc", "ipc", "0o40700")
    assert one != other
    gc.collect()
    assert not Path(one).exists()


def test_fewer_than_one_worker(write: Write) -> None:
    with pytest.raises(ValueError, match="workers is 0; it must be 1 or more"):
        execute_many([], workers=0)


def test_no_jobs() -> None:
    assert execute_many([]) == []


# Whoever starts tests in the background of a shell hands on that Ctrl-C is ignored.
CLIENT = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
del os.environ[{ADDRESS!r}]  # the tests' own warm host
from fin_kedro.reports.pool import Job, execute_many
jobs = [Job(sys.argv[1], {{"place": place}}) for place in sys.argv[3:]]
execute_many(jobs, warm=sys.argv[2] == "warm", imports={LIGHT!r})
"""
SLEEP = """import os, subprocess, time
sleeper = subprocess.Popen(["sleep", "300"])
open(place, "w").write(f"{os.getpid()} {sleeper.pid} end")
time.sleep(300)"""


@pytest.mark.parametrize("kind", ["warm", "cold"])
def test_ctrl_c_ends_every_kernel_and_what_it_started(
    write: Write, tmp_path: Path, kind: str
) -> None:
    notebook = write("place: str = ''", SLEEP)
    places = [tmp_path / "a", tmp_path / "b", tmp_path / "never begun"]
    environment = {**commands.settled(os.environ), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    with (tmp_path / "said").open("w+b") as words:
        client = commands.start(
            ["-c", CLIENT, str(notebook), kind, *map(str, places)],
            folder=tmp_path, environment=environment, stdout=words, stderr=words,
        )  # fmt: skip
        assert until(
            lambda: all(p.exists() and p.read_text().endswith("end") for p in places[:2]), 60
        )
        started = [int(word) for p in places[:2] for word in p.read_text().split()[:-1]]
        client.send_signal(signal.SIGINT)
        assert client.wait(30) == -signal.SIGINT
    assert (tmp_path / "said").read_bytes().strip().endswith(b"KeyboardInterrupt")
    assert until(lambda: all(gone(pid) for pid in started)), [p for p in started if not gone(p)]
    assert not places[2].exists()


def test_a_kernel_that_crashes_after_its_last_reply_is_noticed_warm_too(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    bad = write("n: int = 0", f"{AT_EXIT}; print('done')")
    good = write("n: int = 0", "print('done')", name="two")
    late = write(CRASH, "print('done')", name="three")
    with caplog.at_level("WARNING"):
        failed, passed, apart = execute_many(jobs_of(bad, good, late), imports=LIGHT)
    assert failed.error is not None
    assert failed.error["name"] == "DeadKernelError"
    assert passed.error is None
    assert apart.error is None
    assert ENDED_BEFORE in caplog.text


def test_a_kernel_that_falls_apart_when_all_code_has_ended_fails_no_notebook(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        cold = execute_notebook(notebook=write(CRASH, "print('done')"))
    assert cold.error is None
    assert ENDED_BEFORE in caplog.text


@pytest.mark.parametrize("left", [CRASH + AT_EXIT, LATE_STATUS])
def test_what_a_notebook_leaves_for_the_exit_is_its_own(write: Write, left: str) -> None:
    failed = execute_notebook(notebook=write(left, "print('done')"))
    assert failed.error is not None
    assert failed.error["name"] == "DeadKernelError"
    assert "status 7 after the last cell" in failed.error["message"]


@pytest.mark.usefixtures("forked_kernels")
def test_the_command_runs_several_notebooks_and_says_which_failed(
    write: Write, tmp_path: Path
) -> None:
    good, bad = write("n: int = 0", "print(n)"), write("n: int = 0", "1 / 0", name="two")
    command = ["run", str(good), str(bad), "-p", "n=3", "--to", str(tmp_path / "kept")]
    done = CliRunner().invoke(notebooks_group, command)
    assert done.exit_code == 1
    kept = tmp_path / "kept" / "one" / "one.ipynb"
    assert str(kept) in done.output
    assert "ZeroDivisionError in code cell 3" in done.output
    assert "1 of 2 notebooks failed" in done.output
    assert "  2/2 " in done.output and f"{bad}: ZeroDivisionError" in done.output
    assert '"3\\n"' in kept.read_text()


def test_the_command_keeps_no_notebook_over_another(write: Write, tmp_path: Path) -> None:
    """Many notebooks of the repository are named alike; only their folders differ."""
    path = write("n: int = 0")
    other = tmp_path / "other/one.ipynb"
    other.parent.mkdir()
    other.write_text(path.read_text())
    done = CliRunner().invoke(
        notebooks_group, ["run", str(path), str(other), "--to", str(tmp_path)]
    )
    assert done.exit_code == 1
    assert f"{other} and {path} would both be kept in one/" in done.output
    paths = [tmp_path / f"notebooks/{place}/nodes.ipynb" for place in ("fraud", "training")]
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    assert [str(place) for place in _places(paths)] == ["fraud/nodes", "training/nodes"]

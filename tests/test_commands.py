"""Commands that the command server forks: the same as cold ones, apart, and never left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests import commands
from tests.children import gone, until
from tests.conftest import QUIET, kedro
from tests.end_to_end.tiny_project import make_tiny, replace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks as Linux does")

SETTLED = commands.settled(os.environ)
LOOK = """
import os, random, sys, threading
import numpy as np
print(os.getcwd(), sys.path[:2], sys.argv, os.environ.get("ASKED"), os.getsid(0) == os.getpid())
print(random.random(), np.random.random())
print([name for name in sys.modules if name.partition(".")[0] in ("fin_kedro", "sealed_kernel")])
"""


def said(folder: Path, code: str, *arguments: str, cold: bool = False) -> list[str]:
    environment = {**SETTLED, "PYTHONPATH": str(folder), "ASKED": "for"}
    done = commands.run(["-c", code, *arguments], folder=folder, environment=environment, cold=cold)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose conf is quiet: forked commands are as if they had imported Kedro first."""
    (tmp_path / "conf").mkdir()
    shutil.copy(commands.ROOT / "conf/logging.yml", tmp_path / "conf")
    return tmp_path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("commands") / "tiny")


def sealed(project: Path) -> dict[str, object]:
    (path,) = project.glob("data/08/seal.json/*/seal.json")
    seal: dict[str, object] = json.loads(path.read_text())
    return seal


@pytest.mark.slow
def test_a_forked_run_is_the_cold_run(tiny: Path, tmp_path: Path) -> None:
    results, seals = [], []
    for cold in (True, False):
        project = tmp_path / f"cold {cold}" / "tiny"
        shutil.copytree(tiny, project)
        results.append(kedro(project, "run", cold=cold))
        seals.append(sealed(project))
    cold, forked = results
    assert forked.returncode == cold.returncode == 0
    assert alike(forked.stdout) == alike(cold.stdout)
    assert alike(forked.stderr) == alike(cold.stderr)
    assert seals[0]["content"] == seals[1]["content"]
    assert seals[0]["digest"] != "" and seals[0]["digests"] == seals[1]["digests"]


def alike(text: str) -> str:
    """What was said, without times, digests that name them, and the layout that they make."""
    text = re.sub(r"\[[\d/]+ [\d:]+\]|\d{4}-\d\d-\d\dT[\d.:Z-]+|\b[0-9a-f]{12,16}\b", " ", text)
    return " ".join(re.sub(r"\d+(\.\d+)?( s\b| sec\b|%)", "... s", text).split())


@pytest.mark.slow
def test_a_failing_command_fails_alike(tiny: Path) -> None:
    found = [kedro(tiny, "run", "--pipelines", "none", cold=cold) for cold in (True, False)]
    assert found[0].returncode == found[1].returncode == 1
    assert found[0].stderr.splitlines()[-1] == found[1].stderr.splitlines()[-1]


def test_a_changed_project_runs_its_own_code(tiny: Path, tmp_path: Path) -> None:
    project = tmp_path / "tiny"
    shutil.copytree(tiny, project)
    replace(project, "src/tiny/nodes.py", "def fit(", 'print("changed here")\n\n\ndef fit(')
    assert "changed here" in kedro(project, "registry", "list").stdout
    assert "changed here" not in kedro(tiny, "registry", "list").stdout


def test_a_command_has_its_own_folder_arguments_and_chance(folder: Path) -> None:
    found = [said(folder, LOOK, "a", "b", cold=cold) for cold in (True, False, False)]
    expected = f"{folder} ['', '{folder}'] ['-c', 'a', 'b'] for"
    assert found[0][0] == f"{expected} False"
    assert found[1][0] == found[2][0] == f"{expected} True"  # in a session of its own
    assert len({lines[1] for lines in found}) == 3
    assert [lines[2] for lines in found] == ["[]"] * 3


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('words')", 1),
        ("raise ValueError('wrong')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("raise KeyboardInterrupt", -signal.SIGINT),
    ],
)
def test_a_status_is_that_of_a_cold_command(folder: Path, code: str, status: int) -> None:
    code = f"import atexit, sys; atexit.register(print, 'last'); print('first'); {code}"
    cold, forked = (
        commands.run(["-c", code], folder=folder, environment=SETTLED, cold=cold)
        for cold in (True, False)
    )
    assert forked.returncode == cold.returncode == status
    assert forked.stdout == cold.stdout
    last = [done.stderr.strip().splitlines()[-1:] for done in (cold, forked)]
    assert last[0] == last[1]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, ""),
        ({"PYTHONPATH": "elsewhere", "FIN_KEDRO_USER": "Ada"}, ""),
        ({"OMP_NUM_THREADS": "2"}, "OMP_NUM_THREADS is '2'"),
        ({"PYTHONHASHSEED": "17"}, "PYTHONHASHSEED is '17'"),
        ({"NPY_DISABLE_CPU_FEATURES": "AVX2"}, "NPY_DISABLE_CPU_FEATURES is 'AVX2'"),
    ],
)
def test_what_libraries_read_at_import_makes_a_command_cold(
    tmp_path: Path, changed: dict[str, str], why: str
) -> None:
    environment = {**os.environ, **QUIET, **changed}
    assert commands.why_cold(["-m", "kedro", "run"], tmp_path, environment).startswith(why)


def test_other_settling_makes_a_command_cold(tmp_path: Path) -> None:
    own = tmp_path / "src/fin_kedro/__init__.py"
    own.parent.mkdir(parents=True)
    shutil.copy(commands.ROOT / "src/fin_kedro/__init__.py", own)
    assert commands.why_cold(["-m", "kedro"], tmp_path, os.environ) == ""
    own.write_text("")
    assert commands.why_cold(["-m", "kedro"], tmp_path, os.environ) == f"{own} differs"


@pytest.fixture
def sleeping(folder: Path) -> Iterator[tuple[commands.Command, int]]:
    """A command that sleeps, with a child of its own that does; and the child."""
    code = (
        "import subprocess, time; print(subprocess.Popen(['sleep', '300']).pid, flush=True);"
        "time.sleep(300)"
    )
    with (folder / "said").open("w+b") as out:
        command = _started(["-c", code], folder, out)
        assert until(lambda: (folder / "said").read_text().endswith("\n"), 60)
        child = int((folder / "said").read_text())
        yield command, child
        command.close()
    assert until(lambda: gone(child))


def _started(arguments: list[str], folder: Path, out: IO[bytes]) -> commands.Command:
    command = commands.start(arguments, folder=folder, environment=SETTLED, stdout=out, stderr=out)
    assert isinstance(command, commands.Command)
    return command


def test_a_killed_command_says_so(sleeping: tuple[commands.Command, int]) -> None:
    command, child = sleeping
    assert command.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        command.wait(0.01)
    command.kill()
    assert command.wait(60) == -signal.SIGKILL
    assert not gone(child)  # as with a cold command: what it started is its own matter
    os.kill(child, signal.SIGKILL)


def test_a_client_that_lets_go_leaves_nothing_behind(
    sleeping: tuple[commands.Command, int],
) -> None:
    command, child = sleeping
    command.close()
    assert until(lambda: gone(command.pid) and gone(child))


def test_servers_end_with_all_that_they_run(tmp_path: Path) -> None:
    """Started by a process of its own, which is killed."""
    code = f"""
import os, sys, time
from tests import commands
from tests.test_commands import SETTLED
os.environ.pop(commands.ADDRESS, None)
commands.serve(["kedro.framework.cli"])
from pathlib import Path
with open({str(tmp_path / "said")!r}, "w+b") as out:
    command = commands.start(["-c", "import time; time.sleep(300)"], folder=Path.cwd(),
                             environment=SETTLED, stdout=out, stderr=out)
    pids = [command.pid, *(process.pid for process in commands._servers[0].processes)]
    print(*pids, os.environ[commands.ADDRESS], flush=True)
    time.sleep(300)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=commands.ROOT, stdout=subprocess.PIPE, text=True,
        env={**SETTLED, "PYTHONPATH": f"{commands.ROOT / 'src'}{os.pathsep}{commands.ROOT}"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        *words, place = process.stdout.readline().split()
        pids = [int(word) for word in words]
        assert len(pids) == 3 and not any(gone(pid) for pid in pids)
        process.kill()
    assert until(lambda: all(gone(pid) for pid in pids))
    assert not Path(place).exists()

"""Kernels forked from the warm host: alike to cold ones, apart from each other, never orphans."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from sealed_kernel.kernel_manager import ReportKernelManager
from sealed_kernel.warm import ADDRESS, ForkedKernel, RefusedError, WarmHost
from tests import commands, needs
from tests.children import gone, until
from tests.sealed_kernel.plain_kernels import (
    LIGHT,
    PLAIN_ENVIRONMENT,
    PlainManager,
    PlainSpecs,
    execute,
    printed,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks as Linux does")
SETTLED = commands.settled(os.environ)
PIDS = "import os; print(os.getpid(), os.getppid())"


@pytest.fixture(scope="module")
def shared() -> Iterator[WarmHost]:
    with WarmHost(LIGHT, environment=PLAIN_ENVIRONMENT) as host:
        yield host


def test_a_kernel_is_a_child_of_the_host(shared: WarmHost) -> None:
    _, parent = printed(PIDS).split()
    assert int(parent) == shared.pid


def test_without_a_host_kernels_start_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS, raising=False)
    assert int(printed(PIDS).split()[1]) == os.getpid()


def test_a_kernel_does_not_see_what_another_did(shared: WarmHost, tmp_path: Path) -> None:
    leave = """import os, sys, random, json
json.leaked = 1; os.environ["LEAKED"] = "1"; os.chdir("/"); sys.path.append("/leaked")
sys.modules["leaked"] = json; random.seed(7); os.umask(0o777); print("left")"""
    look = """import os, sys, json
print(hasattr(json, "leaked"), "LEAKED" in os.environ, os.getcwd(), "/leaked" in sys.path,
      "leaked" in sys.modules, oct(os.umask(0o22)))"""
    assert printed(leave, folder=tmp_path) == "left\n"
    mask = os.umask(0o22)
    os.umask(mask)
    assert printed(look, folder=tmp_path).split() == [
        "False", "False", str(tmp_path), "False", "False", oct(mask),
    ]  # fmt: skip


def test_a_kernel_has_its_own_environment_and_group(
    shared: WarmHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKED", "for")
    said = printed(
        "import os; print(os.environ['ASKED'], os.getpgid(0) == os.getsid(0) == os.getpid(),"
        f"'{ADDRESS}' in os.environ, os.readlink('/proc/self/fd/0'))"
    )
    assert said.split() == ["for", "True", "False", "/dev/null"]


def test_what_processes_write_reaches_the_cell(
    shared: WarmHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it ipykernel leaves file descriptors alone
    for pause in (0.3, 3, 30):  # ipykernel hears of it from a thread and tells it every 0.2 s
        wait = f"import time; time.sleep({pause})"
        cells = ("!echo shell", "import os; os.system('echo below');", wait)
        said = [output["text"].strip() for output in execute(*cells)]
        if len(said) == len(cells) - 1:
            break
    assert said == ["shell", "below"]


def test_an_exit_is_noticed(shared: WarmHost) -> None:
    with pytest.raises(DeadKernelError):
        execute("import os; os._exit(3)")
    with pytest.raises(DeadKernelError):
        execute("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


LEAVE = """import json, os, sys
class Late:
    def __init__(self, name): self.name = name
    def __del__(self, make=os.mkdir): make(self.name)
sys.left, json.left, mine, ring = map(Late, ("of sys", "of the host", "mine", "ring"))
ring = [ring]; ring.append(ring)
sys.file = open("file", "w"); sys.file.write("words")
"""


def test_what_a_kernel_has_made_ends_with_it_and_what_the_host_imported_is_left_standing(
    shared: WarmHost, tmp_path: Path
) -> None:
    execute(LEAVE, folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"of sys", "mine", "ring", "file"}
    assert (tmp_path / "file").read_text() == "words"


async def _managed(script: str) -> tuple[AsyncKernelManager, int]:
    """A kernel that has begun to run a script, and its process id."""
    manager = PlainManager(kernel_name="plain")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    client.execute(script)
    while (await client.get_iopub_msg(timeout=30))["msg_type"] != "stream":
        pass
    client.stop_channels()
    return manager, manager.provisioner.pid


@pytest.mark.parametrize(
    ("script", "send", "status"),
    [
        ("import os, time; print(1, flush=True); time.sleep(.5); os._exit(3)", None, 3),
        ("import time; print(1, flush=True); time.sleep(60)", signal.SIGKILL, -signal.SIGKILL),
        ("import time; print(1, flush=True); time.sleep(60)", signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_the_exit_status_is_that_of_the_process(
    shared: WarmHost, script: str, send: int | None, status: int
) -> None:
    async def ended() -> int | None:
        manager, pid = await _managed(script)
        if send is not None:
            await manager.signal_kernel(send)
        found = await asyncio.wait_for(manager.provisioner.wait(), 20)
        await manager.cleanup_resources()
        assert gone(pid)
        return found

    assert asyncio.run(ended()) == status


def test_an_interrupt_stops_the_cell_and_keeps_the_kernel(shared: WarmHost) -> None:
    script = """import time
try: print(1, flush=True); time.sleep(60)
except KeyboardInterrupt: import os; os._exit(77)"""

    async def ended() -> int | None:
        manager, _ = await _managed(script)
        await manager.interrupt_kernel()
        return await asyncio.wait_for(manager.provisioner.wait(), 20)

    assert asyncio.run(ended()) == 77


CLIENT = """
import os, sys
from sealed_kernel.warm import ADDRESS, WarmHost
os.environ.pop(ADDRESS)  # the tests' own host
from tests.sealed_kernel.plain_kernels import LIGHT, PLAIN_ENVIRONMENT, execute
with WarmHost(LIGHT, environment=PLAIN_ENVIRONMENT) as host:
    execute(f'''import os, subprocess, time
sleeper = subprocess.Popen(["sleep", "300"])
text = "{host.pid} " + f"{{os.getpid()}} {{sleeper.pid}}"
open({sys.argv[1]!r}, "w").write(text + " end")
time.sleep(300)''')
"""


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[commands.Command, list[int]]]:
    """A client in the middle of a cell, with the pids of host, kernel and a process of the cell."""
    told = tmp_path / "pids"
    environment = {**SETTLED, "PYTHONPATH": f"{commands.ROOT / 'src'}:{commands.ROOT}"}
    with (tmp_path / "said").open("wb") as said:
        client = commands.start(
            ["-c", CLIENT, str(told)],
            folder=tmp_path, environment=environment, stdout=said, stderr=said,
        )  # fmt: skip
    assert isinstance(client, commands.Command)
    assert until(lambda: told.is_file() and told.read_text().endswith("end"), 60)
    pids = [int(word) for word in told.read_text().split()[:-1]]
    yield client, pids
    client.kill()
    client.wait(10)
    client.close()
    for pid in pids:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_client_leaves_nothing_behind(
    busy: tuple[commands.Command, list[int]], how: int
) -> None:
    client, pids = busy
    client.send_signal(how)
    client.wait(10)
    assert until(lambda: all(gone(pid) for pid in pids)), [p for p in pids if not gone(p)]


def test_a_killed_host_takes_its_kernels_and_the_client_notices(
    busy: tuple[commands.Command, list[int]], tmp_path: Path
) -> None:
    client, pids = busy
    os.kill(pids[0], signal.SIGKILL)
    assert client.wait(30) == 1
    assert "DeadKernelError" in (tmp_path / "said").read_text()
    assert all(gone(pid) for pid in pids)


def test_a_stopped_host_leaves_no_process_and_no_file() -> None:
    host = WarmHost(LIGHT, environment=PLAIN_ENVIRONMENT).start()
    folder, pid = Path(host.address).parent, host.pid
    assert folder.stat().st_mode & 0o777 == 0o700
    host.stop()
    assert pid is not None
    assert gone(pid)
    assert not folder.exists()


@pytest.fixture
def changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project module that host and kernels import."""
    module = tmp_path / "changing.py"
    module.write_text("FIGURE = 1\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    time.sleep(0.02)
    return module


def test_no_notebook_runs_on_code_that_has_changed(
    changing: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cell = f"import changing; print(changing.FIGURE)\n{PIDS}"
    with WarmHost([*LIGHT, "changing"], environment=PLAIN_ENVIRONMENT) as host:
        figure, _, parent = printed(cell).split()
        assert (figure, int(parent)) == ("1", host.pid)
        changing.write_text("FIGURE = 22\n")
        with caplog.at_level(logging.WARNING):
            figure, _, parent = printed(cell).split()
    assert (figure, int(parent)) == ("22", os.getpid())
    assert f"{changing} changed after the host imported" in caplog.text


def test_another_environment_is_not_forked_from_this_one(
    shared: WarmHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PlainSpecs, "environment", {**PLAIN_ENVIRONMENT, "OMP_NUM_THREADS": "2"})
    with caplog.at_level(logging.WARNING):
        said = printed(f"import os; print(os.environ['OMP_NUM_THREADS'])\n{PIDS}").split()
    assert said[0] == "2"
    assert int(said[2]) == os.getpid()
    assert "OMP_NUM_THREADS is '2' for the kernel and was '1' when the host started" in caplog.text


def test_another_interpreter_is_refused(shared: WarmHost) -> None:
    with pytest.raises(RefusedError, match="is not the host's interpreter"):
        ForkedKernel(shared.address, ["/usr/bin/other", "-m", "x"], env={}, cwd="/")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import threading, time; threading.Thread(target=time.sleep, args=[60], daemon=True)"
         ".start()", "must be single-threaded to fork"),
        ("1 / 0", "division by zero"),
    ],
)  # fmt: skip
def test_a_host_with_a_bad_import_serves_nobody(
    changing: Path, line: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    changing.write_text(line)
    with (
        caplog.at_level(logging.WARNING),
        WarmHost([*LIGHT, "changing"], environment=PLAIN_ENVIRONMENT),
    ):
        assert int(printed(PIDS).split()[1]) == os.getpid()
    assert reason in caplog.text


def test_no_host_at_the_address_means_cold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ADDRESS, str(tmp_path / "gone" / "host"))
    with caplog.at_level(logging.WARNING):
        assert int(printed(PIDS).split()[1]) == os.getpid()
    assert "no warm host answers" in caplog.text


ALIKE = [
    "import random, numpy as np; print(random.random(), np.random.rand(3), hash('text'))",
    "import locale, os, sys, time; print(locale.getlocale(), time.tzname, os.getcwd(), sys.path,"
    " sys.flags, os.environ['OMP_NUM_THREADS'], sorted(sys.warnoptions), sys.stdout.encoding)",
    "import matplotlib as mpl, matplotlib.pyplot as plt; plt.plot([1, 3, 2], label='a');",
    "print(mpl.get_backend(), sorted(mpl.rcParams.items()))",
    "import pandas as pd; pd.DataFrame({'a': [1.5, 2], 'b': ['x', None]}).describe()",
    "import ibis; print(ibis.memtable({'a': [1, 2]}).a.sum().execute())",
    "import logging; logging.getLogger('own').warning('said'); logging.root.handlers",
    "import warnings; warnings.warn('careful')",
    "print(len(np.show_config('dicts')['SIMD Extensions']['found']), np.float64(2) ** .5)",
    "print(__name__, sorted(name for name in globals() if not name.startswith('_')))",
    "from threadpoolctl import threadpool_info\n"
    "print(sorted({(p['user_api'], p['num_threads']) for p in threadpool_info()"
    " if p['user_api'] == 'blas'}))",
    "%seal --json",
]


def test_outputs_and_fingerprint_are_those_of_a_cold_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FIN_KEDRO_SEALED", "0")

    def run() -> nbformat.NotebookNode:
        node = nbformat.v4.new_notebook()
        node.cells = [nbformat.v4.new_code_cell(c, id=f"c{n}") for n, c in enumerate(ALIKE)]
        NotebookClient(
            node,
            timeout=60,
            kernel_name="fin-kedro",
            kernel_manager_class=ReportKernelManager,
            resources={"metadata": {"path": str(tmp_path)}},
            record_timing=False,
            coalesce_streams=True,  # how a stream is cut into messages depends on timing
        ).execute()
        return node

    cold = run()
    with WarmHost(), caplog.at_level(logging.WARNING):
        warm = run()
    assert "started cold" not in caplog.text
    assert cold.metadata.language_info == warm.metadata.language_info
    for before, after in zip(cold.cells, warm.cells, strict=True):
        assert _stable(before.outputs) == _stable(after.outputs), before.source


def _stable(outputs: list[Any]) -> Any:
    """Outputs without the process ids and addresses that differ between any two kernels."""
    return re.sub(r"ipykernel_\d+|0x[0-9a-f]+", "*", json.dumps(outputs, sort_keys=True))


THREADS = """
import sys; sys.path.append({tools!r})
import numpy as np, polars as pl, catboost, duckdb, onnxruntime, sklearn.ensemble as e
rng = np.random.default_rng(0); x = rng.normal(size=(2000, 5)); y = (x[:, 0] > 0).astype(int)
frame = pl.DataFrame(x).with_columns(k=pl.lit(y)).group_by("k").sum()
model = catboost.CatBoostClassifier(iterations=20, thread_count=2, verbose=False).fit(x, y)
forest = e.HistGradientBoostingClassifier(max_iter=10).fit(x, y)
sums = duckdb.sql("select sum(range) from range(100000)").fetchall()
print(len(frame), model.predict(x).mean().round(6), forest.score(x, y) > .9, sums)
"""


@pytest.mark.slow
def test_twelve_kernels_three_at_a_time_with_libraries_that_start_threads() -> None:
    imports = [*LIGHT, "numpy", "pandas", "sklearn.ensemble", "scipy.stats", "matplotlib.pyplot"]
    threads = THREADS.format(tools=str(needs.tools()))  # polars is there
    cells = [threads if number % 4 == 0 else f"print({number})" for number in range(12)]
    with WarmHost(imports, environment=PLAIN_ENVIRONMENT) as host:
        assert printed("print('first')") == "first\n"
        process = psutil.Process(host.pid)
        handles = process.num_fds()
        with ThreadPoolExecutor(3) as pool:
            said = list(pool.map(printed, cells))
        assert process.children() == []
        assert until(lambda: process.num_fds() <= handles)  # it hears of each client's end
    expected = printed(threads)  # cold
    assert [s for n, s in enumerate(said) if n % 4 == 0] == [expected] * 3
    assert [s for n, s in enumerate(said) if n % 4] == [f"{n}\n" for n in range(12) if n % 4]

"""What sealing costs, and what warm kernels save: notebooks, ten reports, a pipeline run."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from fin_kedro.reports.execution import execute_notebook
from fin_kedro.reports.pool import WARM_IMPORTS
from sealed_kernel.warm import ADDRESS, WarmHost
from tests.conftest import QUIET, ROOT, copy_project, kedro

from .conftest import Printer

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
REPORTS = int(os.environ.get("BENCH_REPORTS", "10"))
NOTEBOOK = Path("notebooks/validation/model_validation.ipynb")
PARAMETERS = {"env": "ci", "bootstrap_replicates": 100}

# Twenty cells as a data scientist writes them: libraries, a table, a model, pictures.
CELLS = [
    "import numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    "from sklearn.linear_model import LogisticRegression as Model\n"
    "from sklearn.metrics import roc_auc_score",
    "rng = np.random.default_rng(1)\nx = pd.DataFrame(rng.normal(size=(20_000, 12)))\nx.head()",
    "y = (x[0] + 0.5 * x[1] ** 2 + rng.normal(size=len(x)) > 0.5).astype(int)\ny.mean()",
    "model = Model().fit(x, y)\nmodel.coef_.round(3)",
    "score = model.predict_proba(x)[:, 1]\nprint(f'AUC {roc_auc_score(y, score):.4f}')",
    "bands = pd.qcut(score, 10, labels=False)\n"
    "table = y.groupby(bands).agg(['size', 'mean'])\ntable",
    "fig, ax = plt.subplots()\nax.bar(table.index, table['mean']);",
    "plt.hist(score, bins=40);",
    "x.describe()",
    "x.corr().round(2)",
    *[f"x[{n}].rolling(50).mean().dropna().quantile([0.1, 0.5, 0.9])" for n in range(6)],
    "shuffled = [roc_auc_score(y, rng.permutation(score)) for _ in range(60)]\nmax(shuffled)",
    "plt.plot(np.sort(score));",
    "assert roc_auc_score(y, score) > max(shuffled)",
]


def bench_twenty_cells(say: Printer, tmp_path: Path) -> None:
    """nbclient on IPython's own kernel against the engine on ours, cold and forked."""
    assert len(CELLS) == 20
    path = tmp_path / "twenty.ipynb"
    node = nbformat.v4.new_notebook()
    node.cells = [nbformat.v4.new_code_cell(cell, id=f"c{n}") for n, cell in enumerate(CELLS)]
    nbformat.write(node, path)

    def bare() -> None:
        NotebookClient(
            nbformat.read(path, as_version=4), kernel_name="python3",
            resources={"metadata": {"path": str(tmp_path)}},
        ).execute()  # fmt: skip

    def sealed() -> None:
        result = execute_notebook(notebook=path, html=False)
        assert result.error is None, result.error

    with WarmHost():
        ways = {
            "nbclient, bare": (bare, nullcontext),
            "sealed, cold": (sealed, cold),
            "sealed, warm": (sealed, nullcontext),
        }
        compare(say, ways, "20 cells")
    say("aim: sealed, cold at most 1.15 x")


@contextmanager
def cold() -> Iterator[None]:
    """In this block kernels start cold, though there is a host."""
    address = os.environ.pop(ADDRESS)
    try:
        yield
    finally:
        os.environ[ADDRESS] = address


def compare(say: Printer, ways: dict[str, tuple[Callable[[], None], Any]], what: str) -> None:
    """Run each way in turns; the median of each, and of its ratio to the first in its round."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (work, around) in ways.items():
            with around():
                spent[name].append(seconds(work))
    first = next(iter(spent.values()))
    for name, each in spent.items():
        ratio = statistics.median(a / b for a, b in zip(each, first, strict=True))
        say(f"{what}, {name:<16} {statistics.median(each):6.2f} s  {ratio:5.2f} x")


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# one kernel

STARTS = {"nothing imported": "1", "all a report imports": f"import {', '.join(WARM_IMPORTS)}"}


def bench_one_kernel(say: Printer) -> None:
    """What a kernel takes until it has answered a cell, cold and forked: the table of the docs."""
    with WarmHost(WARM_IMPORTS) as host:
        ways = {"cold": cold, "forked": nullcontext}
        for what, cell in STARTS.items():
            taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, around in ways.items():
                    with around():
                        taken[way].append(one_kernel(cell))
            for way, each in taken.items():
                spent, memory = (statistics.median(column) for column in zip(*each, strict=True))
                say(f"{what}, {way}: processor {spent:.2f} s, memory of its own {memory:.0f} MiB")
        assert host.pid is not None
        spent, memory = taken_by(host.pid)
        say(f"the host, once: processor {spent:.1f} s, memory {memory:.0f} MiB")


def one_kernel(cell: str) -> tuple[float, float]:
    """Processor seconds and MiB of a new kernel once it has answered a cell."""
    manager = KernelManager(kernel_name="fin-kedro")
    manager.start_kernel(cwd=str(ROOT / "notebooks"), stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    assert client.execute_interactive(cell, timeout=120)["content"]["status"] == "ok"
    found = taken_by(manager.provisioner.pid)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return found


def taken_by(process: int) -> tuple[float, float]:
    """Processor seconds, and MiB that no other process shares."""
    found = psutil.Process(process)
    spent = found.cpu_times()
    return spent.user + spent.system, found.memory_full_info().uss / 2**20


# ten reports


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the credit workflow has run once on the tiny slice."""
    project = copy_project(tmp_path_factory.mktemp("bench") / "project")
    done = kedro(project, "run", "--pipelines", "credit", "--env", "ci")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


POOL = """
import json, sys
from pathlib import Path
from fin_kedro.reports.pool import Job, execute_many
notebook, count, parameters, workers = sys.argv[1:]
job = Job(Path(notebook), json.loads(parameters), {"must_record": True, "html": False})
results = execute_many([job] * int(count), workers=int(workers))
assert all(result.error is None for result in results), [result.error for result in results]
for number, result in enumerate(results):
    Path(f"ours-{number}.ipynb").write_text(result.notebook_json)
"""


def bench_ten_reports(say: Printer, small: Path) -> None:
    """papermill's command, a process for each report, against one command with a warm pool."""
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(small / "src")}
    parameters = [word for k, v in PARAMETERS.items() for word in ("-p", k, str(v))]

    def run(*command: str) -> None:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=small,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def plain() -> None:
        for number in range(REPORTS):
            run(
                "-m", "papermill", "--no-progress-bar", "-k", "python3", *parameters,
                "--cwd", str(NOTEBOOK.parent), str(NOTEBOOK), f"plain-{number}.ipynb",
            )  # fmt: skip

    def warm(workers: int) -> None:
        run("-c", POOL, str(NOTEBOOK), str(REPORTS), json.dumps(PARAMETERS), str(workers))

    rounds = max(1, ROUNDS // 2)
    spent: dict[str, list[float]] = {"papermill": [], "2 workers": [], "3 workers": []}
    for _ in range(rounds):
        spent["papermill"].append(seconds(plain))
        spent["2 workers"].append(seconds(lambda: warm(2)))
        spent["3 workers"].append(seconds(lambda: warm(3)))
    for name, each in spent.items():
        pairs = zip(spent["papermill"], each, strict=True)
        faster = statistics.median(a / b for a, b in pairs)
        say(f"{REPORTS} reports, {name}: {statistics.median(each):.1f} s, {faster:.1f} x as fast")
    say("aim: at least 3 x")


# a pipeline run

# The run with all that sealing does taken out; what a node asks for (versions) is still told.
UNSEALED = """
import fin_kedro.hooks as _hooks
import fin_kedro.storage.dataset_state as _state
import fin_kedro.seals.sealing as _sealing

_hooks.keep_seal = lambda *_: ""
_sealing.surroundings = lambda *_: {}
_sealing.code_state = lambda *_, **__: ({}, None)
_state.content_hash = lambda *_, **__: ""
"""
SEALED = re.compile(
    r"sealed as \w+ \(the run waited ([\d.]+) s for it; hashing in the background took ([\d.]+) s"
)
IN_ALL = re.compile(r"(\d+) s in all")


def bench_sealed_run(say: Printer, small: Path, tmp_path: Path) -> None:
    """`kedro run` with and without the work of sealing, in turns; and what the run itself says."""
    bare = copy_project(tmp_path / "bare")
    with (bare / "src/fin_kedro/settings.py").open("a") as settings:
        settings.write(UNSEALED)

    def run(project: Path) -> tuple[float, str]:
        start = time.perf_counter()
        done = kedro(project, "run", "--pipelines", "credit", "--env", "ci")
        assert done.returncode == 0, done.stdout + done.stderr
        return time.perf_counter() - start, done.stdout + done.stderr

    run(bare)  # the first run makes MLflow's tables
    pairs, waited, beside = [], [], []
    for _ in range(ROUNDS):
        with_seal, text = run(small)
        found = SEALED.search(text)
        assert found, text
        waited.append(float(found[1]) / with_seal)
        beside.append(float(found[2]) / with_seal)
        pairs.append((with_seal, run(bare)[0]))
    ratio = statistics.median(a / b for a, b in pairs)
    walls = [statistics.median(column) for column in zip(*pairs, strict=True)]
    say(f"kedro run, sealed {walls[0]:.1f} s, without {walls[1]:.1f} s: {ratio:.3f} x (aim 1.03)")
    say(
        f"by the run's own clock the run waited {statistics.median(waited):.1%} of its time, and "
        f"{statistics.median(beside):.1%} of a processor worked beside it"
    )


# the ledger


def bench_signed_ledger(say: Printer, tmp_path: Path) -> None:
    """Entries appended as a run appends its own, each on disk before the next; then verified."""
    from fin_kedro.governance.ledger import Ledger

    event = {"event": "run_sealed", "run": "x" * 24, "seal": "a" * 64, "outcome": "completed"}
    ledger = Ledger(tmp_path / "ledger.sqlite")
    first = seconds(lambda: ledger.append(**event))
    rest = [seconds(lambda: ledger.append(**event)) for _ in range(200)]
    key, content = ledger.prepare(), b"x" * 500
    signing = [seconds(lambda: key.sign(content)) for _ in range(200)]
    parts = {
        "an entry": statistics.median(rest), "of it the signature": statistics.median(signing),
        "the first of a process": first, "verifying one": seconds(ledger.verify) / 201,
    }  # fmt: skip
    say("ledger: " + ", ".join(f"{name} {spent * 1e3:.2f} ms" for name, spent in parts.items()))

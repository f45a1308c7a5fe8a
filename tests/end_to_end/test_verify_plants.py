"""Planted changes of every kind: `kedro verify` gives the grade and names the cause of each.

``python -m tests.end_to_end.test_verify_plants`` writes the table of docs/verify.md.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import more_itertools
import pandas as pd
import pytest

from fin_kedro.governance.ledger import Ledger
from fin_kedro.seals.seal import SealError, find_seal, make_seal, read_seal
from fin_kedro.storage.canonical import content_hash, json_hash
from fin_kedro.verification.conditions import World
from fin_kedro.verification.outcome import Verification
from fin_kedro.verification.sealed_run import open_sealed
from fin_kedro.verification.verify import Verifier
from tests.commands import forking
from tests.conftest import kedro
from tests.end_to_end.tiny_project import RAW, VERSION, applications, make_tiny, replace

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "verify.md"
DIGEST = re.compile(r"\b[0-9a-f]{12,16}\b")  # of seals and keys: others every day
BEGIN, END = "<!-- plants: begin -->\n", "<!-- plants: end -->"
HEAD = (
    "| planted after the run was sealed | asked | grade | first departure | cause named |",
    "|---|---|---|---|---|",
)
NODES, PARAMETERS = "src/tiny/nodes.py", "conf/base/parameters.yml"
LATER = "2026-02-02T00.00.00.000Z"
Change = Callable[[Path], Any]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A change made after a run was sealed, how it is verified, and what must be found."""

    name: str
    change: Change
    asked: str = ""
    world: Mapping[str, Any] = field(default_factory=dict)
    run: str = "main"
    grade: str
    cause: str
    factors: tuple[str, ...] = ()
    first: str = ""
    detail: str = ""


def change_cell(project: Path) -> None:
    """One number of one row of the sealed version."""
    table = pd.read_csv(project / RAW)
    table.loc[17, "debt"] = round(0.9 - float(table.loc[17, "debt"]) / 2, 4)
    table.to_csv(project / RAW, index=False)


def drop_row(project: Path) -> None:
    """A newer version without one row."""
    add_version(project, applications().drop(index=3))


def swap_version(project: Path) -> None:
    """The sealed version is gone; another one lies there."""
    add_version(project, applications(seed=4))
    shutil.rmtree((project / RAW).parent)


def add_version(project: Path, table: pd.DataFrame) -> None:
    path = project / RAW.replace(VERSION, LATER)
    path.parent.mkdir()
    table.to_csv(path, index=False)


def edited(name: str, old: str, new: str) -> Change:
    """Change one place of a file."""
    return lambda project: replace(project, name, old, new)


def both(*changes: Change) -> Change:
    """Several changes."""
    return lambda project: [change(project) for change in changes]


def change_library(project: Path) -> None:
    """Another version of a library, found before the installed one, and an interpreter with it."""
    overlay, source = project / ".overlay", Path(more_itertools.__file__).parent
    shutil.copytree(source, overlay / "more_itertools")
    (overlay / "more_itertools-99.0.dist-info").mkdir()
    more = overlay / "more_itertools/more.py"
    text = more.read_text(encoding="utf-8")
    more.write_text(
        f"{text}\n_old = windowed\n\n\ndef windowed(seq, n):\n    return _old(seq, 2)\n"
    )
    inside = overlay / "more_itertools/__init__.py"
    inside.write_text(inside.read_text(encoding="utf-8") + "\nfrom .more import windowed\n")
    python = project / ".python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{overlay}:$PYTHONPATH" exec {sys.executable} "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)


def change_scores(project: Path) -> None:
    """One decision in a stored output."""
    path = next((project / "data/07/scores.parquet").glob("*/scores.parquet"))
    table = pd.read_parquet(path)
    table.loc[5, "decision"] = "decline" if table.loc[5, "decision"] == "approve" else "approve"
    table.to_parquet(path)


def change_seal(project: Path, change: Change, *, anew: bool) -> None:
    """Edit a seal; with new digests if `anew`."""
    path = next((project / "data/08/seal.json").glob("*/seal.json"))
    seal = json.loads(path.read_text(encoding="utf-8"))
    change(seal["content"])
    seal = make_seal(seal["content"], seal["occasion"]) if anew else seal
    path.write_text(json.dumps(seal), encoding="utf-8")


def other_model(content: Any) -> None:
    """Another hash of the model, wherever the seal has it."""
    content["steps"]["fit"]["written"]["model"] = json_hash("another model")
    content["data"]["written"]["model"] = json_hash("another model")


def other_ridge(content: Any) -> None:
    """Another parameter than the run had."""
    content["parameters"]["model"]["ridge"] = 5.0


def alter_together(project: Path) -> None:
    """One decision in a stored output, and the seal as if the run had made it so."""
    change_scores(project)
    digest = content_hash(next((project / "data/07/scores.parquet").glob("*/scores.parquet")))

    def other_scores(content: Any) -> None:
        content["steps"]["score"]["written"]["scores"] = digest
        content["data"]["written"]["scores"] = digest

    change_seal(project, other_scores, anew=True)


CODE, DATA, CONF = {"code": "now"}, {"data": "now"}, {"parameters": "now"}
SHIFT = edited(
    NODES, "outcome = ", "probability = probability + decision.get('shift', 0)\n    outcome = "
)
PLANTS = (
    Plant(
        name="one data cell", change=change_cell, grade="C", cause="factor", factors=("data",),
        first="keep_valid", detail="applications",
    ),
    Plant(
        name="a row dropped", change=drop_row, asked="--with data=now", world=DATA,
        grade="D", cause="factor", factors=("data",), first="keep_valid", detail="applications",
    ),
    Plant(
        name="raw data swapped for another version", change=swap_version,
        grade="D", cause="factor", factors=("data",), first="keep_valid", detail="applications",
    ),
    Plant(
        name="a contract", asked="--with data=now", world=DATA,
        change=edited("conf/base/contracts/applications.json", "0.95", "0.9"),
        grade="D", cause="factor", factors=("data",), first="keep_valid", detail="contract",
    ),
    Plant(
        name="one parameter", asked="--with parameters=now", world=CONF,
        change=edited(PARAMETERS, "ridge: 1.0e-3", "ridge: 20.0"),
        grade="D", cause="factor", factors=("parameters",), first="fit",
        detail="model.ridge: 0.001 became 20.0",
    ),
    Plant(
        name="one parameter, too little to matter", asked="--with parameters=now", world=CONF,
        change=edited(PARAMETERS, "ridge: 1.0e-3", "ridge: 1.0001e-3"),
        grade="B", cause="factor", factors=("parameters",), first="fit", detail="model.ridge",
    ),
    Plant(
        name="one parameter, no decision changes", asked="--with parameters=now", world=CONF,
        change=edited(PARAMETERS, "ridge: 1.0e-3", "ridge: 2.0e-2"),
        grade="C", cause="factor", factors=("parameters",), first="fit", detail="model.ridge",
    ),
    Plant(
        name="a limit of the policy", asked="--with parameters=now", world=CONF,
        change=edited("conf/base/policy.yml", "0.2", "0.99"),
        grade="D", cause="factor", factors=("parameters",), first="judge",
        detail="policy.gates.APPROVED.min",
    ),
    Plant(
        name="one node", asked="--with code=now", world=CODE,
        change=edited(NODES, "-4 * (risk", "-6 * (risk"),
        grade="C", cause="factor", factors=("code",), first="score", detail="score",
    ),
    Plant(
        name="one library version", asked="--python OTHER", world={"python": ".python"},
        change=change_library, grade="C", cause="factor", factors=("environment",),
        first="smooth", detail=f"more-itertools: {version('more-itertools')} became 99.0",
    ),
    Plant(
        name="one thread count, CatBoost on all threads", asked="--threads 2",
        world={"threads": 2}, run="crowd", change=lambda _: None,
        grade="D", cause="factor", factors=("threads",), first="fit_crowd",
        detail="OMP_NUM_THREADS: 1 became 2",
    ),
    Plant(
        name="a node without a seed", run="lots", change=lambda _: None,
        grade="D", cause="chance", first="draw_lots",
    ),
    Plant(
        name="an output altered", change=change_scores,
        grade="D", cause="output", factors=("output",), first="score", detail="scores",
    ),
    Plant(
        name="the seal altered", change=lambda p: change_seal(p, other_ridge, anew=False),
        grade="none", cause="seal", detail="the seal is broken",
    ),
    Plant(
        name="the seal altered, with new digests",
        change=lambda p: change_seal(p, other_model, anew=True),
        grade="D", cause="seal", factors=("seal",), first="fit", detail="model",
    ),
    Plant(
        name="the seal and an output altered together, with new digests",
        change=alter_together, grade="D", cause="seal", factors=("seal",), first="score",
        detail="ledger entry 1 states",
    ),
    Plant(
        name="a parameter in the seal altered, with new digests",
        change=lambda p: change_seal(p, other_ridge, anew=True),
        grade="none", cause="seal", detail="model",
    ),
    Plant(
        name="data and a threshold", asked="--with data=now --with parameters=now",
        world={**DATA, **CONF},
        change=both(drop_row, edited(PARAMETERS, "threshold: 0.5", "threshold: 0.45")),
        grade="D", cause="factors", factors=("data", "parameters"), first="keep_valid",
        detail="decision.threshold",
    ),
    Plant(
        name="code and a parameter that act only together",
        asked="--with code=now --with parameters=now", world={**CODE, **CONF},
        change=both(SHIFT, edited(PARAMETERS, "threshold: 0.5", "shift: 0.1, threshold: 0.5")),
        grade="D", cause="together", factors=("code", "parameters"), first="score",
        detail="decision.shift",
    ),
    Plant(
        name="a seed, beside code that changes nothing",
        asked="--with code=now --with parameters=now", world={**CODE, **CONF},
        change=both(
            edited(NODES, "[:20]}", "[0:20]}"), edited(PARAMETERS, "seed: 7", "seed: 8")
        ),
        grade="D", cause="factor", factors=("parameters",), first="fit", detail="model.seed",
    ),
    Plant(
        name="a notebook cell", asked="--with code=now", world=CODE, run="notebook",
        change=edited("notebooks/mean.ipynb", "mean = 0.25", "mean = 0.5"),
        grade="D", cause="factor", factors=("code",), first="cell 2", detail="mean.ipynb",
    ),
    Plant(
        name="one data cell that a notebook read", change=change_cell, run="notebook",
        grade="D", cause="factor", factors=("data",), first="cell 2", detail="applications",
    ),
)  # fmt: skip


def seal_runs(folder: Path) -> dict[str, Path]:
    """One sealed project for each kind of run, in `folder`."""
    made = make_tiny(folder / "new")
    sealed = {}
    for name in ("main", "crowd", "lots", "notebook"):
        sealed[name] = folder / name
        shutil.copytree(made, sealed[name])
    for name, options in (("main", ()), ("crowd", ("crowd",)), ("lots", ("lots",))):
        chosen = ["--pipelines", *options] if options else []
        done = kedro(sealed[name], "run", *chosen)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    enter(sealed["main"])
    papermill(sealed["notebook"])
    return sealed


def papermill(project: Path) -> None:
    """Execute the notebook by papermill's own command, with our engine."""
    command = ("papermill", "--engine", "fin-kedro", "--cwd", "notebooks", "--no-progress-bar")
    done = subprocess.run(
        [sys.executable, "-m", *command, "notebooks/mean.ipynb", "data/mean.ipynb"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def enter(project: Path) -> None:
    """Enter the run in the ledger, as runs of a workflow (nodes in its namespace) are entered."""
    seal = read_seal(find_seal(project, "latest"))
    run = {"run": seal["occasion"]["run"], "seal": seal["digest"]}
    Ledger(project / "data/ledger.sqlite").append(event="run_sealed", **run)


@dataclass(frozen=True)
class Found:
    """What verify said of a plant: a verification, or the refusal of a broken seal."""

    result: Verification | None
    refusal: str = ""


def find(plant: Plant, sealed: Path, folder: Path) -> Found:
    """Plant the change in a copy of the sealed project, and verify."""
    project = folder / plant.name.replace(" ", "-")
    shutil.copytree(sealed, project)
    plant.change(project)
    asked = dict(plant.world)
    if "python" in asked:
        asked["python"] = project / asked["python"]
    run = "data/mean.ipynb" if plant.run == "notebook" else "latest"
    try:
        with Verifier(open_sealed(project, run), World(**asked)) as verifier:
            return Found(verifier.verify())
    except SealError as error:
        return Found(None, str(error))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """Every plant, two at a time."""
    return find_all(tmp_path_factory.mktemp("plants"))


def find_all(folder: Path) -> dict[str, Found]:
    sealed = seal_runs(folder)
    with forking("rerun.py"), ThreadPoolExecutor(2) as pool:
        waiting = {p.name: pool.submit(find, p, sealed[p.run], folder) for p in PLANTS}
        return {name: future.result() for name, future in waiting.items()}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_the_plant_is_found(plant: Plant, found: dict[str, Found]) -> None:
    result = found[plant.name].result
    if plant.grade == "none":
        assert plant.detail in found[plant.name].refusal
        return
    assert result is not None, found[plant.name].refusal
    assert result.cause is not None
    said = (result.grade, result.cause.kind, result.cause.factors)
    assert said == (plant.grade, plant.cause, plant.factors), result.cause.sentence
    first = result.comparison.first
    assert first is not None and first.step.startswith(plant.first)
    assert plant.detail in " ".join((*result.cause.details, result.cause.sentence))


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_the_page_shows_the_plant(plant: Plant, found: dict[str, Found]) -> None:
    assert line(plant, found[plant.name]) in PAGE.read_text("utf-8").splitlines()


def line(plant: Plant, found: Found) -> str:
    """A plant as a line of the table, in Markdown; digests, which name the day, are left out."""
    asked = f"`{plant.asked}`" if plant.asked else ""
    if found.result is None or found.result.cause is None:
        words = DIGEST.sub("...", found.refusal.partition(". ")[0])
        return f"| {plant.name} | {asked} | refused | | {words} |"
    first = found.result.comparison.first
    step = first.step if first else ""
    sentence = DIGEST.sub("...", found.result.cause.sentence)
    cells = (plant.name, asked, found.result.grade, step, sentence)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the table into the page, between its marks."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    with tempfile.TemporaryDirectory() as scratch:
        found = find_all(Path(scratch))
    lines = [*HEAD, *(line(plant, found[plant.name]) for plant in PLANTS), ""]
    PAGE.write_text(before + BEGIN + "\n".join(lines) + END + rest.split(END)[1], "utf-8")
    sys.stdout.write(f"{PAGE.name}: {len(PLANTS)} plants\n")


if __name__ == "__main__":
    main()

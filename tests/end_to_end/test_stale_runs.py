"""`kedro status` names exactly what a change touches, and `kedro run --stale` runs just that."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import commands
from tests.conftest import kedro
from tests.end_to_end.evidence import ledger_events, newest

pytestmark = pytest.mark.slow

CREDIT = ("--env", "ci", "--pipelines", "credit")
TRAINING = {
    "train_champion", "train_scorecard", "calibrate_models", "set_decision_policy", "score_rows",
    "explain_champion", "export_graphs", "check_parity", "measure_models", "draw_figures",
    "assemble_candidate",
}  # fmt: skip
FEATURES = {"quarantine_broken_rows", "build_model_table"}
VALIDATION = {"write_validation_report", "record_validation", "enforce_gates"}
EVERYTHING = TRAINING | FEATURES | VALIDATION

REPORT = "notebooks/validation/model_validation.ipynb"

# Applies one edit after another to the project it runs in, and looks at each: one start of Kedro.
LOOK = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
from fin_kedro.changes.status import open_judge, report_states
found = {}
for name, edits in json.loads(sys.argv[1]).items():
    before = {path: Path(path).read_bytes() for path in edits}
    for path, (old, new) in edits.items():
        text = Path(path).read_text()
        assert old in text, (path, old)
        Path(path).write_text(text.replace(old, new))
    judge = open_judge(env="ci", selection={"pipelines": ["credit"]})
    states = judge.states()
    reports = report_states(judge, states)
    found[name] = {
        "own": {n: [str(r) for r in s.reasons] for n, s in states.items() if s.reasons},
        "downstream": [n for n, s in states.items() if s.state == "downstream"],
        "reports": {n: entry["state"] for n, entry in reports.items()},
    }
    for path, content in before.items():
        Path(path).write_bytes(content)
print(json.dumps(found))
"""

EDITS: dict[str, dict[str, tuple[str, str]]] = {
    "nothing": {},
    "a parameter": {"conf/ci/parameters_credit.yml": ("depth: 4", "depth: 5")},
    "a gate": {"conf/base/policy.yml": ("{min: 0.35, attention_min: 0.38}", "{min: 0.3}")},
    "who may approve": {"conf/base/policy.yml": ("approval:\n", "approval:\n  # another word\n")},
    "a comment": {
        "src/fin_kedro/models/scorecard.py": (
            "from __future__ import annotations\n",
            "# a remark\nfrom __future__ import annotations\n",
        )
    },
    "a docstring": {
        "src/fin_kedro/pipelines/training/assemble.py": ("Compare graph and", "Hold graph and")
    },
    "a module born in a notebook": {
        "src/fin_kedro/models/calibration.py": ('options={"gtol": 1e-10}', 'options={"gtol": 1e-9}')
    },
    "a module that only the report uses": {
        "src/fin_kedro/checks/fairness.py": ("import pandas as pd\n", "import pandas as pd\nN=1\n")
    },
    "the report's style": {
        "src/fin_kedro/reports/templates/fin_report/report.css": ("#1f4e79", "#1f4e70")
    },
    "the report's notebook": {
        REPORT: ("policy = open_policy(", "rules = open_policy(")
    },
    "the report's prose": {
        REPORT: ("may this model decide?", "may it decide?")
    },
    "the contract": {
        "conf/base/contracts/credit_applications.odcs.yaml": ("version: 1.0.0", "version: 1.0.1")
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def looks(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the state of the credit workflow is after each edit alone."""
    project = tmp_path_factory.mktemp("looks") / "trained"
    shutil.copytree(trained, project, symlinks=True)
    script = project.with_name("look.py")
    script.write_text(LOOK)
    found = commands.run(
        [str(script), json.dumps(EDITS)],
        folder=project,
        environment=commands.settled({**os.environ, "PYTHONPATH": str(project / "src")}),
    )
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout.splitlines()[-1]))


def short(names: Any) -> set[str]:
    return {name.removeprefix("credit.") for name in names}


@pytest.mark.parametrize("edit", ["nothing", "who may approve", "a comment", "a docstring"])
def test_what_changes_no_result_leaves_everything_fresh(looks: dict[str, Any], edit: str) -> None:
    assert looks[edit]["own"] == {}
    assert looks[edit]["downstream"] == []
    assert set(looks[edit]["reports"].values()) == {"fresh"}


@pytest.mark.parametrize(
    ("edit", "own", "downstream", "reason"),
    [
        (
            "a parameter",
            {"train_champion"},
            TRAINING - {"train_champion", "train_scorecard", "set_decision_policy"} | VALIDATION,
            "parameters: credit.champion.settings.depth 4 → 5",
        ),
        (
            "a gate",
            {"write_validation_report", "record_validation"},
            {"enforce_gates"},
            "parameters: policy.gates.DIS-KS.limits.min 0.35 → 0.3",
        ),
        (
            "a module born in a notebook",
            TRAINING,
            VALIDATION,
            "code: fin_kedro.models.calibration changed",
        ),
        (
            "a module that only the report uses",
            {"write_validation_report"},
            VALIDATION - {"write_validation_report"},
            "code: fin_kedro.checks.fairness changed",
        ),
        (
            "the report's style",
            VALIDATION,
            set(),
            "code: fin_kedro/reports/templates/fin_report/report.css changed",
        ),
        (
            "the report's notebook",
            {"write_validation_report"},
            VALIDATION - {"write_validation_report"},
            "code: notebooks/validation/model_validation.ipynb changed",
        ),
        (
            "the report's prose",
            {"write_validation_report"},
            VALIDATION - {"write_validation_report"},
            "code: notebooks/validation/model_validation.ipynb (prose) changed",
        ),
    ],
)
def test_a_change_is_traced_to_the_nodes_it_touches(
    looks: dict[str, Any], edit: str, own: set[str], downstream: set[str], reason: str
) -> None:
    assert short(looks[edit]["own"]) == own
    assert short(looks[edit]["downstream"]) == downstream
    assert all(reason in reasons for reasons in looks[edit]["own"].values())
    assert set(looks[edit]["reports"].values()) <= {"stale", "downstream"}


def test_a_dataset_that_was_changed_makes_its_readers_stale(looks: dict[str, Any]) -> None:
    own = looks["the contract"]["own"]
    assert all(reasons == ["data: credit.contract changed"] for reasons in own.values())
    assert short(own) == FEATURES | {
        "export_graphs", "check_parity", "assemble_candidate", "write_validation_report",
    }  # fmt: skip


def mlflow_runs(project: Path) -> int:
    import sqlite3

    with sqlite3.connect(project / "data/mlflow/mlflow.db") as database:
        return int(database.execute("select count(*) from runs").fetchone()[0])


def test_a_stale_run_runs_what_is_stale_and_nothing_else(trained_copy: Path) -> None:
    ledger, runs = trained_copy / "data/governance/ledger.sqlite", mlflow_runs(trained_copy)
    again = kedro(trained_copy, "run", "--stale", *CREDIT)
    assert again.returncode == 0, again.stderr
    assert "everything is fresh" in again.stderr
    assert mlflow_runs(trained_copy) == runs, "where nothing runs, no run is opened"
    registered = ledger_events(ledger).count("registered")

    shutil.rmtree(newest(trained_copy / "data/08_reporting/credit/roc.png").parent)
    changed = kedro(trained_copy, "run", "--stale", *CREDIT, "--params", "credit.explain.seed=7")
    assert changed.returncode == 0, changed.stderr
    assert "parameters: credit.explain.seed 42 → 7" in changed.stderr
    assert "output: credit.roc_figure is not there" in changed.stderr
    seal = json.loads(newest(trained_copy / "data/08_reporting/seal.json").read_text())
    ran = ["credit.draw_figures", "credit.explain_champion"]
    assert sorted(seal["content"]["steps"]) == ran
    assert seal["content"]["subject"]["selection"]["node_names"] == ran, "it can be repeated"
    assert mlflow_runs(trained_copy) == runs + 1
    assert ledger_events(ledger).count("registered") == registered, "no candidate of the same"


def test_code_that_makes_the_same_registers_no_second_candidate(trained_copy: Path) -> None:
    rows = trained_copy / "src/fin_kedro/pipelines/training/rows.py"
    rows.write_text(rows.read_text() + "\nANOTHER = 1\n")
    ledger = trained_copy / "data/governance/ledger.sqlite"
    before = ledger_events(ledger)
    done = kedro(trained_copy, "run", "--stale", *CREDIT)
    assert done.returncode == 0, done.stderr
    seal = json.loads(newest(trained_copy / "data/08_reporting/seal.json").read_text())
    assert short(seal["content"]["steps"]) == TRAINING
    assert done.stderr.count("kept") == len(VALIDATION), "the report rests on the same content"
    assert ledger_events(ledger) == before, "the same package stays the version that it is"
    record = newest(trained_copy / "data/06_models/credit/package").parent / "registered.json"
    assert json.loads(record.read_text())["version"] == "1"


def test_after_a_failed_run_what_is_left_is_run(trained_copy: Path) -> None:
    conf = trained_copy / "conf/ci/parameters_credit.yml"
    text = conf.read_text().replace("bootstrap: {replicates: 100}", "bootstrap: {replicates: 99}")
    conf.write_text(text)
    strict = ("--params", "parity.max_abs_diff=0")
    failed = kedro(trained_copy, "run", "--stale", *CREDIT, *strict, "--to-nodes",
                   "credit.check_parity,credit.measure_models")  # fmt: skip
    assert failed.returncode == 1
    assert "gate parity" in failed.stderr
    rest = kedro(trained_copy, "run", "--stale", *CREDIT, "--to-nodes", "credit.measure_models")
    assert rest.returncode == 0, rest.stderr
    assert "check_parity" not in rest.stderr, "what failed had left nothing that is now stale"
    assert "credit.measure_models  stale     parameters: credit.bootstrap" in rest.stderr
    assert "1/1 credit.measure_models" in rest.stderr

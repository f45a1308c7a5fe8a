"""Bad input stops a run with an error a user can act on; nothing is written beyond the failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from fin_kedro.features.expressions import Definitions
from fin_kedro.parameters.refusals import ParameterError
from tests.conftest import copy_project, kedro
from tests.end_to_end.evidence import ledger_events, written
from tests.end_to_end.loan_requests import install_example, make_requests

pytestmark = pytest.mark.slow

INTERMEDIATE = "own/02_intermediate/"
# A failed run is sealed as failed, and the ledger says so.
SEALED = ("own/08_reporting/seal.json/", "own/governance/")
forbidden = Definitions()


@forbidden.feature(reason_column="monthly_income")
def income_by_age(t: Any) -> Any:
    """Reads a protected attribute, which no feature may."""
    return t.monthly_income / t.age.nullif(0)


@dataclass(frozen=True)
class Case:
    """One wrong thing: in the data, in a file of the environment, or in the raw file itself."""

    says: tuple[str, ...]
    data: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    edit: tuple[str, str, str] | None = None
    raw: Callable[[Path], None] | None = None
    reaches: str = ""


def _with(column: str, value: Any, rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        made = table.astype({column: object})
        made.loc[made.index[:rows], column] = value
        return made

    return change


def _append_broken_row(path: Path) -> None:
    path.write_text(path.read_text() + "R9,2025-01-01,1,2\n")


def _as_truncated_parquet(path: Path) -> None:
    make_requests(rows=300).drop(columns="note").to_parquet(path)
    path.write_bytes(path.read_bytes()[:2000])


CATALOG, PARAMETERS, CONTRACT = (
    "catalog_credit.yml",
    "parameters_credit.yml",
    "contracts/loan_requests.odcs.yaml",
)
CASES = {
    "missing_column": Case(
        says=("column debt_share is missing", "loan_requests.odcs.yaml:"),
        data=lambda table: table.drop(columns="debt_share"),
    ),
    "wrong_type": Case(
        says=("years_employed", "'twelve'", "allowed: integer", "loan_requests.odcs.yaml:"),
        data=_with("years_employed", "twelve", 3),
    ),
    "unknown_target": Case(
        says=(
            "column outcome",
            "'maybe' (3 rows)",
            "good (repaid), bad",
            "loan_requests.odcs.yaml:",
        ),
        data=_with("outcome", "maybe", 3),
    ),
    "broken_share": Case(
        says=("quarantine.largest_share", "1.00%", "late_payments: -5", "0 to 100"),
        data=_with("late_payments", -5, 30),
    ),
    "duplicate_ids": Case(
        says=("request_no is not unique", "quarantine.largest_share"),
        data=_with("request_no", "R000001", 30),
    ),
    "empty_table": Case(
        says=("loan_requests", "the table has no rows"),
        data=lambda table: table.head(0),
    ),
    "one_class_target": Case(
        says=("column outcome", "only 'good'", "'bad'"),
        data=_with("outcome", "good", 10_000),
    ),
    "missing_file": Case(
        says=("no file at", "data/01_raw/bad_missing_file.csv", "filepath"),
        raw=lambda path: path.unlink(),
    ),
    "contract_typo": Case(
        says=("expectedSing", "Did you mean 'expectedSign'", "column customer_since"),
        edit=(CONTRACT, "property: expectedSign", "property: expectedSing"),
    ),
    "contract_missing": Case(
        says=("no contract at", "conf/bad_contract_missing/contracts/lost.odcs.yaml"),
        edit=(CATALOG, "loan_requests.odcs.yaml", "lost.odcs.yaml"),
    ),
    "thread_count": Case(
        says=("thread_count", "-1", "at least 1"),
        edit=(PARAMETERS, "settings: {", "settings: {thread_count: -1, "),
    ),
    "misspelt_parameter": Case(
        says=("parameters_credit.yml, line 11", "aprove_bad", "did you mean 'approve_bad'?"),
        edit=(PARAMETERS, "approve_bad", "aprove_bad"),
    ),
    "misspelt_definitions": Case(
        says=("features.definitions", "fin_kedro.features.credti:credit_features"),
        edit=(
            PARAMETERS,
            "definitions: null",
            "definitions: fin_kedro.features.credti:credit_features",
        ),
        reaches="build_model_table",
    ),
    "protected_feature": Case(
        says=("income_by_age", "reads age", "'protected'", "loan_requests.odcs.yaml:"),
        edit=(PARAMETERS, "definitions: null", f"definitions: {__name__}:forbidden"),
        reaches="build_model_table",
    ),
    "no_out_of_time_date": Case(
        says=("split.out_of_time_from", "2019-01-01"),
        edit=(PARAMETERS, "out_of_time_from: 2026-05-01", "out_of_time_from: null"),
        reaches="build_model_table",
    ),
    "date_as_feature": Case(
        says=("requested_on", "date", "feature", "loan_requests.odcs.yaml:"),
        edit=(CONTRACT, "[{property: role, value: time}]", "[{property: role, value: feature}]"),
    ),
    "unreadable_parquet": Case(
        says=("bad_unreadable_parquet.csv is no readable parquet file",),
        edit=(CATALOG, "file_format: csv ", "file_format: parquet "),
        raw=_as_truncated_parquet,
    ),
    "broken_csv_row": Case(
        says=("bad_broken_csv_row.csv", "line 602 has 4 fields, the header 15"),
        raw=_append_broken_row,
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project for all cases; each has an environment of its own, and all one ledger."""
    return install_example(copy_project(tmp_path_factory.mktemp("bad") / "project"))


def prepare(project: Path, name: str) -> str:
    """Write the environment of a case: the documented example with one thing wrong."""
    case, env = CASES[name], f"bad_{name}"
    for file in sorted((project / "conf/own").rglob("*.y*ml")):
        text = (
            file.read_text()
            .replace("conf/own", f"conf/{env}")
            .replace("loan_requests.csv", f"{env}.csv")
        )
        place = file.relative_to(project / "conf/own").as_posix()
        if case.edit and case.edit[0] == place:
            assert case.edit[1] in text, case.edit
            text = text.replace(*case.edit[1:])
        target = project / "conf" / env / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    table = make_requests(rows=600)
    table = case.data(table) if case.data else table
    raw = project / f"data/01_raw/{env}.csv"
    table.to_csv(raw, index=False, date_format="%Y-%m-%d")
    if case.raw:
        case.raw(raw)
    return env


@pytest.mark.parametrize("name", CASES)
def test_bad_input(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env, before = prepare(project, name), written(project)
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    bootstrap_project(project)
    with pytest.raises(Exception) as caught, KedroSession.create(project, env=env) as session:  # noqa: PT011
        session.run(pipeline_names=["credit"])
    said = capsys.readouterr().err
    if isinstance(caught.value, ParameterError):  # nothing has begun: `kedro run` says it alone
        said += str(caught.value)
    print(name, type(caught.value).__name__, caught.value, "\nSTDERR", said)
    for words in CASES[name].says:
        assert words in said, f"{name}: {words!r} is not in\n{said}"
    assert "Traceback" not in said
    assert_nothing_beyond(project, before, CASES[name].reaches)


def assert_nothing_beyond(project: Path, before: set[str], reaches: str) -> None:
    """No candidate, no model, no report: at most what the nodes before the failing one made."""
    assert ledger_events(project / "data/own/governance/ledger.sqlite") == []
    made = {path for path in written(project) - before if not path.startswith(SEALED)}
    allowed = {"": (), "build_model_table": (INTERMEDIATE,)}.get(
        reaches, (INTERMEDIATE, "own/05_model_input/")
    )
    reports = (
        "own/08_reporting/credit/contract_report.json",
        "own/06_models/credit/decision_policy.json",
    )
    assert not {path for path in made if not path.startswith((*allowed, *reports))}


@pytest.mark.parametrize("name", ["unknown_target", "contract_typo", "misspelt_parameter"])
def test_bad_input_as_a_person_types_it(name: str, project: Path) -> None:
    env, before = prepare(project, name), written(project)
    result = kedro(project, "run", "--env", env, "--pipelines", "credit")
    assert result.returncode == 1
    for words in CASES[name].says:
        assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) < 20
    assert_nothing_beyond(project, before, CASES[name].reaches)


@pytest.mark.parametrize("command", ["run", "run --stale", "status"])
def test_a_misspelt_parameter_is_refused_where_it_is_typed(command: str, project: Path) -> None:
    before = set((project / "data").rglob("*"))  # MLflow's tables too
    wrong = "credit.decision.costs.aprove_bad=-5"
    result = kedro(project, *command.split(), "--pipelines", "credit", "--params", wrong)
    assert result.returncode == 1
    assert f"--params: {wrong.partition('=')[0]} is unknown; did you mean 'approve_bad'?" in (
        result.stderr
    )
    assert "Traceback" not in result.stderr and len(result.stderr.splitlines()) < 5
    assert set((project / "data").rglob("*")) == before

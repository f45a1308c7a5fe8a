"""Tables of seven shapes are drafted, read back by their contract, and nothing is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import yaml

from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import Contract, ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import check_structure, clean, split_rows
from fin_kedro.drafting.draft import Written, write_draft
from tests.drafting.shapes import SHAPES, special_codes, tiny

Made = dict[str, tuple[Path, Path, Written]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Every shape drafted in a project of its own: project, file, what was written."""
    found = {}
    for name, make in SHAPES.items():
        project = tmp_path_factory.mktemp(name)
        (project / "conf").mkdir()
        (project / "inbox").mkdir()
        file = make(project / "inbox")
        found[name] = (project, file, write_draft(project, str(file), "loans", "own"))
    return found


def entry(project: Path) -> dict[str, object]:
    declared = yaml.safe_load((project / "conf/own/workflows.yml").read_text("utf-8"))
    return declared["loans"]["applications"]


def contract_of(project: Path) -> Contract:
    return read_contract(project / "conf/own/contracts/loans.odcs.yaml")


def read_back(project: Path) -> DeliveredTable:
    """The raw table as the declaration says it is read."""
    stated = entry(project)
    return DeliveredTable(
        contract=str(project / str(stated["contract"])),
        filepath=str(project / str(stated["filepath"])),
        file_format=str(stated["file_format"]),
        load_args=stated.get("load_args", {}),
        connection={"backend": "duckdb", "database": ":memory:"},
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_the_contract_is_read_and_refuses_nothing(made: Made, shape: str) -> None:
    project, _, written = made[shape]
    contract, table = contract_of(project), read_back(project).load()
    check_structure(contract, table)
    accepted, broken = split_rows(contract, table)
    assert broken.count().execute() == 0
    assert accepted.count().execute() == written.draft.table.rows == written.checked.rows
    assert (written.checked.refused, written.checked.whole) == (0, None)


ROLES = {
    "special_codes": {"client_id": "id", "age": "protected", "default": "target"},
    "strings": {
        "Antrag Nr": "id",
        "E-Mail": "ignored",
        "Vorname": "ignored",
        "Geschlecht": "protected",
        "Staatsangehörigkeit": "protected",
        "Beruf": "feature",
        "branch code": "feature",
        "Ausgang": "target",
    },
    "dates": {
        "loan_no": "id",
        "application_date": "time",
        "birth_date": "ignored",
        "first_contact": "ignored",
        "client_from": "feature",
        "closing_day": "ignored",
    },
    "leak": {"id": "id", "utilisation": "feature", "paid_share": "ignored", "is_bad": "target"},
    "wide": {"row_number": "id", "constant": "ignored", "v55.mean": "feature", "target": "target"},
    "tiny": {"row_number": "id", "foreign_worker": "protected", "credit_risk": "target"},
    "german": {"Kundennr": "id", "Einkommen €": "feature", "Alter": "protected"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_roles_are_those_of_the_table(made: Made, shape: str) -> None:
    contract = contract_of(made[shape][0])
    assert {name: contract.columns[name].role for name in ROLES[shape]} == ROLES[shape]


def test_a_day_is_a_feature_by_its_age_unless_it_is_often_later_than_the_row(made: Made) -> None:
    project, file, _ = made["dates"]
    contract = contract_of(project)
    assert contract.columns["client_from"].age_at == "time"
    text = (project / "conf/own/contracts/loans.odcs.yaml").read_text("utf-8")
    days = pd.read_csv(file)[["application_date", "closing_day"]]
    parsed = days.apply(lambda cells: pd.to_datetime(cells, format="%d.%m.%Y"))
    share = (parsed["closing_day"] > parsed["application_date"]).mean()
    said = " ".join(text.replace("#", " ").split())
    assert f"In {share:.1%} of its rows it lies after the row's own day: likely a leak" in said
    assert "QUESTION: is it known when the decision is taken, as an agreed end is?" in said


def test_without_a_day_of_the_row_an_age_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "days.csv"
    lines = [f"{n},2020-01-{n % 28 + 1:02d},{n % 7},{n % 2}" for n in range(60)]
    file.write_text("\n".join(["id,last_change,late,bad", *lines]))
    (tmp_path / "conf").mkdir()
    write_draft(tmp_path, str(file), "loans", "own", "bad")
    contract = contract_of(tmp_path)
    assert contract.time is None
    assert contract.columns["last_change"].role == "ignored"
    text = (tmp_path / "conf/own/contracts/loans.odcs.yaml").read_text("utf-8")
    assert "QUESTION: count its age at a fixed day?" in text


EVENTS = {
    "special_codes": 1, "strings": "schlecht", "dates": "Charged Off", "leak": True, "wide": 1,
    "tiny": "bad", "german": 1,
}  # fmt: skip


def test_the_bad_outcome_is_the_bad_one(made: Made) -> None:
    assert {shape: contract_of(made[shape][0]).event for shape in SHAPES} == EVENTS


def test_values_are_those_of_the_file(made: Made) -> None:
    """Held against what pandas reads of the same files, told by hand how they are written."""
    project, file, _ = made["german"]
    given = pd.read_csv(file, sep=";", decimal=",", thousands=".", encoding="cp1252")
    table = read_back(project).load().execute()
    pd.testing.assert_frame_equal(table, given, check_dtype=False)
    project, file, _ = made["strings"]
    given = pd.read_csv(file, encoding="latin-1", dtype=str, keep_default_na=False)
    table = read_back(project).load().execute()
    assert table["branch code"].tolist() == given["branch code"].tolist()
    assert table["owns home"].tolist() == (given["owns home"] == "yes").tolist()
    project, file, _ = made["dates"]
    given = pd.to_datetime(pd.read_csv(file)["application_date"], format="%d.%m.%Y")
    days = pd.to_datetime(read_back(project).load().execute()["application_date"])
    assert days.tolist() == given.tolist()
    project, file, _ = made["tiny"]
    given = pd.read_csv(file, sep="\t")["amount"]
    assert read_back(project).load().execute()["amount"].astype(float).equals(given)


def test_codes_that_mean_missing_are_missing(made: Made) -> None:
    project, file, _ = made["special_codes"]
    given = pd.read_csv(file)
    contract = contract_of(project)
    codes = {c.name: c.missing_codes for c in contract.columns.values() if c.missing_codes}
    assert codes == {
        "late_payments": (98,),
        "income": (9_999_999,),
        "years_employed": (-9,),
        "client_since": ("1900-01-01",),
    }
    table = clean(contract, read_back(project).load()).execute()
    assert table["income"].isna().sum() == (given["income"] == 9_999_999).sum()
    assert table["client_since"].isna().sum() == (given["client_since"] == "1900-01-01").sum()
    # no bound was drawn by a code
    assert contract.columns["income"].maximum == 50_000
    assert contract.columns["years_employed"].minimum == 0


def test_each_guess_has_its_reason_and_doubts_are_questions(made: Made) -> None:
    for project, _, written in made.values():
        texts = {f: (project / f).read_text("utf-8") for f in written.files}
        assert sum(text.count("# QUESTION:") for text in texts.values()) == written.questions
        contract = texts["conf/own/contracts/loans.odcs.yaml"]
        for name, guess in written.draft.columns.items():
            assert f"# {name}: {guess.role}." in contract
        assert "QUESTION" in texts["conf/own/parameters_loans.yml"]
        assert str(project) not in "".join(texts.values())  # no folder of this machine
    leak = (made["leak"][0] / "conf/own/contracts/loans.odcs.yaml").read_text("utf-8")
    assert "likely a leak" in leak


def test_the_raw_file_is_copied_only_where_a_run_could_not_read_it(made: Made) -> None:
    copied = {shape for shape, (_, _, written) in made.items() if "copied to" in written.raw}
    assert copied == {"german"}  # Windows-1252
    for shape in set(SHAPES) - copied:
        assert not (made[shape][0] / "data").exists()
    assert (
        "customProperties" in (made["tiny"][0] / "conf/own/contracts/loans.odcs.yaml").read_text()
    )


def test_rows_without_an_id_are_numbered(made: Made) -> None:
    table = read_back(made["wide"][0]).load().execute()
    given = pd.read_parquet(made["wide"][1])
    assert table["row_number"].tolist() == list(range(1, 1001))
    pd.testing.assert_frame_equal(
        table.drop(columns="row_number"), given, check_dtype=False, check_column_type=False
    )


def test_the_page_has_a_picture_of_each_column_and_shows_no_person(made: Made) -> None:
    project, _, written = made["strings"]
    page = (project / "conf/own/contracts/loans.profile.html").read_text("utf-8")
    assert "default-src 'none'" in page and "<script" not in page and "src=" not in page
    for name in written.draft.columns:
        assert f">{name}</h2>" in page
    assert page.count("<svg") == 7  # not of the id, the address and the first name
    assert "person7@bank.example" not in page and "Dörte" not in page
    assert "chargé d&#x27;affaires" in page


def test_nothing_is_overwritten_and_nothing_is_left_behind(made: Made) -> None:
    project, file, _ = made["german"]
    before = {p: p.read_bytes() for p in sorted(project.rglob("*")) if p.is_file()}
    with pytest.raises(ContractError, match="conf/own is there already"):
        write_draft(project, str(file), "others", "own")
    with pytest.raises(ContractError, match="data/01_raw/loans.csv is there already"):
        write_draft(project, str(file), "loans", "second")
    assert {p: p.read_bytes() for p in sorted(project.rglob("*")) if p.is_file()} == before


@pytest.mark.parametrize(("last", "asked"), [("04/03/2025", True), ("24/03/2025", False)])
def test_day_or_month_is_asked_where_both_could_be(tmp_path: Path, last: str, asked: bool) -> None:
    file = tmp_path / "days.csv"
    lines = [f"{n},{n % 12 + 1:02}/02/2025,{n % 7},{n % 2}" for n in range(1, 60)]
    file.write_text("\n".join(["id,day,late,bad", *lines, f"60,{last},1,0"]))
    write_draft(tmp_path, str(file), "loans", "own")
    text = (tmp_path / "conf/own/workflows.yml").read_text("utf-8")
    assert entry(tmp_path)["load_args"] == {"dateformat": "%d/%m/%Y"}
    assert ("# QUESTION: does the day come before the month?" in text) is asked


@pytest.mark.parametrize(
    ("workflow", "env", "said"),
    [
        ("My Loans", "own", "--workflow is 'My Loans'"),
        ("credit", "own", "which the project has"),
        ("loans", "base", "conf/base is there already"),
        ("loans", "../own", "--env is"),
    ],
)
def test_names_that_cannot_be_are_refused(
    tmp_path: Path, workflow: str, env: str, said: str
) -> None:
    with pytest.raises(ContractError, match=said):
        write_draft(tmp_path, str(tiny(tmp_path)), workflow, env)


def test_the_outcome_can_be_named(tmp_path: Path) -> None:
    written = write_draft(tmp_path, str(tiny(tmp_path)), "loans", target="foreign_worker")
    assert written.draft.by_role("target")[0].name == "foreign_worker"
    with pytest.raises(ContractError, match="--target is 'risk'; the table has"):
        write_draft(tmp_path, str(tiny(tmp_path)), "more", target="risk")


@pytest.mark.parametrize("three", [True, False], ids=["absolute", "from here"])
def test_a_table_of_a_database_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, three: bool
) -> None:
    file = special_codes(tmp_path, rows=300)
    with duckdb.connect(str(tmp_path / "bank.db")) as connection:
        connection.execute(f"CREATE TABLE loans AS FROM read_csv('{file}')")
    monkeypatch.chdir(tmp_path)
    url = f"duckdb://{tmp_path}/bank.db" if three else "duckdb:///bank.db"
    written = write_draft(tmp_path, f"{url}::loans", "loans", "own")
    assert written.raw.startswith("copied to data/01_raw/loans.parquet")
    assert contract_of(tmp_path).columns["income"].missing_codes == (9_999_999,)
    assert split_rows(contract_of(tmp_path), read_back(tmp_path).load())[1].count().execute() == 0
    shutil.rmtree(tmp_path / "conf")
    with pytest.raises(ContractError, match="no table 'loan'; it has: loans"):
        write_draft(tmp_path, f"{url}::loan", "loans", "own")
    with pytest.raises(ContractError, match="no database file at"):
        write_draft(tmp_path, "sqlite:///nowhere.db::loans", "loans", "own")
    assert not (tmp_path / "nowhere.db").exists()

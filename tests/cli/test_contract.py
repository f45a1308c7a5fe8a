"""`kedro contract`: from a file to a model table by answers alone; a bad delivery is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from fin_kedro.cli.contract import contract_group
from tests.conftest import ROOT, copy_project, kedro
from tests.drafting.shapes import german, tiny

ANSWERS = {
    "parameters_kredite.yml": {
        "approve_good: 1.0, approve_bad: -5.0": "approve_good: 3.0, approve_bad: -9.0"
    },
    "workflows.yml": {"row: application, rows: applications": "row: antrag, rows: antraege"},
}


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which a German file was drafted, its questions answered, and nothing else."""
    project = copy_project(tmp_path_factory.mktemp("drafted") / "project")
    file = german(tmp_path_factory.mktemp("inbox"))
    result = kedro(
        project, "contract", "draft", str(file), "--workflow", "kredite", "--env", "bank"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 of 1,500 rows refused" in result.stdout
    for name, changes in ANSWERS.items():
        path = project / "conf/bank" / name
        text = path.read_text("utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text, "utf-8")
    return project


def test_a_drafted_environment_runs_to_its_model_table(drafted: Path) -> None:
    run = kedro(
        drafted, "run", "--env=bank", "--pipelines=kredite", "--to-nodes=kredite.build_model_table"
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (report,) = drafted.glob("data/bank/08_reporting/kredite/contract_report.json/*/*.json")
    told = json.loads(report.read_text("utf-8"))
    assert (told["rows"], told["quarantined"]) == (1500, 0)
    (features,) = drafted.glob("data/bank/05_model_input/kredite/features.json/*/*.json")
    assert set(json.loads(features.read_text("utf-8"))) == {"Einkommen €", "Quote"}


def typed(project: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(project)
    return CliRunner().invoke(contract_group, list(arguments))


def test_a_delivery_within_policy_passes_and_one_beyond_it_fails(
    drafted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good = typed(drafted, monkeypatch, "check", "--env", "bank")
    assert good.exit_code == 0
    assert "0 of 1,500 rows refused (0.00%); policy allows 1.00%" in good.output
    file = drafted / "data/01_raw/kredite.csv"
    table = pd.read_csv(file, sep=";", dtype=str)
    for rows, code in ((15, 0), (16, 1)):  # 1 % of 1,500 rows are 15
        planted = table.copy()
        planted.loc[: rows - 1, "Familienstand"] = "verwitwet"
        planted.to_csv(tmp_path / "next.csv", sep=";", index=False)
        result = typed(drafted, monkeypatch, "check", str(tmp_path / "next.csv"), "--env", "bank")
        assert result.exit_code == code, result.output
        assert f"{rows} rows  Familienstand: allowed: geschieden" in result.output
        contract = (drafted / "conf/bank/contracts/kredite.odcs.yaml").read_text("utf-8")
        line = next(
            n for n, text in enumerate(contract.splitlines(), 1) if 'name: "Familienstand"' in text
        )
        assert f"e.g. 'verwitwet' (conf/bank/contracts/kredite.odcs.yaml:{line})" in result.output


def test_a_file_that_cannot_be_read_is_told_and_fails(
    drafted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (drafted / "data/01_raw/kredite.csv").read_text("utf-8").splitlines()
    cells = text[1].split(";")
    (tmp_path / "next.csv").write_text(
        "\n".join([text[0], ";".join([cells[0], "viel", *cells[2:]]), *text[2:]]), "utf-8"
    )
    arguments = ("check", str(tmp_path / "next.csv"), "--workflow", "kredite", "--env", "bank")
    result = typed(drafted, monkeypatch, *arguments)
    assert result.exit_code == 1
    assert "refused as a whole" in result.output and "'viel'" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "kredit", "--env", "bank"), "'kredit' is no workflow (kredite) and no file"),
        (("check", "--workflow", "kredit", "--env", "bank"), "no workflow 'kredit'"),
        (("draft", "nowhere.csv", "--workflow", "new"), "no file at nowhere.csv"),
        (
            ("draft", "README.md", "--workflow", "new", "--env", "bank"),
            "conf/bank is there already",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    drafted: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    result = typed(drafted, monkeypatch, *arguments)
    assert result.exit_code == 1
    assert said in result.output + result.stderr


def test_a_file_of_no_workflow_asks_whose_it_is(
    drafted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = typed(drafted, monkeypatch, "check", str(tiny(tmp_path)), "--env", "bank")
    assert result.exit_code == 1 and "--workflow NAME" in result.output + result.stderr


def test_the_embedded_data_pass_their_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versioned tables, too; simulated ones that no run has made yet are left alone."""
    for name in ("conf", "data/01_raw", "pyproject.toml"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, place)
    (tmp_path / "src/fin_kedro").mkdir(parents=True)
    result = typed(tmp_path, monkeypatch, "check")
    assert result.exit_code == 0, result.output
    assert "credit.applications" in result.output and "fraud" not in result.output
    assert "0 of 30,000 rows refused" in result.output

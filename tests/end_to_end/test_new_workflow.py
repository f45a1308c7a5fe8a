"""docs/new-workflow.md, typed from its first command to a served model; no data, no Python."""

from __future__ import annotations

import filecmp
import json
import re
from pathlib import Path

import pytest
import yaml

from fin_kedro.serving.scorer import Scorer
from tests.conftest import ROOT, copy_project, kedro
from tests.end_to_end.evidence import ledger_events, read_json
from tests.end_to_end.services import post, serving
from tests.test_readme import typed

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/new-workflow.md").read_text("utf-8")
SERVE = "bentoml serve"
GOOD = {"income": 9000.0, "debt_share": 0.1, "late_payments": 0, "purpose": "buy"}


def commands() -> list[str]:
    """Every line of the page's console blocks, in their order, without comments."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    lines = [line.split("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def typed_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A project in which the page was typed up to its service, and what each command said."""
    project = copy_project(tmp_path_factory.mktemp("mortgage") / "project")
    before_serving = commands()[: [SERVE in line for line in commands()].index(True)]
    return project, {line: typed(line, project)[0] for line in before_serving}


def test_the_page_leads_to_a_served_model(typed_page: tuple[Path, dict[str, str]]) -> None:
    project, said = typed_page
    assert len(said) == 6 and len(commands()) == 8
    *_, serve, score = commands()
    release = next(text for line, text in said.items() if line.startswith("kedro release"))
    printed = release.splitlines()[-1].strip()
    assert serve.split()[0] in printed, "the page names the folder that the release prints"
    (registered,) = project.glob("data/bank/06_models/mortgage/package/*/registered.json")
    digest = json.loads(registered.read_text())["digest"]
    scorer = Scorer.from_package(registered.parent / "package", expected_digest=digest)
    with serving(project, serve) as url:
        (decision,) = post(f"{url}/score", {"applications": [{**GOOD, "id": "M1"}]})["decisions"]
        answered = json.loads(typed(f"{score} --url {url}", project)[0])
    assert (decision["id"], decision["decision"]) == ("M1", "approve")
    assert decision["probability"] == pytest.approx(scorer.score([GOOD])[0].probability, abs=1e-12)
    assert decision["model"]["workflow"] == answered["decisions"][0]["model"]["workflow"]
    assert ledger_events(project / "data/bank/governance/ledger.sqlite", "mortgage") == [
        "registered",
        "validated",
        "approved",
        "released",
    ]


def test_what_the_page_shows_is_what_the_first_command_says(
    typed_page: tuple[Path, dict[str, str]],
) -> None:
    _, said = typed_page
    shown = PAGE.split("```text\n")[1].split("```")[0].splitlines()
    assert said[commands()[0]].splitlines()[: len(shown)] == shown


def test_the_sample_was_taken_whole_and_told_a_model_something(
    typed_page: tuple[Path, dict[str, str]],
) -> None:
    project, _ = typed_page
    reports = project / "data/bank/08_reporting/mortgage"
    report = read_json(reports / "contract_report.json")
    assert (report["rows"], report["quarantined"]) == (5000, 0)
    assert read_json(reports / "metrics.json")["test"]["champion"]["auc"]["value"] > 0.7


def test_no_line_of_python_changes(typed_page: tuple[Path, dict[str, str]]) -> None:
    project, _ = typed_page
    compared = filecmp.dircmp(ROOT / "src", project / "src", ignore=["__pycache__"])
    assert not compared.diff_files and not compared.right_only
    assert {path.name for path in (project / "bentos").iterdir()} == {"static", "event_time"}


def test_a_second_workflow_is_added_below_the_first(
    typed_page: tuple[Path, dict[str, str]],
) -> None:
    """Last: it changes the shared project."""
    project, _ = typed_page
    path = project / "conf/bank/workflows.yml"
    before = path.read_text("utf-8")
    added = kedro(project, "workflow", "new", "cards", "--kind", "event_time", "--env", "bank")
    assert added.returncode == 0, added.stdout + added.stderr
    after = path.read_text("utf-8")
    assert after.startswith(before) and "cards" in yaml.safe_load(after)
    listed = kedro(project, "registry", "list", KEDRO_ENV="bank")
    assert {"mortgage", "mortgage_release", "cards", "cards_parity"} <= set(
        re.findall(r"[a-z_]+", listed.stdout)
    )

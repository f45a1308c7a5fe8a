"""The report is one file that needs nothing outside itself, and says first what matters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from fin_kedro.checks.verdict import decided, judge, not_applicable, to_records
from fin_kedro.governance.gates import GateError, enforce_gates
from fin_kedro.project.evidence import open_policy
from fin_kedro.reports.execution import ReportResult, execute_report
from fin_kedro.reports.report_html import render_html
from sealed_kernel.warm import ADDRESS
from tests import commands
from tests.reports.evidence_factory import (
    DETECTION,
    HISTORY,
    RECORDS,
    ROOT,
    TABLES,
    VERSION,
    make_project,
)

VALIDATION = ROOT / "notebooks" / "validation" / "model_validation.ipynb"
OUTSIDE = re.compile(
    r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?\s*(?!data:)|@import"""
)


def notebook(*outputs: dict[str, Any]) -> dict[str, Any]:
    node = nbformat.v4.new_notebook()
    node.cells = [
        nbformat.v4.new_markdown_cell(
            "# Title & more\n> line\n\n## First part\nText.\n\n## Second"
        ),
        nbformat.v4.new_code_cell("x = '<b>'", outputs=[nbformat.from_dict(o) for o in outputs]),
    ]
    return node


def verdicts() -> list[dict[str, Any]]:
    return to_records(
        [
            judge(code="A", title="a <b>", value=0.5, low=0.4, high=0.6, limits={"min": 0.7}),
            judge(code="B", title="b", value=1, limits={}, gate=False),
            not_applicable(code="C", title="c", reason="one group only"),
            decided(
                code="D", title="d", status="not_judged", value=1, limits={}, detail="few rows"
            ),
        ]
    )


def test_verdicts_stand_first_with_words_for_colours() -> None:
    html = render_html(notebook(), verdicts=verdicts())
    assert html.index('id="verdicts-heading"') < html.index("Contents") < html.index("<article>")
    assert re.findall(r'class="status (\w+)">([\w ]+)<', html.split("<main>")[1]) == [
        ("fail", "fail"),
        ("not_judged", "not judged"),
        ("pass", "pass"),
        ("not_applicable", "not applicable"),
    ]
    assert "3 gates: 1 fail, 1 not judged, 1 not applicable. 1 further checks" in html
    assert "a &lt;b&gt;" in html
    assert "≥ 0.7" in html


def test_contents_point_to_sections() -> None:
    html = render_html(notebook())
    assert '<li><a href="#section-1">First part</a></li>' in html
    assert '<h2 id="section-2">Second</h2>' in html


def test_code_is_folded_and_escaped() -> None:
    html = render_html(notebook())
    assert "<details><summary>Code</summary>" in html
    assert "<b>" not in html.split("<article>")[1]


def test_an_incomplete_report_says_so_first() -> None:
    html = render_html(notebook(), error={"cell": 3, "name": "KeyError", "message": "'<x>'"})
    banner = html[html.index("banner fail") : html.index("<main>")]
    assert "proves nothing" in banner
    assert "&lt;x&gt;" in banner


def test_policy_forbids_scripts_and_hosts() -> None:
    html = render_html(notebook())
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    tag = re.search(r"<meta[^>]*Content-Security-Policy[^>]*>", html)
    assert tag is not None
    assert policy in tag[0]
    assert html.index(tag[0]) < html.index("<style>")
    assert "<script" not in html


def test_picture_is_inlined_with_its_description() -> None:
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "QUJD\n"},
        "metadata": {"image/png": {"alt": 'a "curve"', "width": 300}},
    }
    html = render_html(notebook(picture))
    tag = re.search(r"<img[^>]*>", html)
    assert tag is not None
    assert 'src="data:image/png;base64,QUJD"' in tag[0]
    assert """alt='a "curve"'""" in tag[0]


@pytest.fixture(scope="module")
def forked() -> Iterator[None]:
    """Kernels of this file are forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ADDRESS, str(commands.kernels()))
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), rows=4000)


@pytest.fixture(scope="module")
def results(project: Path, forked: None) -> list[ReportResult]:
    parameters = {"project_path": str(project), "bootstrap_replicates": 50}
    return [execute_report(notebook=VALIDATION, parameters=parameters) for _ in range(2)]


@pytest.mark.slow
def test_validation_report_is_complete(results: list[ReportResult]) -> None:
    assert results[0].error is None
    codes = {verdict["code"] for verdict in results[0].verdicts}
    assert {
        "DIS-AUC",
        "FAI-AIR-SEX",
        "FAI-AIR-AGE",
        "PAR-GRAPH-CHAMPION",
        "STA-SCORE-TEST",
    } <= codes


@pytest.mark.slow
def test_every_gate_of_the_policy_has_a_verdict(results: list[ReportResult]) -> None:
    gates = open_policy(project_path=ROOT, workflow="credit")["gates"]
    try:
        enforce_gates(results[0].verdicts, gates=gates)
    except GateError as error:
        assert "no verdict was recorded" not in str(error)  # noqa: PT017


@pytest.mark.slow
def test_same_evidence_gives_the_same_bytes(results: list[ReportResult]) -> None:
    assert results[0].html == results[1].html
    assert results[0].notebook_json == results[1].notebook_json


@pytest.mark.slow
def test_report_needs_nothing_outside_itself(results: list[ReportResult], project: Path) -> None:
    html = results[0].html
    assert OUTSIDE.search(html) is None
    assert "<script" not in html
    assert str(project) not in html
    assert str(ROOT) not in html
    assert html.count('alt="') == html.count("<img ")


# transactions of cards

VERSIONS = {f"fraud.{name}": VERSION for name in (*TABLES, *RECORDS, *HISTORY)}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, forked: None) -> Path:
    """A project whose applications play transactions."""
    return make_project(tmp_path_factory.mktemp("desk"), rows=3000, workflow="fraud")


def report_of(project: Path, **changes: Any) -> ReportResult:
    parameters = {
        "workflow": "fraud", "project_path": str(project), "bootstrap_replicates": 20, "seed": 1,
        "versions": VERSIONS, "detection": DETECTION, **changes,
    }  # fmt: skip
    return execute_report(notebook=VALIDATION, parameters=parameters)


@pytest.mark.slow
def test_a_fraud_desk_gets_its_own_report_from_the_same_notebook(desk: Path) -> None:
    result = report_of(desk)
    assert result.error is None, result.error
    status = {verdict["code"]: verdict["status"] for verdict in result.verdicts}
    assert {"DET-AP", "DET-CARD", "DET-RECALL", "DET-MONEY"} <= set(status)
    assert status["PAR-ONLINE-MEMORY"] == status["PAR-ONLINE-LOG"] == "pass"
    assert status["PAR-ONLINE-REDIS"] == "fail", "three rows prove nothing"
    assert status["PIT-TRAVEL"] == "pass"
    assert status["STA-SCORE-OUT_OF_TIME"] in {"pass", "attention", "fail"}
    assert {status[c] for c in status if c.startswith("FAI-")} == {"not_applicable"}
    gates = open_policy(project_path=ROOT, workflow="fraud")["gates"]
    with pytest.raises(GateError) as stopped:  # applications are no frauds
        enforce_gates(result.verdicts, gates=gates)
    assert "DET-AP" in str(stopped.value) and "no verdict was recorded" not in str(stopped.value)
    said = "\n".join(words_of(result))
    assert "late reports" in said and "PAR-ONLINE-REDIS" in str(stopped.value)
    assert "A transaction is blocked at a probability of fraud of" in said
    assert "applicant" not in said.lower() and not re.search(r"\bapplications?\b", said.lower())


@pytest.mark.slow
def test_without_its_evidence_a_gate_fails(desk: Path) -> None:
    versions = {name: v for name, v in VERSIONS.items() if name.split(".")[1] not in HISTORY}
    result = report_of(desk, versions=versions)
    assert result.error is None, result.error
    found = {v["code"]: (v["status"], v["detail"]) for v in result.verdicts}
    assert found["PAR-ONLINE"][0] == found["PIT-TRAVEL"][0] == "fail"
    assert "the replay of transactions was not run" in found["PAR-ONLINE"][1]


def words_of(result: ReportResult) -> list[str]:
    """Everything that a reader is told: the prose, and what cells show."""
    found = []
    for cell in json.loads(result.notebook_json)["cells"]:
        if cell["cell_type"] == "markdown":
            found.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            found += ["".join(shown[kind]) for kind in shown if kind.startswith("text/")]
    return found

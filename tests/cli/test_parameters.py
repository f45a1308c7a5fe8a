"""`kedro parameters` says what is in force, where it stands and what would be allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from fin_kedro.cli.parameters import parameters
from tests.conftest import ROOT


def typed(*arguments: str, code: int = 0) -> list[str]:
    result = CliRunner().invoke(parameters, arguments)
    assert result.exit_code == code, result.output
    return result.output.splitlines()


def test_without_a_name_all_are_checked() -> None:
    said = typed("--env", "ci")
    assert [line.partition(":")[0] for line in said] == ["credit", "fraud", "Next"]
    assert said[0].endswith("values, each known and allowed")
    assert said[-1] == "Next: kedro parameters credit.champion --env ci"


def test_a_value_is_shown_with_its_place() -> None:
    said = typed("credit.champion", "--env", "ci")
    number = 1 + (ROOT / "conf/ci/parameters_credit.yml").read_text().splitlines().index(
        "    patience: 20"
    )
    place = f"conf/ci/parameters_credit.yml, line {number}"
    at = said.index(f"credit.champion.patience: 20 ({place})")
    assert said[at + 1].strip() == (
        "Trees without gain until training stops. Allowed: a whole number at least 1."
    )
    assert "credit.champion.held_out: left out" in said
    assert len(typed("credit.champion.patience")) == 2


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("credt", "no workflow 'credt'; did you mean 'credit'? There are: credit, fraud."),
        ("credit.champoin", "no parameter 'credit.champoin'; did you mean 'champion'?"),
        ("credit.champion.seeds", "did you mean 'seed'? There are:"),
        ("credit.champion.seed.x", "There are: none below it."),
    ],
)
def test_a_name_that_is_not_there_is_refused(name: str, says: str) -> None:
    assert says in "\n".join(typed(name, code=1))


def test_the_page_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    assert typed("--page", str(tmp_path / "page.md")) == [f"{tmp_path / 'page.md'} is written"]
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs/parameters.md").read_text()

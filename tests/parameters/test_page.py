"""docs/parameters.md is what the schema and conf/base say, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from fin_kedro.parameters.page import page, parameters_of
from fin_kedro.parameters.policy import Policy
from fin_kedro.parameters.sections import KINDS
from fin_kedro.project.config import project_config
from tests.conftest import ROOT

PAGE = ROOT / "docs/parameters.md"
ROWS = {
    row[1]: [cell.strip() for cell in row[0].split(" | ")[1:]]
    for row in re.finditer(r"^\| `([\w.]+)` \|.*$", PAGE.read_text(), re.MULTILINE)
}
OPEN = ("champion.search.space", "online.stream.properties", "decision.words")  # others' names


def test_the_page_is_the_schemas() -> None:
    assert PAGE.read_text() == page(ROOT / "conf"), (
        "docs/parameters.md is not what the schema says; "
        "write it anew: kedro parameters --page docs/parameters.md"
    )


@pytest.mark.parametrize("model", [*KINDS.values(), Policy])
def test_every_parameter_says_what_it_is_for(model: Any) -> None:
    for parameter in parameters_of(model):
        assert parameter.meaning.endswith("."), parameter
        assert parameter.allowed != "a value", parameter


def _leaves(content: Any, above: str = "") -> Iterator[str]:
    if isinstance(content, Mapping) and content and above not in OPEN:
        for name, value in content.items():
            yield from _leaves(value, f"{above}.{name}".lstrip("."))
    elif content != {}:
        yield above


@pytest.mark.parametrize(("workflow", "column"), [("credit", 1), ("fraud", 2)])
def test_every_parameter_of_the_project_has_a_row(workflow: str, column: int) -> None:
    found = set(_leaves(project_config(ROOT)["parameters"][workflow])) - {"detection"}
    assert found <= set(ROWS)
    for name in found:
        assert ROWS[name][column] not in ("", "-") or f"{workflow}:" in _own_conf(workflow)


def _own_conf(workflow: str) -> str:
    return (ROOT / f"conf/base/parameters_{workflow}.yml").read_text()


def test_defaults_are_those_of_the_kinds_files() -> None:
    for column, kind in ((1, "static"), (2, "event_time")):
        text = (ROOT / f"conf/base/parameters_{kind}.yml").read_text()
        section = yaml.safe_load(text)[f"{{{kind}}}"]
        for name in ("champion.patience", "bootstrap.replicates", "scorecard.min_share"):
            head, last = name.split(".")
            assert ROWS[name][column] == f"`{section[head][last]}`"
    assert ROWS["champion.seed"][1:3] == ["`42`", "`42`"]  # of parameters.yml, for all
    assert ROWS["decision.costs.approve_bad"][1:3] == ["needed", "needed"]
    assert ROWS["online.stream.batch"][0] == "a whole number at least 1"
    assert ROWS["online.stream.batch"][1:3] == ["", "`500`"]
    assert ROWS["online.stream.connect_seconds"][2] == "`10.0`"  # the schema's own

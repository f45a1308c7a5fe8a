"""One policy binds all; a workflow's section is laid over it, key by key."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.project.config import project_config
from fin_kedro.project.evidence import open_policy
from fin_kedro.project.policy import policy_of
from tests.conftest import ROOT

AUC = {"title": "AUC", "limits": {"min": 0.75, "low_min": 0.7}, "gate": True, "reason": "Usual."}
POLICY: dict[str, Any] = {
    "gates": {"AUC": AUC, "KS": {"limits": {"min": 0.3}}},
    "quarantine": {"largest_share": 0.01},
    "workflows": {
        "fraud": {
            "gates": {"AUC": {"limits": {"min": 0.85, "low_min": None}}, "AP": {"limits": {}}},
            "quarantine": {"largest_share": 0.001},
        }
    },
}


@pytest.mark.parametrize("workflow", [None, "credit", ""])
def test_without_a_section_the_common_policy_binds(workflow: str | None) -> None:
    assert policy_of(POLICY, workflow) == {k: POLICY[k] for k in ("gates", "quarantine")}


def test_a_section_changes_what_it_names_and_adds() -> None:
    found = policy_of(POLICY, "fraud")
    assert found["gates"]["AUC"] == {**AUC, "limits": {"min": 0.85}}  # null takes low_min away
    assert found["gates"]["KS"] == POLICY["gates"]["KS"]
    assert list(found["gates"]) == ["AUC", "KS", "AP"]
    assert found["quarantine"] == {"largest_share": 0.001}


def test_the_policy_itself_stays_as_it_is() -> None:
    before = copy.deepcopy(POLICY)
    policy_of(POLICY, "fraud")["gates"]["AUC"]["limits"]["min"] = 0
    assert before == POLICY


def test_an_environment_overrides_one_limit_of_one_workflow(tmp_path: Path) -> None:
    for env, text in {
        "base": "gates: {AUC: {min: .7}}\n"
        "workflows: {fraud: {gates: {AUC: {min: .8}, AP: {min: .6}}}}",
        "local": "",
        "own": "workflows: {fraud: {gates: {AUC: {min: .9}}}}",
    }.items():
        (tmp_path / "conf" / env).mkdir(parents=True)
        (tmp_path / "conf" / env / "policy.yml").write_text(text)
    read = {w: open_policy(project_path=tmp_path, env="own", workflow=w) for w in ("fraud", "x")}
    assert read["fraud"]["gates"] == {"AUC": {"min": 0.9}, "AP": {"min": 0.6}}
    assert read["x"]["gates"] == {"AUC": {"min": 0.7}}


def test_every_check_of_the_policy_is_explained_and_no_other() -> None:
    policy = project_config(ROOT)["policy"]
    codes = set(policy["gates"])
    for own in policy["workflows"].values():
        codes |= set(own.get("gates", {}))
    text = (ROOT / "docs/checks.md").read_text()
    rows = re.findall(r"^\| `([A-Z]+-[A-Z]+)", text, re.MULTILINE)
    assert set(rows) == codes
    assert len(rows) == len(set(rows))


def test_each_own_limit_gives_its_own_reason() -> None:
    for name, own in project_config(ROOT)["policy"]["workflows"].items():
        for code, gate in own.get("gates", {}).items():
            assert gate["reason"].endswith("."), (name, code)

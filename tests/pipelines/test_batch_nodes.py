"""History is scored by what was approved, and by nothing else unless it is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fin_kedro.contracts import ContractError
from fin_kedro.governance.registry import RegistryError
from fin_kedro.pipelines.batch.nodes import score_history
from fin_kedro.project.evidence import open_catalog

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(trained: Path) -> dict[str, Any]:
    """What the node takes in a project whose fraud candidate is validated, not approved."""
    catalog = open_catalog(project_path=trained, env="ci")
    release = {"workflow": "fraud", "ledger": trained / "data/governance/ledger.sqlite"}
    loaded = {name: catalog.load(f"fraud.{name}") for name in ("accepted", "contract", "scores")}
    return {**loaded, "release": release, "batch": {"model": "candidate", "version": None}}


def scored(given: dict[str, Any], **changes: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    names = ("accepted", "contract", "release", "batch")
    table, record = score_history(*({**given, **changes}[name] for name in names))
    return table.execute(), record


def test_a_candidate_scores_all_rows_as_training_did(given: dict[str, Any]) -> None:
    found, record = scored(given)
    assert record["rows"] == len(found) > 50_000
    assert (record["workflow"], record["version"], record["state"]) == ("fraud", "1", "validated")
    assert found["transaction_id"].is_monotonic_increasing
    known = given["scores"].set_index("entity_id")["champion_probability"]
    same = found.set_index(found["transaction_id"].astype(str)).loc[known.index, "probability"]
    np.testing.assert_allclose(same, known, atol=1e-5)


def test_what_nobody_approved_scores_nothing_unless_it_is_asked_for(given: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match="is approved or released: 1 is validated"):
        scored(given, batch={"model": "approved", "version": None})
    with pytest.raises(ValueError, match="'newest'; allowed: approved, candidate"):
        scored(given, batch={"model": "newest", "version": None})


def test_rows_of_another_contract_are_refused(given: dict[str, Any]) -> None:
    other = replace(given["contract"], version="2.0.0")
    with pytest.raises(ContractError, match=r"fraud 1 was made for .*the accepted rows follow 2"):
        scored(given, contract=other)

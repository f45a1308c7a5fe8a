"""The registry: a version's state is what happened to it last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io.core import DatasetError

from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.registry import (
    STATES,
    CandidateDataset,
    RegistryError,
    current_user,
    find_state,
    model_states,
)
from tests.serving.tiny_package import golden_rows, tiny_contract, tiny_graph


def ledger_of(tmp_path: Path, *events: tuple[str, str]) -> Ledger:
    """Return a ledger of (event, version) pairs."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for place, (event, version) in enumerate(events):
        known: dict[str, Any] = {"workflow": "credit", "version": version, "digest": f"d{version}"}
        ledger.append(event=event, by=f"p{place}", **known)
    return ledger


@pytest.mark.parametrize("event", STATES)
def test_the_last_event_is_the_state(tmp_path: Path, event: str) -> None:
    ledger = ledger_of(tmp_path, ("registered", "1"), (event, "1"))
    (state,) = model_states(ledger)
    last = ledger.entries()[-1]
    assert (state.state, state.since, state.by) == (STATES[event], last.at, "p1")


def test_versions_keep_their_order_and_their_own_state(tmp_path: Path) -> None:
    events = ("registered", "1"), ("registered", "2"), ("validated", "1"), ("failed", "2")
    found = model_states(ledger_of(tmp_path, *events))
    assert [(s.version, s.state) for s in found] == [("1", "validated"), ("2", "failed")]


def test_nothing_registered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none.sqlite")
    assert model_states(ledger) == []
    with pytest.raises(RegistryError, match="none is registered.*`kedro run` makes a candidate"):
        find_state(ledger, "credit", None, ("validated",))
    with pytest.raises(RegistryError, match="credit 1 is not registered; registered are: none"):
        find_state(ledger, "credit", "1", ("validated",))


def test_the_newest_in_the_wanted_state_is_found(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, ("validated", "1"), ("validated", "2"), ("registered", "10"))
    assert find_state(ledger, "credit", None, ("validated",)).version == "2"
    assert find_state(ledger, "credit", "1", ("validated",)).version == "1"


def test_a_version_in_another_state_is_named(tmp_path: Path) -> None:
    ledger = ledger_of(tmp_path, ("registered", "1"), ("failed", "2"))
    with pytest.raises(
        RegistryError, match="is validated or approved: 1 is candidate, 2 is failed"
    ):
        find_state(ledger, "credit", None, ("validated", "approved"))
    with pytest.raises(RegistryError, match="credit 3 is not registered.*credit 1, credit 2"):
        find_state(ledger, "credit", "3", ("validated",))


def test_another_workflow_is_another_model(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no version of fraud is validated: none is registered"):
        find_state(ledger_of(tmp_path, ("validated", "1")), "fraud", None, ("validated",))


def test_the_user_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIN_KEDRO_USER", "Ada")
    assert current_user() == "Ada"


def test_a_candidate_outside_an_mlflow_run_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    dataset = CandidateDataset(
        workflow="credit", filepath=str(tmp_path / "package"), ledger=str(path)
    )
    content = {"model": tiny_graph(), "contract": tiny_contract(), "decision": {"threshold": 0.4}}
    with pytest.raises(DatasetError, match="inside an MLflow run; start it with `kedro run`"):
        dataset.save({**content, "golden": golden_rows(), "input_example": None})
    assert list(tmp_path.iterdir()) == []

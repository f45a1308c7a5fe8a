"""The registry: a version's state is what happened to it last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kedro.io import Version
from kedro.io.core import DatasetError

from fin_kedro.governance import registry
from fin_kedro.governance.ledger import Ledger, LedgerError
from fin_kedro.governance.package import read_package
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


# what a run that is stopped leaves


CONTENT = {
    "model": tiny_graph(), "contract": tiny_contract(), "decision": {"threshold": 0.4},
    "golden": golden_rows(), "input_example": None,
}  # fmt: skip


@pytest.fixture
def pointed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """MLflow left out: it numbers versions, and what it points to is listed."""
    names: list[str] = []
    numbers = (str(n) for n in range(1, 10))
    monkeypatch.setattr(registry, "_active_run", lambda: None)
    monkeypatch.setattr(registry, "_register", lambda *_: ("run", next(numbers)))
    monkeypatch.setattr(registry, "_point_to", lambda *given: names.append("/".join(given)))
    return names


def candidate(folder: Path, version: str | None) -> CandidateDataset:
    return CandidateDataset(
        workflow="credit", filepath=str(folder / "package"),
        ledger=str(folder / "governance/ledger.sqlite"), version=Version(None, version),
    )  # fmt: skip


def visible(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in (folder / "package").glob("*/package"))


def test_the_ledger_enters_a_package_that_is_there_and_mlflow_points_last(
    tmp_path: Path, pointed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append, seen = Ledger.append, []

    def watched(self: Ledger, **event: Any) -> Any:
        seen.append((visible(tmp_path), list(pointed)))
        read_package(self.resolve(event["package"]), expected_digest=event["digest"])
        return append(self, **event)

    monkeypatch.setattr(Ledger, "append", watched)
    candidate(tmp_path, "v1").save(CONTENT)
    assert seen == [(["v1"], [])]
    assert pointed == ["credit/1/candidate"]
    assert candidate(tmp_path, None).load()["version"] == "1"


def test_a_package_that_cannot_be_entered_goes_again(
    tmp_path: Path, pointed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Ledger, **event: Any) -> None:
        raise LedgerError("the disk is full")

    candidate(tmp_path, "v1").save(CONTENT)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append", full)
        with pytest.raises(DatasetError, match="the disk is full"):
            candidate(tmp_path, "v2").save(CONTENT)
    assert visible(tmp_path) == ["v1"]
    assert [p.name for p in (tmp_path / "package").iterdir()] == ["v1"]
    assert pointed == ["credit/1/candidate"]
    assert candidate(tmp_path, None).load()["version"] == "1"


def test_a_candidate_killed_before_its_entry_is_refused_and_the_next_one_works(
    tmp_path: Path, pointed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(CandidateDataset, "_enter", lambda *_: None)  # killed right before
        candidate(tmp_path, "v1").save(CONTENT)
    with pytest.raises(
        DatasetError, match=r"is not in the ledger: its run was stopped.*kedro run --pipelines"
    ):
        candidate(tmp_path, None).load()
    candidate(tmp_path, "v2").save(CONTENT)
    assert candidate(tmp_path, None).load()["version"] == "2"


def test_a_package_in_a_folder_without_versions_is_never_withdrawn(
    tmp_path: Path, pointed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside it lies what is not ours."""
    (tmp_path / "other.json").write_text("{}")
    dataset = CandidateDataset(
        workflow="credit", filepath=str(tmp_path / "package"), ledger=str(tmp_path / "l.sqlite")
    )
    monkeypatch.setattr(Ledger, "append", lambda *_, **__: 1 / 0)
    with pytest.raises(DatasetError, match="division by zero"):
        dataset.save(CONTENT)
    assert (tmp_path / "other.json").exists()


def test_an_alias_that_two_trainings_make_at_once_is_set_by_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MLflow looks for the alias and then inserts it: the second one meets a unique key."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

    from fin_kedro.governance import registry

    taken = MlflowException("UNIQUE constraint failed: registered_model_aliases.name")
    answers: list[MlflowException | None] = [taken, None]
    asked: list[tuple[str, str, str]] = []

    def answer(_: object, *given: str) -> None:
        asked.append(given)  # type: ignore[arg-type]
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr(mlflow.MlflowClient, "set_registered_model_alias", answer)
    registry._point_to("credit", "1", "candidate")
    assert asked == [("credit", "candidate", "1")] * 2

    answers[:] = [MlflowException("no such version", RESOURCE_DOES_NOT_EXIST)]
    with pytest.raises(MlflowException, match="no such version"):
        registry._point_to("credit", "9", "candidate")
    answers[:] = [taken] * 9
    with pytest.raises(MlflowException, match="UNIQUE"):
        registry._point_to("credit", "1", "candidate")
    assert len(answers) == 4

"""The live scorer in one process: together or not at all, and only on the right history."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.contracts import Column, Contract
from fin_kedro.features.fingerprints import fingerprint
from fin_kedro.features.fraud_statistics import fraud_statistics
from fin_kedro.features.windows import DAY
from fin_kedro.governance.package import PackageError, read_package
from fin_kedro.online import FeatureStore, StoreError, open_store
from fin_kedro.serving.answers import Refused, Unavailable
from fin_kedro.serving.live import LiveScorer, check_features
from fin_kedro.serving.live_web import named_statistics, open_live_application
from fin_kedro.serving.scorer import Scorer

from .tiny_live import COUNT, START, expected, linear_graph, live_contract, transaction, write_live

MODULE = "fin_kedro.features.fraud_statistics"


class Switch:
    """Opens a store in memory that fails on demand, before or after it was opened."""

    def __init__(self) -> None:
        self.broken, self.opened = False, 0
        self.store = open_store("memory:", fraud_statistics)
        self._apply = self.store.apply
        self.store.apply = self.apply  # type: ignore[method-assign]

    def apply(self, *arguments: Any) -> list[Any]:
        """Keep events, or fail as a full disk does."""
        if self.broken:
            raise StoreError("the disk is full")
        return self._apply(*arguments)

    def open(self) -> FeatureStore:
        """Open, or fail as a Redis that is away does."""
        self.opened += 1
        if self.broken:
            raise StoreError("no answer")
        return self.store


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    folder = tmp_path_factory.mktemp("live") / "package"
    write_live(folder)
    return Scorer(read_package(folder), reference="transaction_id")


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIN_KEDRO_STORE", "memory:")
    monkeypatch.setenv("FIN_KEDRO_SERVE_UNRELEASED", "true")  # no bento, no release record


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def live(scorer: Scorer, switch: Switch) -> LiveScorer:
    return LiveScorer(scorer, fraud_statistics, switch.open)


def counted(live: LiveScorer) -> int:
    """How many transactions of the customer were counted before this one."""
    probe = transaction(20, terminal_id=9)
    return int(switch_store(live).lookup(probe)[COUNT]) - 1  # type: ignore[arg-type]


def switch_store(live: LiveScorer) -> FeatureStore:
    assert live._store is not None
    return live._store


def test_history_enters_the_decision(live: LiveScorer) -> None:
    first, second = live.score([transaction(1), transaction(2)], explain=True)
    assert (first["history"][COUNT], second["history"][COUNT]) == (1, 2)
    assert second["probability"] == pytest.approx(expected({**transaction(2), **second["history"]}))
    assert second["transaction_id"] == 2
    assert "history" not in live.score([transaction(3)])[0]


def test_one_that_cannot_be_counted_stops_its_neighbours_too(live: LiveScorer) -> None:
    live.score([transaction(0)])
    broken = transaction(2, known_us=START)
    first, refused, third = live.score([transaction(1), broken, transaction(3)])
    assert (first, third) == (None, None)
    assert isinstance(refused, Refused)
    assert "must not be before event_us" in refused.message
    assert (refused.field, refused.status) == ("", 422)
    assert counted(live) == 1


def test_a_store_that_fails_counts_nothing_and_goes_on_afterwards(
    live: LiveScorer, switch: Switch
) -> None:
    live.score([transaction(1)])
    switch.broken = True
    assert live.score([transaction(2)]) == [Unavailable()]
    assert live.learn([{"label_id": 1, "transaction_id": 1, "fraud": 1, "known_us": START}]) == [
        Unavailable()
    ]
    switch.broken = False
    assert counted(live) == 1
    [found] = live.score([transaction(2)], explain=True)
    assert found["history"][COUNT] == 2


def test_a_store_that_cannot_be_opened_is_tried_again(live: LiveScorer, switch: Switch) -> None:
    switch.broken = True
    assert not live.is_ready()
    assert live.score([transaction(1)]) == [Unavailable()]
    switch.broken = False
    assert live.is_ready()
    assert live.score([transaction(1)])[0]["decision"] == "allow"
    assert switch.opened == 3


def test_closing_lets_go_of_the_store(scorer: Scorer, tmp_path: Path) -> None:
    address = f"log:{tmp_path / 'state'}"
    live = LiveScorer(scorer, fraud_statistics, lambda: open_store(address, fraud_statistics))
    live.close()
    live.score([transaction(1)])
    with pytest.raises(StoreError, match="open in another process"):
        open_store(address, fraud_statistics)
    live.close()
    with open_store(address, fraud_statistics) as store:
        assert store.statistics()["transactions"] == 1


def test_labels_say_whether_they_were_news(live: LiveScorer) -> None:
    told = {"label_id": 5, "transaction_id": 1, "fraud": 1, "known_us": START}
    assert live.learn([told, told]) == [
        {"label_id": 5, "transaction_id": 1, "learned": True},
        {"label_id": 5, "transaction_id": 1, "learned": False},
    ]


def without(name: str) -> Contract:
    contract = live_contract()
    return replace(contract, columns={k: c for k, c in contract.columns.items() if k != name})


def with_history(name: str) -> Contract:
    """A contract of another specification: one number more, before the target."""
    columns = dict(live_contract().columns)
    target = columns.pop("fraud")
    more = Column(name=name, type="integer", role="feature")
    return replace(live_contract(), columns={**columns, name: more, "fraud": target})


def with_target(name: str) -> Contract:
    columns = dict(live_contract().columns)
    target = replace(columns.pop("fraud"), name=name)
    return replace(live_contract(), columns={**columns, name: target})


MISFITS: dict[str, tuple[Callable[[], Contract], str]] = {
    "a number is missing": (lambda: without(COUNT), f"only in the specification: {COUNT};"),
    "a number too many": (lambda: with_history("old_90d"), "only in the contract: old_90d"),
    "a key is missing": (lambda: without("terminal_id"), "reads terminal_id, which it does not"),
    "another target": (lambda: with_target("chargeback"), "target is chargeback, not fraud"),
    "other windows": (
        lambda: replace(live_contract(), version="1.0.0+1.0.0+0123456789abcdef"),
        "made for specification 0123456789abcdef",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_package_of_another_specification_is_not_served(tmp_path: Path, name: str) -> None:
    contract, text = MISFITS[name]
    graph = linear_graph({"amount_cents": 1e-4}, 0.0)
    golden = [{"application": {"amount_cents": 0}, "probability": 0.5}]
    write_live(tmp_path / "p", contract=contract(), model=graph, golden=golden)
    with pytest.raises(SystemExit, match="fraud does not start: contract scored_card") as caught:
        open_live_application(
            package=tmp_path / "p", release=tmp_path / "none", features=fraud_statistics
        )
    assert text in str(caught.value)


def test_a_package_of_another_row_value_is_not_served(tmp_path: Path) -> None:
    first, *others = fraud_statistics.row_values
    changed = replace(first, value=lambda row: row["event_us"] % DAY + 7)
    trained = replace(fraud_statistics, row_values=(changed, *others))
    version = f"1.0.0+1.0.0+{fingerprint(trained)}"
    write_live(tmp_path / "p", contract=replace(live_contract(), version=version))
    with pytest.raises(PackageError, match="it was made for specification"):
        check_features(read_package(tmp_path / "p"), fraud_statistics)


def test_the_specification_that_was_trained_on_is_served(tmp_path: Path) -> None:
    version = f"1.0.0+1.0.0+{fingerprint(fraud_statistics)}"
    write_live(tmp_path / "p", contract=replace(live_contract(), version=version))
    check_features(read_package(tmp_path / "p"), fraud_statistics)


@pytest.mark.parametrize(
    ("store", "workers", "text"),
    [
        ("log:state", "2", "is for one process. Share a Redis store"),
        ("memory:", "2", "is for one process"),
        ("log:state", "0", "write a whole number from 1"),
        ("log:state", "many", "write a whole number from 1"),
    ],
)
def test_an_embedded_store_has_one_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, workers: str, text: str
) -> None:
    write_live(tmp_path / "p")
    monkeypatch.setenv("FIN_KEDRO_STORE", store)
    monkeypatch.setenv("FIN_KEDRO_WORKERS", workers)
    with pytest.raises(SystemExit, match=text):
        open_live_application(
            package=tmp_path / "p", release=tmp_path / "none", features=fraud_statistics
        )


def test_a_store_to_share_may_have_more_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_live(tmp_path / "p")
    monkeypatch.setenv("FIN_KEDRO_STORE", "redis://127.0.0.1:1/9")
    monkeypatch.setenv("FIN_KEDRO_WORKERS", "3")
    application = open_live_application(
        package=tmp_path / "p", release=tmp_path / "none", features=fraud_statistics
    )
    assert application.settings["workers"] == 3


def test_words_that_have_no_place_are_refused(tmp_path: Path) -> None:
    write_live(tmp_path / "p", decision={"threshold": 0.5, "words": {"reject": "block"}})
    with pytest.raises(PackageError, match=r"'reject'; allowed: row, rows, bad, accept, refuse"):
        Scorer.from_package(tmp_path / "p")


@pytest.mark.parametrize(
    ("words", "rows"), [({}, "applications"), ({"rows": "payments"}, "payments")]
)
def test_rows_are_taken_under_the_packages_own_word(
    tmp_path: Path, words: dict[str, str], rows: str
) -> None:
    write_live(tmp_path / "p", workflow="wires", decision={"threshold": 0.5, "words": words})
    application = open_live_application(
        package=tmp_path / "p", release=tmp_path / "none", features=fraud_statistics
    )
    assert application.workflow == "wires"
    assert set(application.request.model_fields) == {rows, "explain"}
    assert application.operations[0].summary == f"Decide on {rows}"


def test_statistics_are_those_that_the_bento_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIN_KEDRO_STATISTICS", raising=False)
    with pytest.raises(SystemExit, match="FIN_KEDRO_STATISTICS must name the statistics"):
        named_statistics(tmp_path)
    monkeypatch.setenv("FIN_KEDRO_STATISTICS", f"{MODULE}:fraud_statistics")
    assert named_statistics(tmp_path) is fraud_statistics
    (tmp_path / "service.json").write_text(json.dumps({"statistics": f"{MODULE}:missing"}))
    with pytest.raises(SystemExit, match=f"'{MODULE}:missing', which cannot be"):
        named_statistics(tmp_path)

"""Live decisions: an event's history from the feature store, then the scorer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fin_kedro.contracts import Contract
from fin_kedro.features.event_plan import Plan
from fin_kedro.features.fingerprints import fingerprint, value_columns
from fin_kedro.features.windows import EventFeatures
from fin_kedro.governance.package import Package, PackageError
from fin_kedro.online import EventError, FeatureStore, StoreError
from fin_kedro.serving.answers import Decision, Refused, Unavailable
from fin_kedro.serving.scorer import Scorer

Row = Mapping[str, Any]
logger = logging.getLogger(__name__)


class LiveScorer:
    """Decides on events as they happen, with one package and one feature store.

    What is handed over together is counted together, or not at all. An event that comes again, by
    its id, changes nothing and gets the same answer. An answer is a list: a mapping for each row;
    or, when nothing was counted, `Refused` in the place of the row to blame and None in the others'
    places; or one `Unavailable`.
    """

    def __init__(
        self, scorer: Scorer, features: EventFeatures, open_store: Callable[[], FeatureStore]
    ) -> None:
        """Prepare.

        Args:
            scorer: its reference is the specification's id.
            features: the specification.
            open_store: called at the first need, and again until it succeeds.
        """
        self.scorer, self.features = scorer, features
        self._open = open_store
        self._opening = threading.Lock()
        self._store: FeatureStore | None = None

    def is_ready(self) -> bool:
        """Whether the store is open and answers; if it is not, the log says why."""
        try:
            self._opened().offsets()
        except StoreError as error:
            logger.error("feature store: %s", error)
            return False
        return True

    def close(self) -> None:
        """Let go of the store."""
        with self._opening:
            if self._store is not None:
                self._store.close()

    def score(self, events: Sequence[Row], explain: bool = False) -> list[Any]:
        """Decide on events in their order: each is looked up, then counted from then on.

        Args:
            events: rows with the contract's `event_columns`.
            explain: also give back the history that was looked up.
        """
        found = self._kept("transaction", events)
        if _failed(found):
            return found
        rows = [{**event, **history} for event, history in zip(events, found, strict=True)]
        return [
            item if isinstance(item, Refused) else self._told(item, history if explain else None)
            for item, history in zip(self.scorer.score(rows), found, strict=True)
        ]

    def learn(self, labels: Sequence[Row]) -> list[Any]:
        """Take labels in their order, and say of each whether it was news."""
        found = self._kept("label", labels)
        if _failed(found):
            return found
        names = (self.features.label_id, self.features.id)
        return [
            {**{name: label[name] for name in names}, "learned": news}
            for label, news in zip(labels, found, strict=True)
        ]

    def _kept(self, kind: str, rows: Sequence[Row]) -> list[Any]:
        try:
            return self._opened().apply([(kind, row) for row in rows], {})
        except EventError as error:
            refused = Refused(field="", message=str(error))
            return [refused if i == error.position else None for i in range(len(rows))]
        except StoreError as error:
            logger.error("feature store: %s", error)
            return [Unavailable()]

    def _opened(self) -> FeatureStore:
        with self._opening:
            if self._store is None:
                self._store = self._open()
            return self._store

    def _told(self, decision: Decision, history: Row | None) -> dict[str, Any]:
        told = {self.features.id: decision.id, **vars(decision)}
        del told["id"]
        return told if history is None else {**told, "history": history}


def _failed(answers: Sequence[Any]) -> bool:
    return any(isinstance(answer, Refused | Unavailable) for answer in answers)


def check_features(package: Package, features: EventFeatures) -> None:
    """Raise `PackageError` unless the history in a package's contract is the specification's.

    A composed contract has the event's own columns, then those that the specification makes, then
    the target. A version of three parts ends in the fingerprint of the specification that the
    model was trained on: names may stay while a window changes.
    """
    contract = package.contract
    problems = _name_problems(contract, features)
    read = {c for value in features.row_values for c in value_columns(value.value)}
    needed = {features.id, *Plan(features).columns, *read}
    if lacking := sorted(needed - set(contract.columns)):
        problems.append(f"the specification reads {', '.join(lacking)}, which it does not have")
    if contract.target.name != features.label:
        problems.append(f"its target is {contract.target.name}, not {features.label}")
    parts, found = contract.version.split("+"), fingerprint(features)
    if len(parts) > 2 and parts[-1] != found:
        problems.append(f"it was made for specification {parts[-1]}, this one is {found}")
    if problems:
        raise PackageError(
            f"contract {contract.name} of {package.folder} does not fit the features computed "
            f"here: {'; '.join(problems)}. Serve it with the code it was trained with, or train "
            "and release again."
        )


def _name_problems(contract: Contract, features: EventFeatures) -> list[str]:
    before_target = [c.name for c in contract.columns.values() if c.role != "target"]
    stated = before_target[len(before_target) - len(features.names) :]
    if stated == features.names:
        return []
    only_here = [name for name in features.names if name not in stated] or ["none"]
    only_there = [name for name in stated if name not in features.names] or ["none"]
    return [
        "its last columns must be those of the specification, in order (only in the "
        f"specification: {', '.join(only_here)}; only in the contract: {', '.join(only_there)})"
    ]

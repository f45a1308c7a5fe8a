"""The scorer: raw rows in, decisions with reasons out, through one ONNX graph."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fin_kedro.contracts import Column
from fin_kedro.contracts.column import plain_text
from fin_kedro.contracts.moments import microseconds
from fin_kedro.contracts.own_names import graph_input
from fin_kedro.contracts.requests import reference_name
from fin_kedro.governance.package import Package, PackageError, read_package
from fin_kedro.serving.answers import Decision, ModelReference, Reason, Refused, Words

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported
import onnxruntime

GOLDEN_TOLERANCE = 1e-6
Row = Mapping[str, Any]
Value = TypeVar("Value", float, str)
logger = logging.getLogger(__name__)


class _UnusableError(ValueError):
    """One value of one row cannot enter the graph."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Scorer:
    """Decides on rows with one verified package. One instance may serve many threads."""

    def __init__(
        self,
        package: Package,
        *,
        version: str = "development",
        reference: str | None = None,
    ) -> None:
        """Load the graph and score the golden rows; raise `PackageError` if they differ.

        ``reference`` is the member of a row that comes back as the ``id`` of its decision; by
        default the caller's own.
        """
        self.package = package
        self.words = Words.of(package)
        self._reference = reference or reference_name(package.contract.inputs)
        self.session = _session(package)
        facts = _facts(self.session, package)
        self._usable = {c.name: c for c in package.contract.inputs}
        self._inputs: dict[str, str] = facts["inputs"]
        self._columns = [self._column(name) for name in self._inputs]
        self._reason_columns = [self._column(name) for name in facts["reason_columns"]]
        self.threshold = float(package.decision["threshold"])
        self._top = int(package.decision.get("reasons", 4))
        self.model = ModelReference(
            workflow=package.workflow, version=version, digest=package.digest
        )
        self._check_golden()

    @classmethod
    def from_package(
        cls,
        folder: Path | str,
        expected_digest: str | None = None,
        *,
        version: str = "development",
    ) -> Scorer:
        """Read, verify and load a package folder; refuse any digest but the expected one."""
        return cls(read_package(folder, expected_digest=expected_digest), version=version)

    def score(self, rows: Sequence[Row]) -> list[Decision | Refused]:
        """Decide on raw rows (contract column -> raw value, and their reference), in their order.

        Missing is None, NaN or an absent key, allowed where the contract says so. Ranges and
        enums are the request model's work. A row that cannot be scored yields `Refused` in its
        own place: the answer always has as many items as ``rows``.
        """
        if not rows:
            return []
        encoded = [self._encode(row) for row in rows]
        good = [i for i, values in enumerate(encoded) if not isinstance(values, _UnusableError)]
        results: list[Decision | Refused] = [
            self._refused(row, values) for row, values in zip(rows, encoded, strict=True)
        ]
        matrix = [encoded[i] for i in good]
        for i, scored in zip(good, self._run(matrix), strict=True):  # type: ignore[arg-type]
            results[i] = self._decide(rows[i], scored)
        if len(results) != len(rows):
            raise RuntimeError(f"{len(rows)} rows gave {len(results)} results")
        return results

    def probabilities(self, rows: Sequence[Row]) -> np.ndarray:
        """Return the probability per row (double [N]); raise ValueError at an unusable row."""
        found = self.score(rows)
        for i, item in enumerate(found):
            if isinstance(item, Refused):
                raise ValueError(f"row {i}, column {item.field}: {item.message}")
        return np.array([item.probability for item in found if isinstance(item, Decision)])

    def _column(self, name: str) -> Column:
        column = self._usable.get(name)
        if column is None:
            raise PackageError(
                f"the graph of {self.package.folder} uses column {name!r}, which is no feature of "
                f"contract {self.package.contract.name}. Export the graph again from this contract."
            )
        return column

    def _encode(self, row: Row) -> list[float | str] | _UnusableError:
        try:
            return [
                _ENCODED[kind](row.get(c.name), c)
                for c, kind in zip(self._columns, self._inputs.values(), strict=True)
            ]
        except _UnusableError as error:
            return error

    def _run(self, matrix: list[list[float | str]]) -> list[tuple[float, np.ndarray] | None]:
        """Score encoded rows together; if the graph refuses the batch, score them one by one."""
        if not matrix:
            return []
        try:
            return self._graph(matrix)
        except Exception as error:  # one bad row must not fail its neighbours
            if len(matrix) == 1:
                logger.error("the graph refused a row: %s", type(error).__name__)
                return [None]
            return [self._run([values])[0] for values in matrix]

    def _graph(self, matrix: list[list[float | str]]) -> list[tuple[float, np.ndarray] | None]:
        feeds = {
            graph_input(name): np.array(values, dtype=object if kind == "string" else np.float64)
            for (name, kind), values in zip(
                self._inputs.items(), zip(*matrix, strict=True), strict=True
            )
        }
        probability, contributions = self.session.run(["probability", "contributions"], feeds)
        if len(probability) != len(matrix) or len(contributions) != len(matrix):
            raise RuntimeError(f"{len(matrix)} rows gave {len(probability)} probabilities")
        return [
            (float(p), c) if math.isfinite(p) else None
            for p, c in zip(probability, contributions, strict=True)
        ]

    def _decide(self, row: Row, scored: tuple[float, np.ndarray] | None) -> Decision | Refused:
        if scored is None:
            return self._refused(row, "the model gave no probability")
        probability, contributions = scored
        refused = probability >= self.threshold
        return Decision.model_construct(
            id=row.get(self._reference),
            probability=probability,
            decision=self.words.refuse if refused else self.words.accept,
            threshold=self.threshold,
            reasons=self._reasons(contributions),
            model=self.model,
        )

    def _refused(self, row: Row, why: object) -> Refused:
        """Hold the place of a row; rows that can be scored are filled in afterwards."""
        own = row.get(self._reference)
        if isinstance(why, _UnusableError):
            return Refused(id=own, field=why.field, message=str(why))
        message = why if isinstance(why, str) else "not scored"
        return Refused(id=own, field="", message=message, status=500)

    def _reasons(self, contributions: np.ndarray) -> list[Reason]:
        strongest = np.argsort(-contributions, kind="stable")[: self._top]
        return [
            Reason.model_construct(
                code=self._reason_columns[k].reason_code or self._reason_columns[k].name,
                column=self._reason_columns[k].name,
                text=self._reason_columns[k].reason or self._reason_columns[k].description,
                contribution=float(contributions[k]),
            )
            for k in strongest
            if contributions[k] > 0
        ]

    def _check_golden(self) -> None:
        """Golden rows prove that this machine computes what was approved."""
        if not self.package.golden:
            raise PackageError(
                f"{self.package.folder} holds no golden rows: nothing proves that the graph "
                "computes here what was approved. Write the package again with golden rows."
            )
        found = self.score([row["application"] for row in self.package.golden])
        for i, (row, item) in enumerate(zip(self.package.golden, found, strict=True)):
            value = item.probability if isinstance(item, Decision) else math.nan
            if not abs(value - row["probability"]) <= GOLDEN_TOLERANCE:
                raise PackageError(
                    f"golden row {i} of {self.package.folder}: expected probability "
                    f"{row['probability']!r}, this machine computes {value!r} (allowed difference "
                    f"{GOLDEN_TOLERANCE:g}). Do not serve it: check onnxruntime "
                    f"{onnxruntime.__version__} against requirements.lock, then validate again."
                )


def _session(package: Package) -> onnxruntime.InferenceSession:
    """One thread and no spinning: small batches gain nothing from more, and neighbours lose."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            package.model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise PackageError(
            f"onnxruntime {onnxruntime.__version__} cannot load model.onnx of {package.folder}: "
            f"{error}. Install the versions of requirements.lock or export the graph again."
        ) from None


def _facts(session: onnxruntime.InferenceSession, package: Package) -> dict[str, Any]:
    text = session.get_modelmeta().custom_metadata_map.get("fin_kedro")
    if text is None:
        raise PackageError(
            f"model.onnx of {package.folder} has no 'fin_kedro' metadata (inputs, "
            "reason_columns). Export it with fin_kedro.models.graph."
        )
    facts: dict[str, Any] = json.loads(text)
    return facts


def is_missing(value: Any) -> bool:
    """Whether a raw value is None or NaN."""
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))


def _number(value: Any, column: Column) -> float:
    """Give the graph a number; NaN means missing."""
    if is_missing(value):
        return _missing(column, math.nan)
    wrong = isinstance(value, bool) and column.type != "boolean"
    if wrong or not isinstance(value, bool | int | float | np.number | np.bool_):
        raise _UnusableError(column.name, f"{column.name} must be of type {column.type}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise _UnusableError(column.name, f"{column.name} must be finite")
    return number


def _string(value: Any, column: Column) -> str:
    """Give the graph a string; "" means missing, and a number is written as an integer."""
    value = plain_text(value) if isinstance(value, str) else value
    if is_missing(value) or value == "":
        return _missing(column, "")
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise _UnusableError(column.name, f"{column.name} must be of type {column.type}")
    return str(int(value)) if float(value).is_integer() else str(value)


def _moment(value: Any, column: Column) -> float:
    """Give the graph a moment, as every engine has it; the age is computed in the graph."""
    if is_missing(value):
        return _missing(column, math.nan)
    try:
        return microseconds(value)
    except ValueError:
        raise _UnusableError(column.name, f"{column.name} must be of type {column.type}") from None


_ENCODED: Mapping[str, Callable[[Any, Column], float | str]] = {
    "number": _number,
    "moment": _moment,
    "string": _string,
}


def _missing(column: Column, stand_in: Value) -> Value:
    if column.required:
        raise _UnusableError(column.name, f"{column.name} is required")
    return stand_in

"""Figures of the models of two runs: what moved, against the interval that it had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fin_kedro.changes.runs import Run, datasets_ending

# For which figures more is better, and for which less; of others nothing is said.
MORE = ("auc", "gini", "ks", "average_precision", "profit", "recall", "precision", "card_precision")
LESS = ("brier", "log_loss", "ece", "max_abs_diff", "decisions_differ")


@dataclass(frozen=True, kw_only=True)
class FigureChange:
    """One figure of a model before and after, with the interval it had.

    `weight`: the change in half widths of the earlier interval, which orders the list.
    `better`: None where neither direction is the better one.
    """

    workflow: str
    part: str
    model: str
    name: str
    before: float | None
    after: float | None
    interval: tuple[float, float] | None
    weight: float
    better: bool | None

    @property
    def change(self) -> float | None:
        """After minus before."""
        both = self.before is not None and self.after is not None
        return self.after - self.before if both else None  # type: ignore[operator]

    @property
    def outside(self) -> bool:
        """Whether the figure has left the interval it had."""
        known = self.interval is not None and self.after is not None
        return known and not (self.interval[0] <= self.after <= self.interval[1])  # type: ignore


def compare_figures(runs: tuple[Run, Run]) -> tuple[tuple[FigureChange, ...], int]:
    """Figures that differ, those that left their interval first; and how many do not."""
    found: list[FigureChange] = []
    same = 0
    for name in datasets_ending(runs, ".metrics"):
        workflow = name.removesuffix(".metrics")
        tables = [dict(_each_figure(run.load_json(name) or {})) for run in runs]
        for key in {**tables[0], **tables[1]}:
            before, after = tables[0].get(key), tables[1].get(key)
            if before == after:
                same += 1
            else:
                found.append(_figure(workflow, key, before, after))
    decides = _deciding_models(runs)
    found.sort(
        key=lambda f: (decides.get(f.workflow) != f.model, f.part != "test", -f.weight, f.name)
    )
    return tuple(found), same


def _each_figure(metrics: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """``{part: {model: {figure: {"value", "low", "high"}}}}`` as pairs of key and figure."""
    for part, models in metrics.items():
        for model, figures in models.items():
            for name, figure in figures.items():
                yield (part, model, name), figure


def _figure(workflow: str, key: tuple[str, str, str], before: Any, after: Any) -> FigureChange:
    old, new = ((figure or {}).get("value") for figure in (before, after))
    low, high = ((before or {}).get(end) for end in ("low", "high"))
    interval = (low, high) if low is not None and high is not None else None
    change = new - old if old is not None and new is not None else None
    return FigureChange(
        workflow=workflow, part=key[0], model=key[1], name=key[2],
        before=old, after=new, interval=interval,
        weight=_weight(change, old, interval), better=_better(key[2], change),
    )  # fmt: skip


def _weight(
    change: float | None, before: float | None, interval: tuple[float, float] | None
) -> float:
    if change is None:
        return float("inf")
    half = (interval[1] - interval[0]) / 2 if interval else 0.0
    return abs(change) / (half or abs(before or 0.0) or 1.0)


def _better(name: str, change: float | None) -> bool | None:
    if not change:
        return None
    if name.startswith(LESS):
        return change < 0
    return change > 0 if name.startswith(MORE) else None


def _deciding_models(runs: tuple[Run, Run]) -> dict[str, str]:
    """Which model decides, by workflow, in the second run."""
    names = datasets_ending(runs, ".decision_policy")
    found = {n.removesuffix(".decision_policy"): runs[1].load_json(n) for n in names}
    return {workflow: str(policy["model"]) for workflow, policy in found.items() if policy}

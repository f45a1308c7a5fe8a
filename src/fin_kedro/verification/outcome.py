"""What a verification found: the grade, what departs and why, and what a reader should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fin_kedro.verification.causes import Cause
from fin_kedro.verification.comparison import Comparison, Output

MOST = 50  # rows and details that are written


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The outcome: grade, what departs and why, and what a reader should know."""

    run: str
    subject: str
    grade: str
    holds: bool
    comparison: Comparison
    cause: Cause | None = None
    notes: tuple[str, ...] = ()
    environment: str = ""
    world: str = ""
    seconds: float = 0.0
    digest: str = ""
    kept: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The verification as plain JSON."""
        first = self.comparison.decisive
        return {
            "run": self.run,
            "subject": self.subject,
            "seal": self.digest,
            "grade": self.grade,
            "holds": self.holds,
            "environment": self.environment,
            "world": self.world,
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
            "kept": self.kept,
            "judgements": self.comparison.judgements,
            "changed": list(self.comparison.changed)[:MOST],
            "first": first and {"step": first.step, "output": first.name, "what": first.first},
            "cause": self.cause and _cause_json(self.cause),
            "outputs": [_output_json(output) for output in self.comparison.outputs],
        }


def first_words(output: Output | None) -> str:
    """The output that departs, with its figure, in one line; "" for none."""
    if output is None:
        return ""
    where = output.step if output.name == "output" else f"{output.step}, {output.name}"
    return f"{where}: {output.first}" if output.first else where


def _cause_json(cause: Cause) -> dict[str, Any]:
    return {
        "kind": cause.kind,
        "factors": list(cause.factors),
        "details": list(cause.details)[:MOST],
        "sentence": cause.sentence,
        "swaps": [vars(swap) for swap in cause.swaps],
    }


def _output_json(output: Output) -> dict[str, Any]:
    return {
        "step": output.step,
        "name": output.name,
        "grade": output.grade,
        "note": output.note,
        "differences": [str(d) for d in output.differences],
    }

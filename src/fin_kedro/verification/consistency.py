"""Seals that were edited and closed again: what they name or say cannot be what a run sealed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.seals.seal import SealError
from fin_kedro.storage.canonical import inside, json_hash
from fin_kedro.verification.sealed_run import PIPELINE


def check_places(subject: Mapping[str, Any]) -> None:
    """SealError when the conf environment or the notebook of a run leads out of the project."""
    named = [str(subject.get(part) or "none") for part in ("env", "notebook")]
    out = [path for path in named if inside(Path(), path, links=True) is None]
    if out or len(Path(named[0]).parts) != 1:
        raise SealError(
            f"the seal names the environment {named[0]!r} and the notebook {named[1]!r}; the one "
            "is a folder of conf, the other a path inside the project. The seal was edited."
        )


def check_consistent(content: Mapping[str, Any]) -> None:
    """SealError when a seal contradicts itself, as one does whose digests were made anew.

    What a step read as a parameter must be the parameter that the seal gives; what the run wrote
    must be what its steps wrote.
    """
    parameters, written = content["parameters"], content["data"]["written"]
    for step, entry in content["steps"].items():
        for name, digest in entry["read"].items():
            plain = name.removeprefix("params:")
            if plain != name and plain in parameters and json_hash(parameters[plain]) != digest:
                raise SealError(_contradiction(step, f"read another parameter {plain!r}"))
        for name, digest in entry["written"].items():
            if name in written and written[name] != digest and content["kind"] == PIPELINE:
                raise SealError(_contradiction(step, f"wrote another {name!r}"))


def _contradiction(step: str, what: str) -> str:
    return (
        f"the seal contradicts itself: {step} {what} than the seal says; it was changed after it "
        "was made, and its digests too. Take the copy in MLflow (artifact seal.json)."
    )

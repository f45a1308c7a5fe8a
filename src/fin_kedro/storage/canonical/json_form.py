"""JSON and JSON lines: keys in order, without blanks; a CatBoost model without its occasion."""

from __future__ import annotations

import hashlib
import json
from typing import Any, BinaryIO

_CATBOOST = ("model_guid", "train_finish_time")


def canonical_json(content: Any) -> str:
    """JSON with sorted keys, without blanks, in ASCII: equal content is equal text.

    Floats are written as Python does (shortest form that reads back the same; NaN, Infinity).
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def json_hash(content: Any) -> str:
    """Hash (sha256, hex) of JSON-like content, whatever the order of its keys."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def json_form(file: BinaryIO) -> str:
    """The hash of a JSON file's content; an id and a time that CatBoost wrote are left out."""
    data = file.read()
    blank = _without_occasions if any(f'"{k}"'.encode() in data for k in _CATBOOST) else None
    return json_hash(json.loads(data, object_hook=blank))


def _without_occasions(content: dict[str, Any]) -> dict[str, Any]:
    return {key: "" if key in _CATBOOST else value for key, value in content.items()}


def json_lines_form(file: BinaryIO) -> str:
    """The hash of the content of each line, in their order; empty lines do not count."""
    digest = hashlib.sha256()
    for line in file:
        if line.strip():
            digest.update(canonical_json(json.loads(line)).encode() + b"\n")
    return digest.hexdigest()

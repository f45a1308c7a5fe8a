"""What a seal must not keep though its run used it: secrets in code, conf and parameters.

They are looked for as in a notebook's outputs (`sealed_kernel.screening`). What is found is said by
its kind, never by its value; `kedro verify` then says why it cannot execute the run again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealed_kernel.screening import Screen, project_screen

MARK = "[withheld: "
NAMED = 5  # files that are named before the rest is counted
FILE = re.compile(rb"(?m)^(?=diff --git )")
NAME = re.compile(r'^diff --git "?a/(.+?)"? "?b/')


def withheld_patch(project: Path, patch: bytes) -> str | None:
    """Why a patch may not be kept: its files that show something, and what; None when it may."""
    screen = _screen(project)
    if not screen.kinds(_text(patch)):
        return None
    found = [
        f"{_name(text)} shows {', '.join(kinds)}"
        for text in map(_text, FILE.split(patch))
        if (kinds := sorted(screen.kinds(text)))
    ]
    more = f" and {len(found) - NAMED} more files" if len(found) > NAMED else ""
    return "; ".join(found[:NAMED]) + more


def _text(patch: bytes) -> str:
    return patch.decode("utf-8", "replace")


def _name(text: str) -> str:
    found = NAME.match(text)
    return found[1] if found else "a file"


def _screen(project: Path) -> Screen:
    """The project's screen without its tables: code may name the columns of one about persons."""
    return replace(project_screen(project), personal={})


def screened(project: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters, with a word instead of each text that shows a secret or a person."""
    screen = _screen(project)
    if not screen.kinds("\n".join(f"{name}: {text}" for name, text in _texts(values))):
        return dict(values)
    return {name: _screened(screen, str(name), value) for name, value in values.items()}


def _screened(screen: Screen, name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _screened(screen, str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_screened(screen, name, inner) for inner in value]
    kinds = screen.kinds(f"{name}: {value}") if isinstance(value, str) else set()
    return f"{MARK}{', '.join(sorted(kinds))}]" if kinds else value


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with the nearest name above it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, name)
    elif isinstance(value, str):
        yield name, value


def not_executable(content: Mapping[str, Any], *, code: bool) -> str | None:
    """Why a sealed run cannot be executed again from its seal; None when nothing was withheld.

    ``code``: whether its code is needed as it was sealed.
    """
    reason = content["code"].get("patch_withheld")
    if code and reason:
        return (
            f"what was not committed was withheld from the seal ({reason}), so this run cannot be "
            "executed again from its seal alone. Take that out of the file, commit, and verify "
            "with --with code=REVISION, or run again."
        )
    hidden = [name for name, text in _texts(content["parameters"]) if text.startswith(MARK)]
    if hidden:
        return (
            f"the parameters {', '.join(sorted(set(hidden)))} were withheld from the seal, so this "
            "run cannot be executed again from it. Give such values as credentials "
            "(conf/local/credentials.yml), which a node's dataset reads, and run again."
        )
    return None

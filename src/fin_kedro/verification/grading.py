"""Grades of every output, and the cause where files or the seal were altered after the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fin_kedro.project.config import project_config
from fin_kedro.storage.canonical import canonical_outputs
from fin_kedro.storage.dataset_state import DatasetHashes
from fin_kedro.verification.causes import Cause, shorten
from fin_kedro.verification.comparison import (
    Comparison,
    Rules,
    compare_notebooks,
    compare_runs,
    read_rules,
)
from fin_kedro.verification.execution import Execution
from fin_kedro.verification.sealed_run import Sealed

Key = tuple[str, str]  # an output: its step and its name


def project_rules(project: Path, env: str | None = None) -> Rules:
    """The project's `verification.yml`; exact equality, at least B, where there is none."""
    from kedro.config import MissingConfigException

    try:
        return read_rules(project_config(project, env)["verification"])
    except MissingConfigException:
        return Rules()


def grade(
    sealed: Sealed, made: Execution, *, rules: Rules, hash_of: DatasetHashes
) -> tuple[Comparison, Cause | None]:
    """Grades of every output; a cause where files or the seal were altered after the run.

    Args:
        sealed: the run.
        made: an execution of it that left a seal.
        rules: what counts as the same.
        hash_of: content hash of a dataset's file.
    """
    stored = _stored_hashes(sealed, hash_of)
    altered = {key: h for key, h in stored.items() if h != _hash(sealed.content, key)}
    # what lies there equals what was made now, and only the seal says otherwise
    wrong = [key for key, digest in altered.items() if digest == _hash(made.content, key)]
    files = {key: digest for key, digest in altered.items() if key not in wrong}
    comparison = _compare(sealed, _with_hashes(sealed.content, files), made, rules)
    return _with_wrong(comparison, wrong), _altered(comparison, list(files), wrong)


def _compare(
    sealed: Sealed, content: Mapping[str, Any], made: Execution, rules: Rules
) -> Comparison:
    """The comparison with what lies there now, whose hashes `content` states."""
    if sealed.is_notebook:
        return compare_notebooks(
            content,
            made.content,
            stored=sealed.path,
            made=made.notebook or Path(),
            rules=rules,
            name=sealed.subject,
        )
    return compare_runs(
        content,
        made.content,
        stored=sealed.file_of,
        made=made.file_of,
        rules=rules,
        only=sealed.steps,
    )


def _stored_hashes(sealed: Sealed, hash_of: DatasetHashes) -> dict[Key, str]:
    """Content hashes that the outputs have now, by step and name; only what is still there."""
    steps = sealed.content["steps"]
    if sealed.is_notebook:
        now = canonical_outputs(sealed.path)
        named = {step: step.partition("(#")[2].removesuffix(")") for step in steps}
        return {(step, "output"): now[c] for step, c in named.items() if c in now}
    wanted = [step for step in steps if sealed.steps is None or step in sealed.steps]
    return {
        (step, name): hash_of(name, path)
        for step in wanted
        for name in steps[step]["written"]
        if (path := sealed.file_of(name)) is not None
    }


def _hash(content: Mapping[str, Any], key: Key) -> str | None:
    step, name = key
    digest: str | None = content["steps"].get(step, {"written": {}})["written"].get(name)
    return digest


def _with_hashes(content: Mapping[str, Any], hashes: Mapping[Key, str]) -> Mapping[str, Any]:
    """The content with other hashes of some outputs."""
    if not hashes:
        return content
    copy: dict[str, Any] = json.loads(json.dumps(content))
    for (step, name), digest in hashes.items():
        copy["steps"][step]["written"][name] = digest
    return copy


def _with_wrong(comparison: Comparison, wrong: Sequence[Key]) -> Comparison:
    """Outputs of which the seal alone says something else differ, whatever their values."""
    outputs = tuple(
        replace(o, grade="D", note="the seal states another hash", differences=())
        if (o.step, o.name) in wrong
        else o
        for o in comparison.outputs
    )
    return replace(comparison, outputs=outputs)


def _altered(comparison: Comparison, files: Sequence[Key], wrong: Sequence[Key]) -> Cause | None:
    """What was altered after the run: then nothing needs to be swapped to know why."""
    named = [_output_name(key) for key in [*wrong, *files]]
    if wrong:
        text = (
            f"seal: it states another hash of {shorten(named)} than the stored output and this "
            "execution both have; the seal was altered after the run"
        )
        return Cause(kind="seal", factors=("seal",), details=tuple(named), sentence=text)
    departing = {(output.step, output.name) for output in comparison.departing}
    if not departing & set(files):
        return None
    others = [_output_name(key) for key in departing - set(files)]
    rest = (
        f"beside it {shorten(others)} departs" if others else "this execution gives the sealed one"
    )
    text = f"output: {shorten(named)} was altered after the run; {rest}"
    return Cause(kind="output", factors=("output",), details=tuple(named), sentence=text)


def _output_name(key: Key) -> str:
    return key[0] if key[1] == "output" else key[1]

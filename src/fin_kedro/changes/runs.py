"""One of two runs that are compared: its seal, and its files as far as they are what it had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.seals.seal import check_seal, read_seal
from fin_kedro.storage.canonical import content_hash, file_hash

NOTEBOOK = "notebook"  # what an executed notebook's own record and pictures are listed under


@dataclass(frozen=True, kw_only=True)
class Run:
    """One of the two runs: its seal, and where its files lie."""

    seal: Mapping[str, Any]
    project: Path
    path: Path

    @property
    def name(self) -> str:
        """The run's id, or the notebook it executed."""
        subject = self.seal["content"]["subject"]
        return str(self.seal["occasion"].get("run") or subject.get("notebook") or self.path.name)

    @property
    def executed(self) -> Path | None:
        """The executed notebook, where the run was one."""
        return self.path if self.path.suffix == ".ipynb" else None

    @property
    def contents(self) -> dict[str, str]:
        """Content hash of every dataset read or written, by name."""
        data = self.seal["content"]["data"]
        return {**data["read"], **data["written"]}

    def file(self, dataset: str) -> Path | None:
        """Where a dataset of the run lies, if it is still what the run had."""
        facts = self.seal["occasion"].get("datasets", {}).get(dataset) or {}
        path = self.project / facts["path"] if facts.get("path") else None
        if path is None or not path.exists():
            return None
        as_it_was = facts.get("file_sha256") in (None, file_hash(path))
        return path if as_it_was or content_hash(path) == self.contents.get(dataset) else None

    def suffix(self, dataset: str) -> str:
        """The suffix of a dataset's file; empty where it has none."""
        facts = self.seal["occasion"].get("datasets", {}).get(dataset) or {}
        return Path(facts.get("path") or "").suffix

    def load_json(self, dataset: str) -> Any:
        """A dataset that is a JSON file; None when it is no longer there."""
        path = self.file(dataset)
        return read_json(path) if path and path.is_file() else None


def open_run(project: Path, path: Path) -> Run:
    """The run of a seal or an executed notebook. Raises SealError when its seal is broken."""
    seal = read_seal(path)
    check_seal(seal)
    beside = path.with_name("occasion.json")  # an executed notebook carries no times
    found = read_json(beside) if "occasion" not in seal and beside.is_file() else {}
    return Run(seal={"occasion": found, **seal}, project=project, path=path)


def datasets_ending(runs: tuple[Run, Run], ending: str) -> list[str]:
    """Names of datasets of either run with an ending, such as ``.metrics``."""
    names = {n for run in runs for n in run.contents if n.endswith(ending)}
    return sorted(names - beyond_one_run(runs))


def nodes_not_run(runs: tuple[Run, Run]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Nodes that only the other run ran, of the first and of the second run.

    As after `kedro run --stale` or `--from-nodes`; none where the two have no node in common.
    """
    first, second = (set(run.seal["content"]["steps"]) for run in runs)
    if not first & second:
        return (), ()
    return tuple(sorted(second - first)), tuple(sorted(first - second))


def beyond_one_run(runs: tuple[Run, Run]) -> set[str]:
    """What one run does not mention since it did not run the nodes that take or make it.

    Datasets by name, parameters as ``params:NAME``. That one of them is missing says nothing about
    it: it was not taken away, nobody looked at it.
    """
    steps = [run.seal["content"]["steps"] for run in runs]
    common = set(steps[0]) & set(steps[1])
    if not common:
        return set()
    named = [_mentioned(run) for run in runs]
    touched = {
        name
        for one in steps
        for node in common & set(one)
        for direction in ("read", "written")
        for name in one[node][direction]
    }
    return (named[0] ^ named[1]) - touched


def _mentioned(run: Run) -> set[str]:
    parameters = {f"params:{name}" for name in run.seal["content"]["parameters"]}
    return {*run.contents, *parameters}


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))

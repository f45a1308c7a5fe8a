"""Datasets that differ between two runs, and what differs inside them as far as it can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.changes.runs import Run, beyond_one_run, read_json
from fin_kedro.changes.staleness import leaf_changes
from fin_kedro.changes.table_difference import TABLES, compare_tables
from fin_kedro.storage.canonical import canonical_outputs, content_hash

MOST_BYTES = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class DataChange:
    """One dataset: ``changed``, ``only first`` or ``only second`` run has it; in detail if it can
    be read: `detail` is a TableChange, leaves of JSON, or a sentence."""

    name: str
    change: str
    made: bool
    detail: Any = None


def compare_data(runs: tuple[Run, Run]) -> Iterator[DataChange]:
    """Datasets that differ: those read and not made first, as they are causes."""
    first, second = (run.contents for run in runs)
    written = [run.seal["content"]["data"]["written"] for run in runs]
    known = {*first, *second} - beyond_one_run(runs)
    names = sorted(known, key=lambda n: (n in written[0] or n in written[1], n))
    for name in names:
        made = name in written[0] or name in written[1]
        if name not in first or name not in second:
            change = "only first" if name in first else "only second"
            yield DataChange(name=name, change=change, made=made)
        elif first[name] != second[name]:
            yield DataChange(name=name, change="changed", made=made, detail=_detail(runs, name))


def _detail(runs: tuple[Run, Run], name: str) -> Any:
    """What differs inside a dataset, as far as its kind lets us say."""
    executed = [run.executed for run in runs]
    written = [run.seal["content"]["data"]["written"] for run in runs]
    if all(executed) and all(name in names for names in written):
        return _cells_that_differ(*(path for path in executed if path))
    before, after = (run.file(name) for run in runs)
    if before is None or after is None:
        return "the file of one run is gone or was changed since; its content hash is known only."
    if before.suffix != after.suffix:
        return f"another kind of file: {before.suffix} before, {after.suffix} after."
    try:
        return _compare_files(before, after)
    except Exception as error:  # a file may be anything; what it says must not end the comparison
        return f"it cannot be read for a closer look: {error}"


def _compare_files(before: Path, after: Path) -> Any:
    if before.is_file() and max(p.stat().st_size for p in (before, after)) > MOST_BYTES:
        return "a large file; its content hash is compared only."
    if before.suffix in TABLES:
        return compare_tables(before, after)
    if before.is_dir():
        return _files_that_differ(before, after)
    if before.suffix == ".json":
        return leaf_changes(*(_indexed(read_json(path)) for path in (before, after)))
    if before.suffix == ".ipynb":
        return _cells_that_differ(before, after)
    sizes = [path.stat().st_size for path in (before, after)]
    return f"{sizes[0]:,} bytes before, {sizes[1]:,} after."


def _indexed(content: Any) -> Any:
    """Lists as mappings by place, so that one leaf that differs is one line."""
    if isinstance(content, list):
        return {f"[{number}]": _indexed(entry) for number, entry in enumerate(content)}
    if isinstance(content, Mapping):
        return {key: _indexed(value) for key, value in content.items()}
    return content


def _files_that_differ(before: Path, after: Path) -> str:
    files = [
        {
            f.relative_to(folder).as_posix(): content_hash(f)
            for f in folder.rglob("*")
            if f.is_file()
        }
        for folder in (before, after)
    ]
    names = sorted({n for n in {*files[0], *files[1]} if files[0].get(n) != files[1].get(n)})
    return f"a folder; other files: {', '.join(names)}."


def _cells_that_differ(before: Path, after: Path) -> str:
    first, second = canonical_outputs(before), canonical_outputs(after)
    changed = [cell for cell in second if first.get(cell) != second[cell]]
    return (
        f"{len(changed)} of {len(second)} code cells put out something else "
        f"({sum(cell not in second for cell in first)} cells are gone)."
    )

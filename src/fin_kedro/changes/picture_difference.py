"""Pictures that differ between two runs, pixel by pixel: datasets, and outputs of notebooks."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fin_kedro.changes.runs import NOTEBOOK, Run, read_json
from fin_kedro.storage.canonical import content_hash

PICTURES = {".png": "image/png", ".svg": "image/svg+xml"}
# Its title, how to show it before and after, and whether both differ.
Picture = tuple[str, Callable[[], str | None], Callable[[], str | None], bool]


@dataclass(frozen=True, kw_only=True)
class PictureChange:
    """One picture before and after, as data addresses; None where a run has none."""

    title: str
    before: str | None
    after: str | None


def compare_pictures(runs: tuple[Run, Run]) -> tuple[tuple[PictureChange, ...], int]:
    """Pictures that differ, of datasets and of executed notebooks; and how many do not."""
    found: list[PictureChange] = []
    same = 0
    for title, before, after, differ in (*_of_datasets(runs), *_of_notebooks(runs)):
        if differ:
            found.append(PictureChange(title=title, before=before(), after=after()))
        else:
            same += 1
    return tuple(found), same


def _of_datasets(runs: tuple[Run, Run]) -> Iterator[Picture]:
    first, second = (run.contents for run in runs)
    for name in sorted({*first, *second}):
        if any(run.suffix(name) in PICTURES for run in runs):
            shown = [_shown_file(run, name) for run in runs]
            yield name, shown[0], shown[1], first.get(name) != second.get(name)


def _shown_file(run: Run, name: str) -> Callable[[], str | None]:
    def shown() -> str | None:
        path = run.file(name)
        if path is None or path.suffix not in PICTURES:
            return None
        return _address(PICTURES[path.suffix], base64.b64encode(path.read_bytes()).decode())

    return shown


def _of_notebooks(runs: tuple[Run, Run]) -> Iterator[Picture]:
    names = {n for run in runs for n in run.contents if run.suffix(n) == ".ipynb"}
    pairs = {name: [run.file(name) for run in runs] for name in names}
    pairs[NOTEBOOK] = [run.executed for run in runs]
    for name, files in sorted(pairs.items()):
        if not all(path is not None and path.suffix == ".ipynb" for path in files):
            continue
        first, second = ([*_of_cells(read_json(path))] for path in files if path)
        before = {key: picture for key, _, picture in first}
        for key, title, picture in second:
            old = before.get(key)
            differ = old is None or _pixels(old) != _pixels(picture)
            yield f"{name}: {title}", _png(old), _png(picture), differ


def _of_cells(notebook: Mapping[str, Any]) -> Iterator[tuple[tuple[str, int], str, str]]:
    """Pictures of an executed notebook: cell and place, what it shows, base64."""
    for cell in notebook["cells"]:
        outputs = [o for o in cell.get("outputs", ()) if "image/png" in o.get("data", {})]
        for number, output in enumerate(outputs):
            facts = output.get("metadata", {}).get("image/png", {})
            data = output["data"]["image/png"]
            text = (data if isinstance(data, str) else "".join(data)).replace("\n", "")
            yield (str(cell.get("id")), number), facts.get("alt") or "a picture", text


def _pixels(picture: str) -> str:
    return content_hash(base64.b64decode(picture), ".png")


def _png(picture: str | None) -> Callable[[], str | None]:
    return lambda: _address("image/png", picture) if picture else None


def _address(kind: str, data: str) -> str:
    return f"data:{kind};base64,{data}"

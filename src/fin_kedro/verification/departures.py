"""Where two files of one dataset differ, value by value, and whether that is within tolerance.

Tables are compared column by column over the rows' key, JSON and ONNX leaf by leaf, pictures by
pixels, notebooks cell by cell, and text number by number.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fin_kedro.reports.record import MIME
from fin_kedro.storage.canonical import OCCASION

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?%?")
# A digest stands for something that is compared itself, and changes when its last bit does.
DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b")
IMAGE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
RICH = (MIME, "image/png", "image/svg+xml", "text/html", "text/markdown", "text/plain")
PUT_IN = {"injected-parameters", "papermill-error-cell-tag"}
LEVELS = 8  # of 255: less is not seen by a person
SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Departure:
    """One place where two files differ.

    ``where`` is a column with a row, a path into JSON, or a cell. ``count`` is how many values
    of that place differ; ``sealed`` and ``found`` are those that are farthest apart.
    """

    where: str
    sealed: Any
    found: Any
    within: bool
    count: int = 1

    def __str__(self) -> str:
        others = f" (and {self.count - 1:,} more)" if self.count > 1 else ""
        return f"{self.where}: {_short(self.sealed)} became {_short(self.found)}{others}"


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far numbers of datasets and leaves (patterns) may move, and why.

    A number moves by at most ``absolute + relative * |sealed|``. For a picture, ``absolute`` is
    the share of pixels that may look different.
    """

    dataset: str = "*"
    leaf: str = "*"
    absolute: float = 0.0
    relative: float = 0.0
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError(
                f"the tolerance of {self.dataset!r}, leaf {self.leaf!r}, gives no reason; "
                "write one line in conf/base/verification.yml that says why this much may differ."
            )
        if self.absolute < 0 or self.relative < 0:
            raise ValueError(f"the tolerance of {self.dataset!r} is negative; give 0 or more.")

    def fits(self, dataset: str, leaf: str) -> bool:
        """Whether the tolerance is meant for that leaf of that dataset."""
        return fnmatchcase(dataset, self.dataset) and fnmatchcase(leaf, self.leaf)

    def admits(self, sealed: float, found: float, *, rounding: float = 0.0) -> bool:
        """Whether a number may have become another; ``rounding`` is what printing took away."""
        if math.isnan(sealed) or math.isnan(found):
            return math.isnan(sealed) and math.isnan(found)
        if math.isinf(sealed) or math.isinf(found):
            return sealed == found
        return abs(found - sealed) <= self.absolute + self.relative * abs(sealed) + rounding


EXACT = Tolerance(reason="no tolerance is declared")
Leaves = Callable[[str], Tolerance]


def departures(
    sealed: Path, found: Path, *, allowed: Leaves, key: str | None = None
) -> list[Departure]:
    """What differs between two files of a dataset, at most `SHOWN` places, worst first.

    Args:
        sealed: file or folder as the sealed run left it.
        found: the same dataset of the other run.
        allowed: the tolerance of a leaf (column, path into JSON, ``pixels``, ``text``).
        key: column that identifies a table's rows; without one, their order does.
    """
    listed = list(_by_kind(sealed, found, allowed, key))
    return sorted(listed, key=lambda departure: departure.within)[:SHOWN]


def _by_kind(sealed: Path, found: Path, allowed: Leaves, key: str | None) -> Iterator[Departure]:
    if sealed.is_dir() and not any(sealed.glob("part-*.parquet")):
        yield from _folders(sealed, found, allowed)
        return
    suffix = sealed.suffix.lower()
    if suffix in (".parquet", ".csv"):
        yield from table_departures(_table(sealed), _table(found), allowed=allowed, key=key)
    elif suffix in (".json", ".cbm"):
        yield from json_departures(_json(sealed), _json(found), allowed=allowed)
    elif suffix == ".onnx":
        yield from json_departures(_graph(sealed), _graph(found), allowed=allowed)
    elif suffix == ".png":
        yield from _pixels("picture", sealed.read_bytes(), found.read_bytes(), allowed)
    elif suffix == ".ipynb":
        yield from notebook_departures(_json(sealed), _json(found), allowed=allowed)
    elif suffix in (".html", ".svg", ".txt", ".md"):
        yield from text_departures("text", sealed.read_text(), found.read_text(), allowed=allowed)
    elif sealed.read_bytes() != found.read_bytes():
        sizes = [f"{path.stat().st_size:,} bytes" for path in (sealed, found)]
        yield Departure(where="file", sealed=sizes[0], found=sizes[1], within=False)


def _folders(sealed: Path, found: Path, allowed: Leaves) -> Iterator[Departure]:
    names = [
        {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        for folder in (sealed, found)
    ]
    for name in sorted(names[0] ^ names[1]):
        there = ["a file" if name in side else "no file" for side in names]
        yield Departure(where=name, sealed=there[0], found=there[1], within=False)
    for name in sorted(names[0] & names[1]):
        for departure in _by_kind(sealed / name, found / name, allowed, None):
            yield _inside(name, departure)


def _inside(place: str, departure: Departure) -> Departure:
    return Departure(**{**vars(departure), "where": f"{place}, {departure.where}"})


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _graph(path: Path) -> Any:
    import onnx
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(onnx.load(str(path)))


def table_departures(
    sealed: pd.DataFrame, found: pd.DataFrame, *, allowed: Leaves, key: str | None = None
) -> Iterator[Departure]:
    """Columns and rows of two tables that differ; one departure a column, with its worst row."""
    for name in [c for c in sealed if c not in found] + [c for c in found if c not in sealed]:
        there = ["a column" if name in table else "no column" for table in (sealed, found)]
        yield Departure(where=f"column {name}", sealed=there[0], found=there[1], within=False)
    known = key if key in sealed and key in found and sealed[key].is_unique else None
    if known:
        sealed, found = sealed.set_index(known), found.set_index(known)
    both = sealed.index.intersection(found.index)
    if len(both) < max(len(sealed), len(found)):
        rows = [f"{len(table):,} rows" for table in (sealed, found)]
        changed = len(sealed.index.symmetric_difference(found.index))
        yield Departure(
            where="rows", sealed=rows[0], found=rows[1], within=False, count=max(changed, 1)
        )
    sealed, found = sealed.loc[both], found.loc[both]
    for name in [column for column in sealed if column in found]:
        yield from _column(f"column {name}", sealed[name], found[name], allowed(str(name)))


def _column(
    where: str, sealed: pd.Series, found: pd.Series, tolerance: Tolerance
) -> Iterator[Departure]:
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    numeric = all(is_numeric_dtype(s) and not is_bool_dtype(s) for s in (sealed, found))
    if not numeric:
        differ = ~((sealed == found) | (sealed.isna() & found.isna())).to_numpy(dtype=bool)
        if differ.any():
            at = int(differ.argmax())
            yield _cell(where, sealed, found, at, within=False, count=int(differ.sum()))
        return
    left, right = (s.to_numpy(dtype=float, na_value=np.nan) for s in (sealed, found))
    differ = ~((left == right) | (np.isnan(left) & np.isnan(right)))
    if not differ.any():
        return
    gap = np.where(differ, np.nan_to_num(np.abs(right - left), nan=np.inf), -1.0)
    beyond = gap > tolerance.absolute + tolerance.relative * np.nan_to_num(np.abs(left))
    at, count = int(gap.argmax()), int(differ.sum())
    yield _cell(where, sealed, found, at, within=not beyond.any(), count=count)


def _cell(
    where: str, sealed: pd.Series, found: pd.Series, at: int, *, within: bool, count: int
) -> Departure:
    row = f"row {sealed.index[at]}"
    return Departure(
        where=f"{where}, {row}",
        sealed=sealed.iloc[at],
        found=found.iloc[at],
        within=within,
        count=count,
    )


def json_departures(sealed: Any, found: Any, *, allowed: Leaves) -> Iterator[Departure]:
    """Leaves of two JSON values that differ; a digest in place of a digest is within tolerance."""
    left, right = dict(leaves(sealed)), dict(leaves(found))
    for path in [p for p in left if p not in right] + [p for p in right if p not in left]:
        values = [side.get(path, "nothing") for side in (left, right)]
        yield Departure(where=path, sealed=values[0], found=values[1], within=False)
    for path in [p for p in left if p in right]:
        one, other = left[path], right[path]
        if one != other and not (one is None and other is None):
            within = _leaf_within(one, other, allowed(path))
            yield Departure(where=path, sealed=one, found=other, within=within)


def _leaf_within(sealed: Any, found: Any, tolerance: Tolerance) -> bool:
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in (sealed, found)):
        return tolerance.admits(float(sealed), float(found))
    return all(isinstance(v, str) and DIGEST.fullmatch(v) for v in (sealed, found))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its path: ``test.champion.auc.value``, ``trees.3.leaf``."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        yield path, value
        return
    if not value:
        yield path, value
    for name, below in inner:
        yield from leaves(below, f"{path}.{name}" if path else str(name))


def text_departures(where: str, sealed: str, found: str, *, allowed: Leaves) -> Iterator[Departure]:
    """Differences of two texts: the first other word, or else the numbers that moved too far.

    A number may also move by one unit of its last printed digit, since it was rounded.
    """
    images = [IMAGE.findall(text) for text in (sealed, found)]
    for number, (one, other) in enumerate(zip(*images, strict=False), 1):
        if one != other:
            pair = (base64.b64decode(one), base64.b64decode(other))
            yield from _pixels(f"{where}, picture {number}", *pair, allowed)
    plain = [DIGEST.sub("(digest)", IMAGE.sub("(picture)", text)) for text in (sealed, found)]
    words = [" ".join(NUMBER.sub("#", text).split()) for text in plain]
    if words[0] != words[1]:
        yield _other_words(where, *words)
        return
    numbers = zip(*(NUMBER.findall(text) for text in plain), strict=True)
    moved = [pair for pair in numbers if pair[0] != pair[1]]
    for one, other in moved:
        (first, unit), (second, _) = _printed(one), _printed(other)
        within = allowed("text").admits(first, second, rounding=unit)
        yield Departure(where=where, sealed=one, found=other, within=within)


def _printed(number: str) -> tuple[float, float]:
    """A printed number and the unit of its last digit."""
    scale = 0.01 if number.endswith("%") else 1.0
    plain = number.rstrip("%").replace(",", "").lower()
    mantissa, _, exponent = plain.partition("e")
    decimals = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(exponent or 0) - decimals) if decimals else 0.0
    return float(plain) * scale, 1.000001 * unit * scale


def _other_words(where: str, sealed: str, found: str) -> Departure:
    at = next((i for i, (a, b) in enumerate(zip(sealed, found, strict=False)) if a != b), None)
    at = min(len(sealed), len(found)) if at is None else at
    start = max(0, at - 30)
    around = [text[start : at + 30] or "nothing" for text in (sealed, found)]
    return Departure(where=where, sealed=around[0], found=around[1], within=False)


def _pixels(where: str, sealed: bytes, found: bytes, allowed: Leaves) -> Iterator[Departure]:
    import numpy as np
    from PIL import Image

    images = [
        np.asarray(Image.open(io.BytesIO(b)).convert("RGBA"), dtype=int) for b in (sealed, found)
    ]
    if images[0].shape != images[1].shape:
        sizes = ["{1} x {0} pixels".format(*image.shape) for image in images]
        yield Departure(where=where, sealed=sizes[0], found=sizes[1], within=False)
        return
    gap = np.abs(images[0] - images[1]).max(axis=2)
    if not gap.any():
        return
    share = float((gap > LEVELS).mean())
    yield Departure(
        where=f"{where}, pixels",
        sealed="as sealed",
        found=f"{share:.2%} of the pixels look different",
        within=share <= allowed("pixels").absolute,
    )


def notebook_departures(
    sealed: Mapping[str, Any], found: Mapping[str, Any], *, allowed: Leaves
) -> Iterator[Departure]:
    """Code cells of two executed notebooks that differ in source or shown outputs."""
    one, other = (_code_cells(notebook) for notebook in (sealed, found))
    if len(one) != len(other):
        counts = [f"{len(cells)} code cells" for cells in (one, other)]
        yield Departure(where="cells", sealed=counts[0], found=counts[1], within=False)
    for number, (left, right) in enumerate(zip(one, other, strict=False), 1):
        where = f"cell {number} (#{left.get('id', number)})"
        if _text(left["source"]) != _text(right["source"]):
            yield _other_words(f"{where}, source", _text(left["source"]), _text(right["source"]))
        yield from _outputs(where, _shown(left), _shown(right), allowed)


def _code_cells(notebook: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The author's code cells: not those that papermill put in."""
    return [
        cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        and not PUT_IN & set(cell.get("metadata", {}).get("tags", []))
    ]


def _shown(cell: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What a cell shows, each output in its richest form; its standard error is no result.

    Chunks of standard output are joined: how it is cut depends on timing.
    """
    shown: list[tuple[str, Any]] = []
    if OCCASION in cell.get("metadata", {}).get("tags", []):
        return shown
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream" and output["name"] == "stdout":
            before = shown.pop()[1] if shown and shown[-1][0] == "text" else ""
            shown.append(("text", before + _text(output["text"])))
        elif output["output_type"] == "error":
            shown.append(("error", f"{output['ename']}: {output['evalue']}"))
        elif kind := next((kind for kind in RICH if kind in output.get("data", {})), None):
            shown.append((kind, output["data"][kind]))
    return shown


def _outputs(
    where: str, sealed: list[tuple[str, Any]], found: list[tuple[str, Any]], allowed: Leaves
) -> Iterator[Departure]:
    kinds = [", ".join(kind for kind, _ in side) or "no output" for side in (sealed, found)]
    if kinds[0] != kinds[1]:
        yield Departure(where=f"{where}, outputs", sealed=kinds[0], found=kinds[1], within=False)
        return
    for (kind, one), (_, other) in zip(sealed, found, strict=True):
        if one == other:
            continue
        if kind == MIME:
            inner = json_departures(one, other, allowed=allowed)
            yield from (_inside(f"{where}, verdicts", departure) for departure in inner)
        elif kind == "image/png":
            pair = (base64.b64decode(_text(one)), base64.b64decode(_text(other)))
            yield from _pixels(f"{where}, picture", *pair, allowed)
        else:
            yield from text_departures(where, _text(one), _text(other), allowed=allowed)


def _text(source: Any) -> str:
    """A notebook's text, which may be kept as a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def _short(value: Any) -> str:
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

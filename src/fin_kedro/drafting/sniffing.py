"""How a CSV file is written: its encoding, its delimiter, and whether its first line has names."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fin_kedro.contracts.model import ContractError

DELIMITERS = (",", ";", "\t", "|")
LOOKED_AT = 200  # lines from which the delimiter is told
_CHUNK = 1 << 20
_WINDOWS = re.compile(rb"[\x80-\x9f]")  # letters of Windows-1252, controls of Latin-1
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_VALUE = re.compile(r"[+-]?[\d.,]*\d|\d+[-./]\d+[-./]\d+.*")


@dataclass(frozen=True)
class CsvForm:
    """How a file is written.

    ``encoding`` is Python's name; ``names`` are those of the columns, as they will be used:
    ``mended`` says that the file has others (none, twice the same, or empty ones).
    """

    encoding: str
    delimiter: str
    header: bool
    names: tuple[str, ...]
    mended: bool


def sniff(path: Path) -> CsvForm:
    """Look how a CSV file is written.

    Raises:
        ContractError: it is empty, or has one column only under every delimiter known here.
    """
    encoding = _encoding(path)
    with path.open(newline="", encoding=encoding) as file:
        head = [line for _, line in zip(range(LOOKED_AT), file, strict=False)]
    text = "".join(head)
    if not text.strip():
        raise ContractError(f"{path} is empty; draft from a file with rows.")
    delimiter = _delimiter(text, path)
    rows = _rows(text, delimiter)
    header = _is_header(rows)
    given = rows[0] if header else [""] * len(rows[0])
    names = _usable(given)
    return CsvForm(encoding, delimiter, header, names, tuple(given) != names)


def _encoding(path: Path) -> str:
    """UTF-8 where all bytes are; else by its mark, else Windows-1252 or Latin-1."""
    with path.open("rb") as file:
        start = file.read(4)
        for mark, name in _BOMS:
            if start.startswith(mark):
                return name
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        utf8, windows = True, False
        while chunk := file.read(_CHUNK):
            windows = windows or bool(_WINDOWS.search(chunk))
            if utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    utf8 = False
    if utf8:
        return "utf-8"
    return "cp1252" if windows else "latin-1"


def _rows(text: str, delimiter: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]


def _delimiter(text: str, path: Path) -> str:
    """The one that gives most lines the same number of fields; of equals, the most fields."""
    best, best_fit = "", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in _rows(text, delimiter))
        width, lines = widths.most_common(1)[0]
        fit = (lines / widths.total(), width)
        if width > 1 and fit > best_fit:
            best, best_fit = delimiter, fit
    if not best:
        shown = ", ".join(map(repr, DELIMITERS))
        raise ContractError(
            f"{path}:1: no delimiter of {shown} gives its lines the same number of fields, more "
            "than one. Write it with one of them."
        )
    return best


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """A line with a number or a day in it is one of values; names are neither."""
    return not any(_VALUE.fullmatch(cell.strip()) for cell in rows[0])


def _usable(given: Sequence[str]) -> tuple[str, ...]:
    """Names without blanks around them, none empty, none twice."""
    names: list[str] = []
    for place, cell in enumerate(given, 1):
        name = cell.strip() or f"column_{place}"
        base, number = name, 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return tuple(names)

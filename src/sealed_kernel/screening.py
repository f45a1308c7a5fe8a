"""Secrets and personal data in the outputs of a notebook: found, named by kind, taken out.

A finding never holds the value. What cannot be seen here: text inside pictures, values that look
like nothing in particular (a name, an account number of four digits), and what a file holds that a
cell writes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

PRIVATE = "private"
# a cell's rows are of nobody: ids and amounts were drawn, not recorded
SIMULATED = "simulated"
ROWS = "rows of personal data"
NOT_TEXT = re.compile(r"image/(?!svg)|application/pdf|audio/|video/|application/octet-stream")
INLINED = re.compile(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s]+")
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
TAGS = re.compile(r"<[^>]{0,2000}>")

SECRETS: dict[str, re.Pattern[str]] = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----"),
    "access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "access token": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,}"
        r"|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|[rs]k_live_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{36}"
        r"|pypi-AgEI[\w-]{20,}|sk-[A-Za-z0-9][\w-]{30,}|dapi[0-9a-f]{32})\b"
    ),
    "signed token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "password in an address": re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"<>]+:[^\s/@'\"<>]+@\w"),
}  # fmt: skip
ASSIGNED = re.compile(
    r"(?i)\b\w*(?:passw(?:or)?d|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token"
    r"|access[_-]?token|bearer)\w*\b[\"']?\s*(?::|=|\s)\s*[\"']?([^\s\"'<>,;)}\]]{8,})"
)
EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b"
)
# addresses that standards keep for examples
EXAMPLE = re.compile(r"@(?:[\w-]+\.)*(?:example\.(?:com|org|net)|example|invalid|test|localhost)$")
CARD = re.compile(r"(?<![\w.,+/=-])\d(?:[ -]?\d){12,18}(?![\w+/=-]|[.,]\d)")
ISSUERS = re.compile(
    r"4|5[1-5]|2(?:2[2-9]|[3-6]\d|7[01])|3[47]|3(?:0[0-5]|[68])|6(?:011|4[4-9]|5)|35|62"
)
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "AZ": 28, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21,
    "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22,
    "GE": 22, "GI": 23, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27,
    "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24,
    "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PT": 25, "QA": 29,
    "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26,
    "UA": 29, "XK": 20,
}  # fmt: skip
PHONE = re.compile(
    r"(?<![\w.+/-])(?:\+[1-9]\d{0,2}[ -](?:\(\d{1,4}\)[ -]?)?\d{1,5}(?:[ -]\d{2,8}){1,4}"
    r"|\(\d{3}\) \d{3}-\d{4})(?![\w.-])"
)
SECRET_NAMES = re.compile(r"(?i)passw|secret|token|api_?key|access_?key|credential|private_?key")


@dataclass(frozen=True)
class Finding:
    """Something that must not be shown: what kind, and where; never the value itself.

    `cell` is the index in the notebook from 0, `where` is such as "output 2" or "the traceback".
    """

    cell: int
    cell_id: str
    kind: str
    where: str


@dataclass(frozen=True)
class Screen:
    """What is looked for beside the patterns.

    `personal`: column name -> class (pseudonym, personal, protected, financial), from contracts.
    `values`: kind -> texts that must not appear.
    """

    personal: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Collection[str]] = field(default_factory=dict)

    def kinds(self, text: str) -> set[str]:
        """Kinds of what a text must not hold."""
        plain = COLOURS.sub("", INLINED.sub("", text))
        found = {kind for kind, pattern in SECRETS.items() if pattern.search(plain)}
        found |= {kind for kind, test in TESTS.items() if test(plain)}
        found |= {kind for kind, texts in self.values.items() if _holds(plain, texts)}
        return found | self._rows(plain)

    def _rows(self, text: str) -> set[str]:
        """Rows about single persons: a column of ids beside another personal column."""
        if not self.personal:
            return set()
        for columns in _tables(text):
            classes = {self.personal[c] for c in columns if c in self.personal}
            if "pseudonym" in classes and len(classes) > 1:
                return {ROWS}
        return set()

    def of_cell(self, cell: Mapping[str, Any], index: int) -> list[Finding]:
        """What the outputs of a cell (nbformat 4 dict) show, and the values injected into it."""
        tags = cell.get("metadata", {}).get("tags", [])
        allowed = {ROWS} if SIMULATED in tags else set()
        found = [
            Finding(index, str(cell.get("id", "")), kind, where)
            for where, text in _texts(cell)
            for kind in sorted(self.kinds(text) - allowed)
        ]
        return list(dict.fromkeys(found))

    def of_notebook(self, notebook: Mapping[str, Any]) -> list[Finding]:
        """What any cell of a notebook shows."""
        cells = enumerate(notebook["cells"])
        return [f for n, cell in cells if not withheld(cell) for f in self.of_cell(cell, n)]


def describe(findings: Iterable[Finding]) -> str:
    """What is to be said about a cell's findings, without any value."""
    found = list(findings)
    listed = ", ".join(f"{f.kind} in {f.where}" for f in found)
    return (
        f"shows {listed}. Its outputs were not kept. Take the data out of the output, or tag the "
        f"cell {PRIVATE!r} to keep none of its outputs."
        + (
            f" Rows of nobody are said by the tag {SIMULATED!r}."
            * any(f.kind == ROWS for f in found)
        )
    )


def withhold(cell: Any, why: str) -> None:
    """Replace a cell's outputs by a sentence that says why they are not there."""
    cell["outputs"] = [_notice(why)]


def withheld(cell: Mapping[str, Any]) -> bool:
    """Whether a cell's outputs have been taken out."""
    return any(MARK in output.get("metadata", {}) for output in cell.get("outputs", []))


MARK = "fin_kedro_withheld"


def _notice(why: str) -> dict[str, Any]:
    import nbformat

    return nbformat.from_dict(
        {
            "output_type": "display_data",
            "data": {"text/plain": f"[outputs withheld: {why}]"},
            "metadata": {MARK: True},
        }
    )


def _texts(cell: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text that a cell would save, with its place.

    A stream comes in chunks that are cut by timing, and a value may lie across them.
    """
    streams: dict[str, list[str]] = {}
    for number, output in enumerate(cell.get("outputs", []), 1):
        if output["output_type"] == "error":
            text = "\n".join([output["ename"], output["evalue"], *output["traceback"]])
            yield "the traceback", text
        elif output["output_type"] == "stream":
            yield f"output {number}", _joined(output["text"])
            streams.setdefault(output["name"], []).append(_joined(output["text"]))
        else:
            for mime, data in output.get("data", {}).items():
                if not NOT_TEXT.match(mime):
                    yield f"output {number}", _joined(data)
            yield f"output {number}", json.dumps(output.get("metadata", {}), ensure_ascii=False)
    for name, chunks in streams.items():
        if len(chunks) > 1:
            yield name, "".join(chunks)
    if "injected-parameters" in cell.get("metadata", {}).get("tags", []):
        yield "the parameters", _joined(cell["source"])


def _joined(data: Any) -> str:
    """Text of an output's data: a text, a list of lines, or JSON."""
    if isinstance(data, str):
        return data
    if isinstance(data, list) and all(isinstance(line, str) for line in data):
        return "".join(data)
    return json.dumps(data, ensure_ascii=False)


# --- patterns that need a second look -----------------------------------------------------------


def _has_email(text: str) -> bool:
    return any(not EXAMPLE.search(found[0]) for found in EMAIL.finditer(text))


def _has_phone(text: str) -> bool:
    """A number as people write it, 8 to 15 digits; a range of years or amounts is none."""
    counts = (sum(c.isdigit() for c in found[0]) for found in PHONE.finditer(text))
    return any(8 <= count <= 15 for count in counts)


def _has_card(text: str) -> bool:
    return any(_is_card(re.sub(r"[ -]", "", found[0])) for found in CARD.finditer(text))


def _is_card(digits: str) -> bool:
    """A known issuer, its check digit right (Luhn), and not one digit over and over."""
    if not ISSUERS.match(digits) or len(set(digits)) == 1:
        return False
    turned = [int(d) for d in reversed(digits)]
    doubled = [sum(divmod(2 * d, 10)) for d in turned[1::2]]
    return (sum(turned[::2]) + sum(doubled)) % 10 == 0


def _has_iban(text: str) -> bool:
    return any(_is_iban(found[0].replace(" ", "")) for found in IBAN.finditer(text))


def _is_iban(found: str) -> bool:
    """Country and its length, with the check digits right (ISO 13616, remainder 1 modulo 97)."""
    length = IBAN_LENGTHS.get(found[:2], 0)
    if not length or len(found) < length:
        return False
    turned = found[4:length] + found[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _has_assigned_secret(text: str) -> bool:
    return any(_looks_secret(found[1]) for found in ASSIGNED.finditer(TAGS.sub(" ", text)))


def _looks_secret(value: str) -> bool:
    """A value, not a word of a sentence, an expression, a placeholder or a path."""
    if re.search(r"[(\[{$%]|^[\w]+\.[\w.]+$|^(?:/|\./|~)|\*{3}|x{4}|…|\.\.\.", value):
        return False
    digits = any(c.isdigit() for c in value)
    letters = any(c.isalpha() for c in value)
    return digits and letters


TESTS: dict[str, Callable[[str], bool]] = {
    "password or key": _has_assigned_secret,
    "e-mail address": _has_email,
    "phone number": _has_phone,
    "card number": _has_card,
    "bank account (IBAN)": _has_iban,
}


def _holds(text: str, values: Collection[str]) -> bool:
    """Whether one of the values stands in the text; of many, as one to three whole words."""
    if len(values) <= 50:
        return any(value in text for value in values)
    words = re.findall(r"[\w@.+-]+", TAGS.sub(" ", text))
    spans = (" ".join(words[n : n + length]) for length in (1, 2, 3) for n in range(len(words)))
    return not set(values).isdisjoint(spans)


# --- tables ----------------------------------------------------------------------------------


HEAD_ROWS = 2  # pandas names the index in a second one


class _Heads(HTMLParser):
    """The header cells of each table in an HTML text: those of its first row."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[set[str]] = []
        self._rows = 0
        self._in_head = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:  # noqa: ARG002
        """Begin a table, a row, or a header cell."""
        if tag == "table":
            self.tables.append(set())
            self._rows = 0
        self._rows += tag == "tr"
        self._in_head = tag == "th" and self._rows <= HEAD_ROWS

    def handle_data(self, data: str) -> None:
        """The name of a column."""
        if self._in_head and self.tables:
            self.tables[-1].add(data.strip())

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        """A header cell ends with whatever ends first."""
        self._in_head = False


def _tables(text: str) -> Iterator[set[str]]:
    """Names of the columns of whatever looks like a table of rows: HTML, text, JSON, dicts."""
    if "<th" in text:
        heads = _Heads()
        heads.feed(text)
        yield from heads.tables
        return
    for line, following in pairwise([*text.splitlines(), ""]):
        words = {word.strip("│┃|,'\":{}[]()") for word in re.split(r"[\s│┃|]+", line)}
        if re.search(r"\d", following) or re.search(r"[:=]\s*\d", line):
            yield words


# --- what a project knows --------------------------------------------------------------------


def project_screen(folder: Path, contracts: Iterable[Path] | None = None) -> Screen:
    """The screen of the project that `folder` lies in: its contracts and this machine's secrets.

    `contracts`: those that count; by default every one of every conf environment.
    """
    project = next((p for p in (folder, *folder.parents) if (p / "conf").is_dir()), None)
    personal = personal_columns(project, contracts) if project else {}
    return Screen(personal=personal, values={"a secret of this machine": known_secrets(project)})


def personal_columns(project: Path, contracts: Iterable[Path] | None = None) -> dict[str, str]:
    """Column name -> class, of every column that a data contract of the project classifies."""
    found = classified_columns(project, contracts)
    return {column["name"]: column["classification"] for column in found}


def classified_columns(
    project: Path, contracts: Iterable[Path] | None = None
) -> list[dict[str, Any]]:
    """Every column with a class, as the project's contracts (ODCS) describe it."""
    all_of_them = project.glob("conf/*/contracts/*.odcs.yaml")
    tables = (
        table
        for path in sorted(all_of_them if contracts is None else contracts)
        for table in _parsed(path.read_text("utf-8")).get("schema") or []
    )
    return [
        column
        for table in tables
        for column in table.get("properties") or []
        if column.get("classification") not in (None, "none", "public")
    ]


@cache
def _parsed(text: str) -> Any:
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}  # noqa: S506


def known_secrets(project: Path | None) -> set[str]:
    """Secret values that this process holds: its environment's and the project's credentials."""
    found = {v for name, v in os.environ.items() if SECRET_NAMES.search(name) and len(v) >= 8}
    for path in sorted(project.glob("conf/*/credentials*.y*ml")) if project else []:
        found |= set(_long_texts(_parsed(path.read_text("utf-8"))))
    return {value for value in found if _is_distinctive(value)}


def _is_distinctive(value: str) -> bool:
    """Not a path, a truth value or a file's place, which an output may well name."""
    return not re.match(r"^(?:/|~|\.|file:|true$|false$|\d+$)", value, re.IGNORECASE)


def _long_texts(content: Any) -> Iterator[str]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            if isinstance(value, str) and SECRET_NAMES.search(str(name)) and len(value) >= 8:
                yield value
            else:
                yield from _long_texts(value)

"""How a CSV file is written is told from its bytes; a copy changes no cell."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting.raw import rewrite_csv
from fin_kedro.drafting.sniffing import DELIMITERS, sniff

TEXT = 'Nr;Straße;Betrag\n1;"Am Tor; links";1.234,50\n2;Weg;7,25\n'


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("latin-1", "latin-1"),
        ("utf-16", "utf-16"),
    ],
)
def test_the_encoding_is_told(tmp_path: Path, encoding: str, found: str) -> None:
    (tmp_path / "x.csv").write_bytes(TEXT.encode(encoding))
    form = sniff(tmp_path / "x.csv")
    assert (form.encoding, form.delimiter, form.header) == (found, ";", True)
    assert form.names == ("Nr", "Straße", "Betrag") and not form.mended


def test_windows_letters_are_told_from_latin_ones(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("id;Betrag €\n1;2\n".encode("cp1252"))
    assert sniff(tmp_path / "x.csv").encoding == "cp1252"


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("1,2,x", ("column_1", "column_2", "column_3")),  # a line of values
        ("a,a,", ("a", "a_2", "column_3")),
        (" a ,b,c", ("a", "b", "c")),
    ],
)
def test_names_that_cannot_be_used_are_mended(
    tmp_path: Path, first: str, names: tuple[str, ...]
) -> None:
    (tmp_path / "x.csv").write_text(f"{first}\n3,4,y\n")
    form = sniff(tmp_path / "x.csv")
    assert form.names == names and form.mended
    rewrite_csv(tmp_path / "x.csv", form, tmp_path / "y.csv")
    written = (tmp_path / "y.csv").read_text().splitlines()
    assert written[0] == ",".join(names)
    assert written[-1] == "3,4,y"


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("\n")
    with pytest.raises(ContractError, match="is empty"):
        sniff(tmp_path / "empty.csv")
    (tmp_path / "prose.csv").write_text("one\ntwo\nthree\n")
    with pytest.raises(ContractError, match="no delimiter"):
        sniff(tmp_path / "prose.csv")


CELL = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n"),
    max_size=6,
)


@settings(max_examples=40)
@given(
    rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8),
    delimiter=st.sampled_from(DELIMITERS),
)
def test_any_cells_come_through_a_copy(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("copy")
    with (folder / "x.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([["a", "b", "c"], *rows])
    form = sniff(folder / "x.csv")
    assert form.delimiter == delimiter and form.names == ("a", "b", "c")
    rewrite_csv(folder / "x.csv", form, folder / "y.csv")
    with (folder / "y.csv").open(newline="", encoding="utf-8") as file:
        copied = list(csv.reader(file, delimiter=delimiter))[1:]
    assert copied == [[*row] for row in rows]

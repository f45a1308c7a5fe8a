"""CSV: quotes and line ends change no hash, a changed field always does."""

from __future__ import annotations

import copy
import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.storage.canonical import content_hash, csv_form

CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=8)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=6)


def written_csv(rows: list[list[str]], **how: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **how).writerows(rows)
    return text.getvalue().encode()


@given(ROWS)
def test_quotes_and_line_ends_of_a_csv_do_not_count(rows: list[list[str]]) -> None:
    plain = content_hash(written_csv(rows, lineterminator="\n"), ".csv")
    quoted = written_csv(rows, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    assert content_hash(quoted, ".csv") == plain
    assert content_hash(b"\xef\xbb\xbf" + quoted.removesuffix(b"\r\n"), ".csv") == plain


@given(ROWS, st.data())
def test_one_changed_cell_of_a_csv_counts(rows: list[list[str]], data: st.DataObject) -> None:
    other = copy.deepcopy(rows)
    row = data.draw(st.integers(0, len(rows) - 1))
    other[row][0] += "x"
    assert content_hash(written_csv(other), ".csv") != content_hash(written_csv(rows), ".csv")


def test_a_csv_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"a,b\r\n1,2\r\n3,4\r\n"
    whole = content_hash(data, ".csv")
    assert (
        whole == content_hash(data.replace(b"\r", b""), ".csv") == content_hash(data[:-2], ".csv")
    )
    for size in range(1, 8):
        monkeypatch.setattr(csv_form, "CHUNK", size)
        assert content_hash(data, ".csv") == whole

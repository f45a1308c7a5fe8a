"""Where two files of one dataset differ, and whether that is within tolerance."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fin_kedro.reports.record import MIME
from fin_kedro.storage.canonical import canonical_outputs
from fin_kedro.verification.departures import EXACT, Departure, Tolerance, departures, leaves

LOOSE = Tolerance(absolute=1e-3, reason="a test")
TABLE = pd.DataFrame({"id": [1, 2, 3], "p": [0.1, 0.2, 0.3], "word": ["a", "b", "c"]})


def compare(
    tmp_path: Path, suffix: str, one: Any, other: Any, allowed: Tolerance = EXACT, key: str = "id"
) -> list[Departure]:
    """Write both as files of a kind, and compare."""
    paths = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    for path, content in zip(paths, (one, other), strict=True):
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path) if suffix == ".parquet" else content.to_csv(path, index=False)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    return departures(*paths, allowed=lambda _: allowed, key=key)


def picture(changed: int = 0) -> bytes:
    import io

    pixels = np.zeros((20, 20, 3), dtype=np.uint8)
    pixels.reshape(-1, 3)[:changed] = 200
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    return out.getvalue()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_names_column_row_and_both_values(tmp_path: Path, suffix: str) -> None:
    other = TABLE.assign(p=[0.1, 0.25, 0.3])
    (found,) = compare(tmp_path, suffix, TABLE, other)
    assert str(found) == "column p, row 2: 0.2 became 0.25"
    assert not found.within


def test_rows_are_matched_by_key_whatever_their_order(tmp_path: Path) -> None:
    assert compare(tmp_path, ".parquet", TABLE, TABLE.iloc[::-1]) == []


def test_without_a_key_the_order_counts(tmp_path: Path) -> None:
    turned = TABLE.iloc[::-1].reset_index(drop=True)
    found = compare(tmp_path, ".parquet", TABLE, turned, key="nowhere")
    assert {d.where.split(",")[0] for d in found} == {"column id", "column p", "column word"}


def test_a_small_move_of_a_number_is_within(tmp_path: Path) -> None:
    (found,) = compare(tmp_path, ".parquet", TABLE, TABLE.assign(p=TABLE["p"] + 1e-4), LOOSE)
    assert found.within and found.count == 3


def test_a_missing_row_is_never_within(tmp_path: Path) -> None:
    (found,) = compare(tmp_path, ".parquet", TABLE, TABLE.iloc[:2], LOOSE)
    assert (found.where, found.sealed, found.found) == ("rows", "3 rows", "2 rows")
    assert not found.within


def test_a_missing_column_and_another_word_are_never_within(tmp_path: Path) -> None:
    other = TABLE.drop(columns="p").assign(word=["a", "b", "x"])
    assert [d.within for d in compare(tmp_path, ".csv", TABLE, other, LOOSE)] == [False, False]


def test_a_number_that_became_nothing_is_beyond(tmp_path: Path) -> None:
    (found,) = compare(tmp_path, ".parquet", TABLE, TABLE.assign(p=[0.1, np.nan, 0.3]), LOOSE)
    assert not found.within


def test_json_is_compared_leaf_by_leaf(tmp_path: Path) -> None:
    one = {"test": {"auc": {"value": 0.78}}, "n": [1, 2]}
    other = {"test": {"auc": {"value": 0.7801}}, "n": [1, 3]}
    found = compare(tmp_path, ".json", one, other, LOOSE)
    assert [(d.where, d.within) for d in found] == [("n.1", False), ("test.auc.value", True)]


def test_a_digest_follows_what_it_is_of(tmp_path: Path) -> None:
    one, other = {"digest": "a1" * 32, "word": "fine"}, {"digest": "b2" * 32, "word": "fine"}
    (found,) = compare(tmp_path, ".json", one, other)
    assert found.within


def test_true_is_no_number(tmp_path: Path) -> None:
    (found,) = compare(tmp_path, ".json", {"passed": True}, {"passed": False}, LOOSE)
    assert not found.within


@pytest.mark.parametrize(
    ("one", "other", "within"),
    [
        ("AUC 0.778", "AUC 0.779", True),  # its last digit was rounded
        ("AUC 0.778", "AUC 0.788", False),
        ("rate 22.05%", "rate 22.06%", True),
        ("1,204 rows", "1,205 rows", False),
        ("champion 0.7", "scorecard 0.7", False),
    ],
)
def test_text_is_compared_number_by_number(
    tmp_path: Path, one: str, other: str, within: bool
) -> None:
    (found,) = compare(tmp_path, ".html", one, other)
    assert found.within is within


def test_pictures_are_compared_by_pixels(tmp_path: Path) -> None:
    share = Tolerance(absolute=0.01, reason="a test")
    assert compare(tmp_path, ".png", picture(), picture()) == []
    assert compare(tmp_path, ".png", picture(), picture(changed=2), share)[0].within
    assert not compare(tmp_path, ".png", picture(), picture(changed=40), share)[0].within


def test_a_picture_inside_a_page_is_compared_too(tmp_path: Path) -> None:
    pages = [
        f'<img src="data:image/png;base64,{base64.b64encode(picture(n)).decode()}">'
        for n in (0, 90)
    ]
    (found,) = compare(tmp_path, ".html", *pages)
    assert found.where == "text, picture 1, pixels"


def test_another_kind_is_compared_by_its_bytes(tmp_path: Path) -> None:
    (found,) = compare(tmp_path, ".bin", b"1", b"22")
    assert (found.sealed, found.found, found.within) == ("1 bytes", "2 bytes", False)


def test_folders_are_compared_file_by_file(tmp_path: Path) -> None:
    for name, value in (("one", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_text(json.dumps({"x": value}))
    (tmp_path / "other/b.json").write_text("{}")
    found = departures(tmp_path / "one", tmp_path / "other", allowed=lambda _: EXACT)
    assert {d.where for d in found} == {"b.json", "a.json, x"}


def executed(*outputs: dict[str, Any], source: str = "f()") -> dict[str, Any]:
    cell = {
        "cell_type": "code", "id": "c1", "metadata": {}, "source": source,
        "outputs": list(outputs), "execution_count": 1,
    }  # fmt: skip
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def shown(**forms: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": forms}


def test_a_notebook_names_the_cell(tmp_path: Path) -> None:
    pair = [executed({"output_type": "stream", "name": "stdout", "text": t}) for t in ("1", "7")]
    (found,) = compare(tmp_path, ".ipynb", *pair)
    assert found.where == "cell 1 (#c1)"


def test_standard_error_and_injected_cells_do_not_count(tmp_path: Path) -> None:
    noise = {"output_type": "stream", "name": "stderr", "text": "at 12:03"}
    other = executed(noise)
    injected = {**other["cells"][0], "metadata": {"tags": ["injected-parameters"]}, "id": "x"}
    other["cells"].insert(0, injected)
    assert compare(tmp_path, ".ipynb", executed(), other) == []


def test_how_standard_output_is_cut_does_not_count(tmp_path: Path) -> None:
    whole, *parts = (
        {"output_type": "stream", "name": "stdout", "text": text} for text in ("3\n", "3", "\n")
    )
    after = shown(**{"text/plain": "1"})
    assert compare(tmp_path, ".ipynb", executed(whole, after), executed(*parts, after)) == []
    found = compare(tmp_path, ".ipynb", executed(whole, after), executed(parts[0], after, parts[1]))
    assert [d.where for d in found] == ["cell 1 (#c1), outputs"]


def test_a_cell_that_shows_times_is_not_compared(tmp_path: Path) -> None:
    pair = [
        executed({"output_type": "stream", "name": "stdout", "text": t}) for t in ("1 s", "2 s")
    ]
    for notebook in pair:
        notebook["cells"][0]["metadata"] = {"tags": ["occasion"]}
    assert compare(tmp_path, ".ipynb", *pair) == []
    assert canonical_outputs(pair[0]) == canonical_outputs(pair[1])


def test_verdicts_of_a_notebook_are_compared_as_json(tmp_path: Path) -> None:
    pair = [executed(shown(**{MIME: {"verdicts": [{"status": s}]}})) for s in ("pass", "fail")]
    (found,) = compare(tmp_path, ".ipynb", *pair)
    assert found.where == "cell 1 (#c1), verdicts, verdicts.0.status"


def test_a_cell_that_shows_something_else_differs(tmp_path: Path) -> None:
    found = compare(tmp_path, ".ipynb", executed(shown(**{"text/plain": "1"})), executed())
    assert [d.where for d in found] == ["cell 1 (#c1), outputs"]


def test_a_tolerance_needs_a_reason_and_is_not_negative() -> None:
    with pytest.raises(ValueError, match="gives no reason"):
        Tolerance(dataset="*.scores", absolute=1.0)
    with pytest.raises(ValueError, match="negative"):
        Tolerance(absolute=-1.0, reason="never")


def test_leaves_name_every_value_once() -> None:
    assert list(leaves({"a": [1, {"b": None}], "c": {}})) == [
        ("a.0", 1),
        ("a.1.b", None),
        ("c", {}),
    ]

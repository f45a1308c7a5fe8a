"""HTML and SVG: random ids, dates and the seal change no hash, what is shown always does."""

from __future__ import annotations

import pandas as pd

from fin_kedro.storage.canonical import content_hash

from .written import svg


def test_ids_and_dates_of_an_svg_do_not_count() -> None:
    one, two = svg("one"), svg("two")
    assert one != two
    assert content_hash(one, ".svg") == content_hash(two, ".svg")
    changed = one.replace(b"stroke-width: 1.5", b"stroke-width: 1.6")
    assert changed != one and content_hash(changed, ".svg") != content_hash(one, ".svg")


def test_ids_of_stylers_tables_do_not_count() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 0.25]})
    one, two = (frame.style.highlight_max().to_html().encode() for _ in range(2))
    assert one != two
    assert content_hash(one, ".html") == content_hash(two, ".html")
    assert content_hash(one.replace(b">0.250000<", b">0.250001<"), ".html") != content_hash(
        one, ".html"
    )


PLOTLY = (
    '<div id="{0}" class="plotly-graph-div"></div><script>Plotly.newPlot("{0}", [{{"y": [{1}]}}])'
    "</script>"
)


def test_ids_of_plotlys_pages_do_not_count() -> None:
    ids = ("9f3b1c2d-1111-4222-8333-abcdefabcdef", "00000000-aaaa-4bbb-8ccc-123412341234")
    one, two = (content_hash(PLOTLY.format(i, 5).encode(), ".html") for i in ids)
    assert one == two != content_hash(PLOTLY.format(ids[0], 6).encode(), ".html")


def test_a_number_in_the_text_is_no_id() -> None:
    pages = (f"<p>account {n}</p>".encode() for n in ("1234567890ab", "1234567890ac"))
    one, two = (content_hash(page, ".html") for page in pages)
    assert one != two


def test_the_seal_that_a_report_names_is_not_part_of_it() -> None:
    page = '<html><head><meta name="seal" content="{}"></head><p>{}</p></html>'
    one, two = (content_hash(page.format(d * 64, "x").encode(), ".html") for d in "ab")
    assert one == two != content_hash(page.format("a" * 64, "y").encode(), ".html")

"""The page of a difference holds itself, and shows everything as text."""

from __future__ import annotations

import re

from fin_kedro.changes.difference_html import render_difference
from tests.changes.sealed_lab import VERDICT, SealedLab, as_json


def test_the_page_holds_itself_and_shows_everything_as_text(lab: SealedLab) -> None:
    nasty = {"depth": {"value": "<script>alert(1)</script>"}}
    report = {"credit.verdicts": as_json({"verdicts": [{**VERDICT, "status": "fail"}]})}
    page = render_difference(
        lab.compare(lab.seal("1"), lab.seal("2", parameters=nasty, data=report))
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "The &lt;b&gt;AUC&lt;/b&gt;" in page
    assert "&lt;ada&gt;" in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert '<html lang="en">' in page
    for anchor in re.findall(r'href="#(\w+)"', page):
        assert f'id="{anchor}"' in page

"""The pages of docs and their site: links that lead nowhere are found, and nothing is fetched.

The whole site is built by `make check`; here are small ones, and the parts that need no Zensical.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name: str) -> ModuleType:
    """A script of .ci as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / ".ci"))
        return importlib.import_module(name)


links, docs = load("links"), load("docs")


def test_every_link_of_the_pages_leads_somewhere() -> None:
    assert list(links.broken(ROOT)) == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small repository with pages, code, a notebook and a picture."""
    cells = [
        {"cell_type": "markdown", "source": ["# Sums\n", "> one and one"]},
        {"cell_type": "code", "source": ["1 + 1"]},
    ]
    files = {
        "README.md": "# House\n[page](docs/page.md#the-way-in)\n",
        "docs/page.md": "# A page\n## The way, in!\n[code](../src/a.py) [folder](examples)\n",
        "docs/decisions/one.md": '# Why "one"\n[page](../page.md) [sums](../../nb/sums.ipynb)\n',
        "docs/examples/a.yml": "a: 1\n",
        "src/a.py": "s = '''\n```\n'''\n",
        "src/house/__init__.py": '"""What the house is."""\n',
        "src/house/room/__init__.py": '"""A room."""\n',
        "src/house/room/chair.py": '"""To sit on: one | two.\n\nMore."""\nraise ImportError\n',
        "src/house/room/_hidden.py": "",
        "nb/sums.ipynb": json.dumps({"cells": cells}),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "docs/picture.png").write_bytes(b"\x89PNG")
    return tmp_path


def test_the_house_has_no_broken_link(house: Path) -> None:
    assert list(links.broken(house)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x](nowhere.md)", "docs/page.md: nowhere.md is not there"),
        ("![x](no.png)", "docs/page.md: no.png is not there"),
        ("[x](../../elsewhere)", "docs/page.md: ../../elsewhere is not there"),
        ("[x](decisions/one.md#two)", "docs/page.md: decisions/one.md#two: no such heading"),
        ("[x](#here)", "docs/page.md: #here: no such heading"),
        ('<img src="no.png">', "docs/page.md: no.png is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(house: Path, text: str, said: str) -> None:
    (house / "docs/page.md").write_text(f"# A page\n## The way in\n{text}\n", "utf-8")
    assert list(links.broken(house)) == [said]


def test_code_and_other_hosts_are_no_links() -> None:
    text = "`[a](b)` [c](https://d.e) [f](mailto:g)\n```\n[h](i)\n```\n[long\nname](j.md#k)\n"
    assert [target for _, _, target in links.links(text)] == ["j.md#k"]
    assert links.relinked(text, str.upper) == text.replace("j.md#k", "J.MD#K")


def test_anchors_are_those_of_git_browsers() -> None:
    text = "# A `b`: c & d\n## [E](f)\n### E\n```\n# no\n```\n<a id='x'></a><a id=\"y\"></a>\n"
    assert links.anchors(text) == {"a-b-c--d", "e", "e-1", "y"}


def laid_out(house: Path) -> dict[str, str]:
    """Pages as Zensical would read them, by place."""
    folder = house / "build/docs/pages"
    docs.lay_out(house, folder)
    texts = {str(f.relative_to(folder)): f for f in folder.rglob("*") if f.is_file()}
    return {name: "" if name.endswith("png") else f.read_text() for name, f in texts.items()}


def test_links_out_of_docs_lead_to_pages_of_the_site(house: Path) -> None:
    (house / "docs/page.md").open("a").write("![p](picture.png) [r](../README.md)\n")
    found = laid_out(house)
    assert "[code](files/src/a.py.md) [folder](files/docs/examples/index.md)" in found["page.md"]
    assert "[r](files/README.md)" in found["page.md"]
    assert "[page](../page.md#the-way-in)" in found["files/README.md"]
    assert "[a.yml](a.yml.md)" in found["files/docs/examples/index.md"]
    assert "``` yaml\na: 1\n```" in found["files/docs/examples/a.yml.md"]
    assert "picture.png" in found


def test_a_copy_of_code_or_notebook_shows_it_whole(house: Path) -> None:
    found = laid_out(house)
    assert "```` python\ns = '''\n```\n'''\n````" in found["files/src/a.py.md"]
    assert found["files/nb/sums.ipynb.md"].endswith("> one and one\n\n``` python\n1 + 1\n```\n\n")


def test_what_cannot_be_shown_is_an_error(house: Path) -> None:
    (house / "docs/page.md").write_text("[x](gone.md)", "utf-8")
    with pytest.raises(docs.SiteError, match=r"docs/page\.md: gone\.md is not there"):
        laid_out(house)
    (house / "table.bin").write_bytes(b"\xff\xfe")
    (house / "docs/page.md").write_text("[x](../table.bin)", "utf-8")
    with pytest.raises(docs.SiteError, match="neither text nor a picture"):
        laid_out(house)


def test_each_room_and_module_has_a_page_without_being_imported(house: Path) -> None:
    folder = house / "pages"
    navigation = docs.reference(house, folder)
    assert (folder / "reference/house/room/chair.md").read_text() == (
        "# `house.room.chair`\n\n::: house.room.chair\n"
    )
    room = (folder / "reference/house/room/index.md").read_text()
    assert "A room." in room
    assert r"| [`chair`](chair.md) | To sit on: one \| two. |" in room
    assert "[`room`](room/index.md) | A room." in (folder / "reference/house/index.md").read_text()
    assert not list(folder.rglob("*hidden*"))
    found = tomllib.loads("nav = [\n" + "\n".join([*navigation, *docs.decisions(house)]) + "]")
    chair = {"chair": "reference/house/room/chair.md"}
    room = {"room": ["reference/house/room/index.md", chair]}
    why = {"Why 'one'": "decisions/one.md"}
    assert found["nav"] == [{"house": ["reference/house/index.md", room]}, why]


def places(entry: Any) -> Iterator[str]:
    """Every page that a navigation names."""
    if isinstance(entry, str):
        yield entry
    for inner in (
        entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    ):
        yield from places(inner)


def test_the_navigation_names_every_page_once_and_no_other() -> None:
    text = (ROOT / docs.SOURCE / "zensical.toml").read_text("utf-8")
    named = list(places(tomllib.loads(text)["project"]["nav"]))
    pages = {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")}
    assert sorted(named) == sorted(page for page in pages if not page.startswith("decisions/"))
    for name in (docs.ROOMS, docs.DECISIONS):
        assert docs.MARK.format(name) in text


def test_every_public_module_says_what_it_is_for() -> None:
    found = docs.modules(ROOT)
    assert {"fin_kedro.seals.seal", "sealed_kernel.kernel", "fin_kedro.seals"} <= set(found)
    assert [name for name, file in found.items() if not docs.docstring(file)] == []


HEAD = f'<meta http-equiv="Content-Security-Policy" content="{docs.POLICY}">'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A built site in which every link leads somewhere."""
    body = (
        '<h2 id="top">A</h2><a href="b.html#end">b</a><a href=#top>a</a><a href="https://x.y">x</a>'
    )
    (tmp_path / "a.html").write_text(HEAD + body + '<script src="s.js"></script>')
    (tmp_path / "b.html").write_text(HEAD + "<a name='end'></a><code>&lt;a href=\"no\"&gt;</code>")
    (tmp_path / "s.js").write_text("")
    return tmp_path


def test_a_sound_site_passes(site: Path) -> None:
    assert links.findings(site, docs.POLICY) == []


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ('<a href="no.html">', "a.html: no.html leads nowhere"),
        ('<a href="b.html#no">', "a.html: b.html#no leads nowhere"),
        ("<a href=#no>", "a.html: #no leads nowhere"),
        ('<img src="no.png">', "a.html: no.png leads nowhere"),
        ('<script src="https://cdn.x/s.js">', "a.html: loads https://cdn.x/s.js"),
        ('<link rel="stylesheet" href="//fonts.x/f.css">', "a.html: loads //fonts.x/f.css"),
        ('<img src="http://x.y/p.png">', "a.html: loads http://x.y/p.png"),
    ],
)
def test_planted_links_of_a_site_are_found(site: Path, planted: str, said: str) -> None:
    (site / "a.html").open("a").write(planted)
    assert links.findings(site, docs.POLICY) == [said]


def test_a_page_without_the_policy_or_a_style_from_elsewhere_is_found(site: Path) -> None:
    (site / "b.html").write_text("<a name='end'></a>")
    (site / "s.css").write_text("body { background: url(https://x.y/p.png) }")
    assert links.findings(site, docs.POLICY) == [
        "b.html: no policy against loading from elsewhere",
        "s.css: loads from elsewhere",
    ]


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    assert docs.POLICY.startswith("default-src 'self'; ")
    assert not re.search(r"https?:|\*|unsafe-eval", docs.POLICY)
    page = (ROOT / docs.SOURCE / "overrides/main.html").read_text("utf-8")
    assert "{{ config.extra.policy }}" in page


def test_the_scripts_of_the_site_import_neither_package() -> None:
    for name in ("docs", "links"):
        tree = ast.parse((ROOT / f".ci/{name}.py").read_text("utf-8"))
        imported = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import)}
        assert not any("fin_kedro" in line or "sealed_kernel" in line for line in imported)


def test_a_place_of_the_site_is_told_by_its_kind(house: Path) -> None:
    told = {
        name: str(docs.staged(PurePosixPath(name), house)) for name in ("docs/page.md", "src/a.py")
    }
    assert told == {"docs/page.md": "page.md", "src/a.py": "files/src/a.py.md"}

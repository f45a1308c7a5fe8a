"""Links of Markdown pages: where they stand, where they lead, and which lead nowhere.

    python .ci/links.py    lists links of README, CHANGELOG and docs that lead nowhere

A page is read as a git browser reads it, code left out. The site is built by `docs.py` with the
same reading, so that one link serves in both.
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = re.compile(r"""\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]+)\"""")
FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1[`~]* *$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)(`+)(?!`)((?!\n\n).)+?(?<!`)\1(?!`)", re.DOTALL)
HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)? *$", re.MULTILINE)
NAMED = re.compile(r"""<\w+[^>]*\b(?:id|name)="([^"]+)\"""")
TAG = re.compile(r"<([a-z][a-z0-9-]*)\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""\b(id|name|href|src|rel)=("[^"]*"|'[^']*'|[^\s>"']+)""", re.IGNORECASE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def pages(root: Path) -> list[Path]:
    """README, CHANGELOG and every page of docs."""
    tops = (root / name for name in ("README.md", "CHANGELOG.md"))
    return [*filter(Path.is_file, tops), *sorted(root.glob("docs/**/*.md"))]


def without(pattern: re.Pattern[str], text: str) -> str:
    """`text` with what the pattern finds blanked out: positions stay as they were."""
    return pattern.sub(lambda hit: re.sub(r"\S", " ", hit.group()), text)


def links(text: str) -> Iterator[tuple[int, int, str]]:
    """Begin, end and text of every target within this repository, code left out."""
    for hit in TARGET.finditer(without(SPAN, without(FENCE, text))):
        number = 1 if hit.group(1) else 2
        if not ELSEWHERE.match(hit.group(number)):
            yield hit.start(number), hit.end(number), hit.group(number)


def relinked(text: str, change: Callable[[str], str]) -> str:
    """`text` with every target within this repository changed."""
    parts, at = [], 0
    for begin, end, target in links(text):
        parts += [text[at:begin], change(target)]
        at = end
    return "".join([*parts, text[at:]])


def anchors(text: str) -> set[str]:
    """Names that a link may end in after `#`: of headings, as git browsers make them, and ids."""
    bare = without(FENCE, text)
    found: dict[str, int] = {}
    for heading in HEADING.findall(bare):
        words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("*", "")
        name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:
            found[f"{name}-{found[name]}"] = 0
    return {*found, *NAMED.findall(bare)}


def broken(root: Path) -> Iterator[str]:
    """`page: target, and why`, for every link of the pages that leads nowhere."""
    for page in pages(root):
        for _, _, target in links(page.read_text("utf-8")):
            place, _, anchor = target.partition("#")
            there = (page.parent / place).resolve() if place else page
            named = page.relative_to(root)
            if not there.exists() or not there.is_relative_to(root):
                yield f"{named}: {target} is not there"
            elif (
                anchor and there.suffix == ".md" and anchor not in anchors(there.read_text("utf-8"))
            ):
                yield f"{named}: {target}: no such heading"


# The built site


def findings(site: Path, policy: str) -> list[str]:
    """Links of the built pages that lead nowhere, and whatever would be loaded from elsewhere.

    `policy` is what each page has to tell the browser.
    """
    pages = {file: tags(file.read_text("utf-8")) for file in sorted(site.rglob("*.html"))}
    names = {
        file: {value for _, found in each for key, value in found.items() if key in {"id", "name"}}
        for file, each in pages.items()
    }
    found = []
    for file, each in pages.items():
        own = file.relative_to(site)
        if html.escape(policy, quote=False) not in html.unescape(file.read_text("utf-8")):
            found.append(f"{own}: no policy against loading from elsewhere")
        for tag, attributes in each:
            if outside(tag, attributes):
                found.append(f"{own}: loads {attributes.get('src') or attributes.get('href')}")
            target = attributes.get("href") or attributes.get("src") or ""
            if own.name != "404.html" and dangling(file, target, names):
                found.append(f"{own}: {target} leads nowhere")
    sheets = [file for file in site.rglob("*.css") if "url(http" in file.read_text("utf-8")]
    return found + [f"{file.relative_to(site)}: loads from elsewhere" for file in sheets]


def tags(text: str) -> list[tuple[str, dict[str, str]]]:
    """Tags with an address, an id or a name; attributes as a browser reads them."""
    return [
        (
            tag.lower(),
            {k.lower(): html.unescape(v.strip("\"'")) for k, v in ATTRIBUTE.findall(rest)},
        )
        for tag, rest in TAG.findall(text)
    ]


def outside(tag: str, attributes: dict[str, str]) -> bool:
    """Whether a tag makes a browser fetch from another host."""
    address = attributes.get("src") or (attributes.get("href", "") if tag == "link" else "")
    kept = tag == "link" and attributes.get("rel") in {"canonical", "alternate"}
    return bool(ELSEWHERE.match(address)) and not address.startswith("data:") and not kept


def dangling(file: Path, target: str, names: dict[Path, set[str]]) -> bool:
    """Whether a link within the site leads to no file, or to no place in it."""
    if not target or ELSEWHERE.match(target):
        return False
    name, _, anchor = target.partition("#")
    there = Path(os.path.normpath(file.parent / name.partition("?")[0])) if name else file
    there = there / "index.html" if there.is_dir() else there
    if there not in names:
        return not there.is_file()
    return bool(anchor) and anchor not in names[there]


def main() -> int:
    found = list(broken(ROOT))
    print("\n".join(found) or f"Every link of {len(pages(ROOT))} pages leads somewhere.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

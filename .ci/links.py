"""Links of Markdown pages: where they stand, where they lead, and which lead nowhere.

    python .ci/links.py    lists links of README, CHANGELOG and docs that lead nowhere

A page is read as a git browser reads it; code is left out. The site is built by `docs.py` with the
same reading, so that one link serves in both.
"""

from __future__ import annotations

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


def main() -> int:
    found = list(broken(ROOT))
    print("\n".join(found) or f"Every link of {len(pages(ROOT))} pages leads somewhere.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

"""HTML and SVG: without comments, metadata and seal, and with random ids numbered."""

from __future__ import annotations

import hashlib
import re
from typing import BinaryIO

_HIDDEN = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>"
    r"|<meta name=\"seal\"[^>]*>|<template id=\"seal\">.*?</template>",
    re.DOTALL,
)
_ID = re.compile(r"""\bid\s*=\s*["']([^"']+)["']""")
# Styler's, a UUID (plotly), and a letter or a word before ten hexadecimal digits (matplotlib)
_RANDOM = re.compile(
    r"(T_[0-9a-f]{5,32})(?:_|$)|([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
    r"|^(?=.*\d)([A-Za-z]{0,6}[0-9a-f]{10,})$"
)


def page_form(file: BinaryIO) -> str:
    """The hash of a page in UTF-8, as `canonical_page` has it."""
    return hashlib.sha256(canonical_page(file.read().decode()).encode()).hexdigest()


def canonical_page(text: str) -> str:
    """HTML or SVG with random ids numbered, and without comments, metadata and seal."""
    return _numbered_ids(_HIDDEN.sub("", text.replace("\r\n", "\n")))


def _numbered_ids(text: str) -> str:
    """Only what is declared as an id is renamed: a number in the data stays what it is."""
    found = (_RANDOM.search(name) for name in dict.fromkeys(_ID.findall(text)))
    random = [next(group for group in match.groups() if group) for match in found if match]
    if not random:
        return text
    names = {name: f"id{n}" for n, name in enumerate(dict.fromkeys(random), 1)}
    either = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![0-9A-Za-z-])({either})(?![0-9A-Za-z-])")
    return pattern.sub(lambda match: names[match[1]], text)

"""A pattern means the same to ECMAScript, to requests and to tables."""

from __future__ import annotations

import re

import ibis
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.contracts.patterns import PatternError, common_pattern, matches

# by hand, from ECMA-262: pattern, texts that it is found in, texts that it is not found in
KNOWN = [
    ("ab", ["ab", "xaby"], ["a b", ""]),
    ("^ab$", ["ab"], ["ab\n", "xab"]),
    (r"^\d+$", ["12"], ["1a", "\u0661", ""]),
    (r"^\w+$", ["a_1"], ["é", "a b"]),
    (r"^\s$", [" ", "\t", "\u00a0", "\u2028"], ["a", "\x1c"]),
    ("^a.c$", ["abc", "a😀c"], ["a\nc", "a\u2028c"]),
    ("^[a&&b]$", ["a", "&", "b"], ["c"]),  # Java and Rust would intersect
    ("^[a~~b-]$", ["a", "~", "-"], ["c"]),
    (r"^[\]\\]$", ["]", "\\"], ["["]),
    ("^(a|b)+?c{2}$", ["abcc"], ["abc", "cc"]),
    (r"^\u00e9\x41$", ["éA"], ["eA"]),
    ("^[^a-c]$", ["d", "\n"], ["b"]),
    (r"^\D\S\W$", ["ab-"], ["1b-", "a -"]),
    ("a#b", ["a#b"], ["ab"]),
    ("^a]}$", ["a]}"], ["a]"]),
    ("", ["", "x"], []),
]


def in_tables(pattern: str, texts: list[str]) -> list[bool]:
    table = ibis.memtable(pd.DataFrame({"n": range(len(texts)), "t": texts}))
    found = table.select("n", found=table.t.re_search(common_pattern(pattern))).order_by("n")
    return [bool(v) for v in found.execute()["found"]]


@pytest.mark.parametrize(("pattern", "found", "others"), KNOWN, ids=str)
def test_known_patterns(pattern: str, found: list[str], others: list[str]) -> None:
    assert [t for t in [*found, *others] if matches(pattern, t)] == found
    assert in_tables(pattern, [*found, *others]) == [True] * len(found) + [False] * len(others)


PARTS = st.sampled_from(
    ["a", "b", "-", "&", "[ab]", "[^a]", "[a-c]", r"\d", r"\.", "(a|b)", "(?:ab)", "a?", "b*", "1+"]
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(PARTS, min_size=1, max_size=5), st.lists(st.text("ab1-&.x", max_size=6), min_size=1)
)
def test_any_pattern_means_the_same_to_python_requests_and_tables(
    parts: list[str], texts: list[str]
) -> None:
    pattern = "".join(parts)
    expected = [re.search(pattern, t, re.ASCII) is not None for t in texts]
    assert [matches(pattern, t) for t in texts] == expected
    assert in_tables(pattern, texts) == expected


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?=a)", "looks around"),
        ("(?<n>a)", "names a group"),
        (r"(a)\1", r"'\\1' is not read alike"),
        (r"\p{L}", r"'\\p' is not read alike"),
        (r"\bword", r"'\\b' is not read alike"),
        (r"[\D]", "inside a class"),
        ("[b-a]", "has no order"),
        ("[]", "a class is empty"),
        ("[a", "ends too early"),
        ("a{2000}", "above 1000"),
        ("a{x", "opens no count"),
        (r"\ud83d", "half of a pair"),
        ("*a", "no regular expression"),
        ("(a", "no regular expression"),
        ("a\\", "ends too early"),
    ],
)
def test_what_engines_would_read_differently_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(PatternError, match=said):
        common_pattern(pattern)


def test_a_long_text_takes_no_long_time() -> None:
    assert not matches("^(a+)+$", "a" * 100_000 + "b")  # a backtracking engine would not end

"""JSON: the order of its keys and its blanks change no hash, a changed value always does."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.storage.canonical import canonical_json, content_hash, json_hash

NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
JSONS = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


def shuffled(content: Any, seed: int) -> Any:
    """The same content with the keys of every object in another order."""
    if isinstance(content, dict):
        keys = list(content)
        random.Random(seed).shuffle(keys)
        return {key: shuffled(content[key], seed + 1) for key in keys}
    return [shuffled(v, seed + 1) for v in content] if isinstance(content, list) else content


@given(JSONS, st.integers(0, 99))
def test_equal_json_is_equal_text_whatever_the_order_of_its_keys(content: Any, seed: int) -> None:
    assert canonical_json(shuffled(content, seed)) == canonical_json(content)


@given(JSONS)
def test_canonical_json_reads_back_as_it_was(content: Any) -> None:
    text = canonical_json(content)
    assert text.isascii() and canonical_json(json.loads(text)) == text
    assert json.loads(text) == content


@given(st.lists(JSONS, min_size=1), st.data())
def test_one_changed_value_changes_the_hash(content: list[Any], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    other = [*content[:place], {"changed": content[place]}, *content[place + 1 :]]
    assert json_hash(other) != json_hash(content)


@given(JSONS, st.integers(0, 99), st.sampled_from([None, 1, "\t"]))
def test_a_json_file_is_its_content(content: Any, seed: int, indent: Any) -> None:
    one = json.dumps(content).encode()
    two = json.dumps(shuffled(content, seed), indent=indent, ensure_ascii=False)
    assert content_hash(one, ".json") == content_hash(two.encode("utf-8", "surrogatepass"), ".json")


def test_a_catboost_model_as_json_has_no_id_and_no_time() -> None:
    def model(guid: str, time: str, leaf: float) -> bytes:
        info = {"model_guid": guid, "train_finish_time": time, "params": {}}
        return json.dumps({"model_info": info, "leaf_values": [leaf]}).encode()

    one = content_hash(model("a-b-c-d", "2026-11-22T03:34:13Z", 0.5), ".json")
    assert content_hash(model("e-f-0-1", "2026-11-23T04:00:00Z", 0.5), ".json") == one
    assert content_hash(model("a-b-c-d", "2026-11-22T03:34:13Z", 0.6), ".json") != one


def test_json_lines_are_hashed_line_by_line() -> None:
    one = b'{"a": 1, "b": 2}\n{"a": 3}\n'
    assert content_hash(b'{"b":2,"a":1}\n\n{"a":3}', ".jsonl") == content_hash(one, ".jsonl")
    assert content_hash(b'{"a":3}\n{"b":2,"a":1}', ".jsonl") != content_hash(one, ".jsonl")

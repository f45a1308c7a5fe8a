"""The record of loaded data: the last version of each dataset, and which were mixed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealed_kernel import data_log


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    data_log.clear()
    yield
    data_log.clear()


def test_the_last_version_of_each_dataset_counts() -> None:
    data_log.note("b", "v1", "11", Path("data/b/v1"))
    data_log.note("a")
    data_log.note("b", "v2", "22", "data/b/v2")
    nothing = dict.fromkeys(("version", "sha256", "path", "file_sha256"))
    last = {**nothing, "version": "v2", "sha256": "22", "path": "data/b/v2"}
    first = {**nothing, "version": "v1", "sha256": "11", "path": "data/b/v1"}
    assert data_log.loaded() == {"a": nothing, "b": last}
    assert data_log.every() == {"a": nothing, "b": last, "b@v1": first}
    assert list(data_log.loaded()) == ["a", "b"]
    assert data_log.mixed() == {"b": ["v1", "v2"]}


def test_loading_the_same_once_more_is_no_mixture_but_comes_last() -> None:
    for version in ("v1", "v2", "v1"):
        data_log.note("b", version, version, None)
    assert data_log.loaded()["b"]["version"] == "v1"
    assert data_log.mixed() == {"b": ["v2", "v1"]}
    data_log.clear()
    assert data_log.loaded() == {} == data_log.mixed()


def test_the_same_version_with_other_content_is_a_mixture() -> None:
    data_log.note("b", "v1", "11")
    data_log.note("b", "v1", "22")
    data_log.note("b", "v1", "33")
    assert data_log.mixed() == {"b": ["v1", "v1", "v1"]}
    assert list(data_log.every()) == ["b", "b@v1", "b@v1:22"]


def test_what_was_saved_is_kept_apart_and_is_nothing_that_was_given() -> None:
    data_log.note("b", "v1", "11", "b/v1", saved=True)
    data_log.note("b", "v1", "11", "b/v1")
    assert list(data_log.saved()) == ["b"] and data_log.every() == {}
    data_log.note("b", "v0", "00", "b/v0")
    assert data_log.every()["b"]["version"] == "v0"
    data_log.clear()
    assert data_log.saved() == {}

"""Two threads never build a syntax tree at the same time while a run's code is read."""

from __future__ import annotations

import ast
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from fin_kedro.seals.sealing import RunRecord
from fin_kedro.seals.syntax_trees import one_syntax_tree_at_a_time


def in_threads(count: int) -> None:
    def parse(number: int) -> Any:
        return ast.parse(str(number))  # looked up now, as libraries do

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(parse, range(count)))


def test_without_turns_threads_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = threading.Barrier(4)
    with monkeypatch.context() as instead:
        instead.setattr(ast, "parse", lambda _: meeting.wait(10))
        in_threads(4)  # each waits inside until all are there


def test_threads_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = [0], [0]

    def parse(_: str) -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0)  # gives the interpreter away: another one may come in here
        inside[0] -= 1

    with monkeypatch.context() as instead:  # pytest itself parses what fails
        instead.setattr(ast, "parse", parse)
        with one_syntax_tree_at_a_time():
            in_threads(400)
        after = ast.parse
    assert most[0] == 1
    assert after is parse


def test_a_literal_is_read_in_turn_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries read their grammars by it: thousands of times when a report is imported."""
    asked: list[Any] = []
    real = ast.parse
    monkeypatch.setattr(
        ast, "parse", lambda *given, **more: asked.append(given) or real(*given, **more)
    )
    with one_syntax_tree_at_a_time():
        assert ast.literal_eval("[1, 2]") == [1, 2]
    assert len(asked) == 1


def test_turns_are_taken_while_a_run_s_code_is_read_and_no_longer(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, begun, go_on = ast.parse, threading.Event(), threading.Event()

    def code_of(*_: Any) -> Any:
        begun.set()
        go_on.wait(10)
        return {}, None

    monkeypatch.setattr(RunRecord, "_code_of", code_of)
    record = RunRecord(tmp_path, policy={"gates": {}})
    record.start({"run_id": "2026-01-01T00.00.00.000Z"}, Pipeline([]), DataCatalog())
    assert begun.wait(10)
    assert ast.parse is not plain
    go_on.set()
    record._helper.shutdown()  # waits for what was handed to it, callbacks too
    assert ast.parse is plain

"""Threads that build syntax trees take turns."""

from __future__ import annotations

import ast
import contextlib
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def one_syntax_tree_at_a_time() -> Iterator[None]:
    """Let threads take turns at `ast.parse`, and so at all that the `ast` module builds by it.

    CPython before 3.13 counts the depth of a tree per interpreter: two threads that build one at
    the same time get "SystemError: AST constructor recursion depth mismatch" (gh-106905). The
    sealing thread reads a run's code, while libraries that the run imports read their grammars.
    """
    parse, turn = ast.parse, threading.RLock()

    def parse_in_turn(*args: Any, **kwargs: Any) -> Any:
        with turn:
            return parse(*args, **kwargs)

    ast.parse = parse_in_turn
    try:
        yield
    finally:
        ast.parse = parse

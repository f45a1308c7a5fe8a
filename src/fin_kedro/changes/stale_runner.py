"""Runs what is stale, and stops where nothing comes out differently."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import chain
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro.runner.task import Task

from fin_kedro.changes.staleness import Decider


class StaleRunner(SequentialRunner):
    """A sequential runner that asks before each node whether it would make anything else.

    Args:
        decider: judges each node of the plan when its turn comes.
        is_async: load and save in threads.
    """

    def __init__(self, decider: Decider, is_async: bool = False) -> None:
        super().__init__(is_async=is_async)
        self._decider = decider

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Any,
        hook_manager: Any = None,
        run_id: str | None = None,
    ) -> None:
        """Run the nodes that must run, each in its turn."""
        nodes = {node.name: node for node in pipeline.nodes}
        loads = Counter(chain.from_iterable(node.inputs for node in pipeline.nodes))
        kept: list[Node] = []
        for node in pipeline.nodes:
            due = self._decider.turn(node.name)
            for name in due:
                self._execute(nodes[name], pipeline, catalog, hook_manager, run_id)
                self._release_datasets(nodes[name], catalog, loads, pipeline)
            if not due:
                kept.append(node)
        _say_kept([node.name for node in kept if node.name not in self._decider.ran])

    def _execute(
        self, node: Node, pipeline: Pipeline, catalog: Any, hook_manager: Any, run_id: str | None
    ) -> None:
        for name in node.outputs:
            dataset = catalog.get(name)
            if hasattr(dataset, "keep_identical"):
                dataset.keep_identical = True
        task = Task(
            node=node,
            catalog=catalog,
            hook_manager=hook_manager,
            is_async=self._is_async,
            run_id=run_id,
        )
        try:
            task.execute()
        except Exception:
            done = [other for other in pipeline.nodes if other.name in self._decider.ran]
            self._suggest_resume_scenario(pipeline, done, catalog)
            raise
        self._decider.done(node.name)


def _say_kept(names: list[str]) -> None:
    """Name the nodes that did not run after all."""
    for name in names:
        print(f"   kept  {name:<42} what it reads came out the same", file=sys.stderr, flush=True)

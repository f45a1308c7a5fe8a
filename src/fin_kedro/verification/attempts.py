"""Further executions of a sealed run, one factor swapped at a time, for the search of a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fin_kedro.verification.causes import Attempt
from fin_kedro.verification.conditions import World
from fin_kedro.verification.execution import Execution, Executor
from fin_kedro.verification.process import Say


class Attempts:
    """Executes with some factors as in `world` and the others as sealed; what `find_cause` asks.

    Args:
        executor: of the sealed run.
        world: the conditions under which it departed.
        say: told what is tried, a line at a time.
    """

    def __init__(self, executor: Executor, world: World, say: Say) -> None:
        self._executor, self._world, self._say = executor, world, say

    def __call__(self, factors: frozenset[str], steps: Sequence[str] | None) -> Attempt:
        """One more execution; steps alone where their sealed inputs are there."""
        world, execute = self._world.only(factors), self._executor.execute
        said = f"only {', '.join(sorted(factors))} as now" if factors else "all as sealed"
        self._say(f"  {said}: {', '.join(steps or ())}")
        alone = None if self._executor.sealed.is_notebook else steps
        if alone is not None and not self._executor.has_inputs(alone):
            alone = None
        try:
            made = execute(world, alone)
            if made.seal is None and alone is not None:
                made = execute(world)
        except (RuntimeError, ValueError) as error:
            return Attempt(content=None, problem=str(error))
        if made.seal is None:
            return Attempt(content=None, problem=str(made.error))
        return Attempt(content=self._with_inputs(made))

    def _with_inputs(self, made: Execution) -> Mapping[str, Any]:
        """The content of an execution of single steps: only raw data count as its data."""
        data, raw = made.content["data"], self._executor.sealed.raw
        read = {name: digest for name, digest in data["read"].items() if name in raw}
        return {**made.content, "data": {**data, "read": read}}

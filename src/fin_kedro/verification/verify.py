"""A sealed run executed again from its seal alone, compared with what it left, and graded.

Code comes from the commit, data by content hash, parameters and selection as recorded; the
environment is held against the lock. `World` says which of these shall be another instead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from fin_kedro.seals.seal import check_seal
from fin_kedro.seals.withholding import not_executable
from fin_kedro.verification.attempts import Attempts
from fin_kedro.verification.causes import Cause, find_cause
from fin_kedro.verification.comparison import Comparison, Rules
from fin_kedro.verification.conditions import SEALED, VerifyError, World
from fin_kedro.verification.consistency import check_consistent, check_places
from fin_kedro.verification.entries import entered
from fin_kedro.verification.environment import (
    compare_environment,
    environment_words,
    name_libraries,
)
from fin_kedro.verification.execution import Execution, Executor
from fin_kedro.verification.grading import grade, project_rules
from fin_kedro.verification.outcome import Verification
from fin_kedro.verification.process import Say
from fin_kedro.verification.sealed_run import Sealed


class Verifier:
    """Executes one sealed run again, under the world that is asked for.

    Args:
        sealed: the run.
        world: conditions that shall differ from the sealed ones.
        rules: what counts as the same; the project's by default.
        at_least: the grade that holds, instead of that of the rules.
        keep: leave the scratch checkouts behind.
        say: told what is going on, a line at a time.
    """

    def __init__(
        self,
        sealed: Sealed,
        world: World | None = None,
        *,
        rules: Rules | None = None,
        at_least: str | None = None,
        keep: bool = False,
        say: Say = lambda _: None,
    ) -> None:
        check_places(sealed.content["subject"])
        self.sealed, self.world = sealed, world or World()
        self.rules = (rules or project_rules(sealed.project, sealed.env)).asking(at_least)
        self._keep, self._say = keep, say
        self._executor = Executor(sealed, keep=keep)

    def __enter__(self) -> Verifier:
        """Scratch checkouts live until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove them."""
        self._executor.close()

    @cached_property
    def environment(self) -> dict[str, Any]:
        """The interpreter's distributions against the project's lock, and the sealed ones."""
        return compare_environment(self.sealed, self.world)

    def environment_words(self) -> str:
        """One line about the environment."""
        return environment_words(self.environment)

    def verify(self, *, causes: bool = True) -> Verification:
        """Execute again, compare, and name the cause of what is not identical.

        Raises SealError when the seal itself does not check, VerifyError, WorktreeError or
        InputError when the run cannot be executed again.
        """
        began, sealed = time.perf_counter(), self.sealed
        self._check()
        forged, said = entered(sealed.seal, sealed.path, project=sealed.project, env=sealed.env)
        made = self._execute()
        hash_of = self._executor.places.hash_of
        comparison, altered = grade(sealed, made, rules=self.rules, hash_of=hash_of)
        by_itself = altered is not None and altered.kind == "seal"  # it says where, too
        cause = altered if by_itself or forged is None else forged
        if cause is None and comparison.grade != "A" and causes:
            cause = self._cause(made, comparison)
        return Verification(
            run=sealed.run,
            subject=sealed.subject,
            grade=comparison.grade,
            holds=self.rules.accepts(comparison.grade) and forged is None,
            comparison=comparison,
            cause=cause,
            notes=(*made.notes, *said, *self._outcomes(made)),
            environment=self.environment_words(),
            world=self.world.said(),
            seconds=time.perf_counter() - began,
            digest=str(sealed.seal["digest"]),
            kept=str(made.project) if self._keep else None,
        )

    def _check(self) -> None:
        """Raise for a seal that does not check, or that lacks what executing it again needs."""
        sealed = self.sealed
        check_seal(sealed.seal)
        check_consistent(sealed.content)
        withheld = self.world.code == SEALED and sealed.lacks_patch
        if why := not_executable(sealed.content, code=withheld and not sealed.is_code_of_tree()):
            raise VerifyError(why)

    def _execute(self) -> Execution:
        """The execution that is compared; what it made may serve later ones as an input."""
        self._say(f"executing {self.sealed.subject} again")
        made = self._executor.execute(self.world)
        self._executor.roots.append(made.project)
        if made.seal is None:
            raise VerifyError(f"{self.sealed.subject} could not be executed again: {made.error}")
        return made

    def _outcomes(self, made: Execution) -> Iterator[str]:
        """A note where only one of both executions came to its end."""
        outcomes = self.sealed.content["outcome"], made.content["outcome"]
        if outcomes == ("completed", "failed"):
            yield f"this time it failed: {made.error}"
        if outcomes == ("failed", "completed"):
            yield "the sealed run had failed; this time it came to its end"

    def _cause(self, made: Execution, comparison: Comparison) -> Cause:
        steps = list(dict.fromkeys(output.step for output in comparison.departing))
        self._say(f"{steps[0]} departs; looking for the cause, one factor at a time")
        cause = find_cause(
            sealed=self.sealed.content,
            found=made.content,
            departing=steps,
            attempt=Attempts(self._executor, self.world, self._say),
        )
        if "environment" in cause.factors:
            details = name_libraries(cause.details, self.sealed, self.environment)
            return replace(cause, details=details)
        if made.error and cause.kind == "unknown":
            return replace(cause, sentence=f"it failed this time: {made.error.splitlines()[0]}")
        return cause

"""Which nodes of a pipeline would give something else today than what lies on disk, and why.

A node is judged by what its outputs were made of (the seal of the run that made them) against what
it would be given now. Content counts, not time: a file written again with the same content
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

State = Literal["fresh", "stale", "downstream", "missing", "unknown"]
STATES: tuple[State, ...] = ("fresh", "stale", "downstream", "missing", "unknown")
# What may be said instead of the run that made a dataset.
GONE, UNSEALED, ELSEWHERE = "gone", "unsealed", "elsewhere"


@dataclass(frozen=True)
class Step:
    """A node as far as staleness goes: what it reads, its parameters apart, and what it makes."""

    name: str
    reads: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Making:
    """What one node was given in one run.

    `code`: module or file to hash, of everything the run's nodes rest on; `parameters`: values by
    name; `read`: content hash by dataset, where a dataset has one.
    """

    code: Mapping[str, str]
    parameters: Mapping[str, Any]
    read: Mapping[str, str]


@dataclass(frozen=True)
class Reason:
    """One thing that is not as it was: its kind, its name, and how it changed."""

    kind: Literal["code", "data", "parameters", "output"]
    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what} {self.detail}"


@dataclass(frozen=True)
class NodeState:
    """How a node stands: its state, why, which run made its outputs, and after which nodes."""

    node: str
    state: State
    reasons: tuple[Reason, ...] = ()
    run: str | None = None
    after: tuple[str, ...] = ()


class Evidence(Protocol):
    """What is known of the past, and what is there now."""

    def kept(self, dataset: str) -> bool:
        """Whether a dataset outlives the run (it is not only in memory)."""

    def origin(self, dataset: str) -> str:
        """The run that made what is there now; GONE, UNSEALED, or ELSEWHERE (no local file)."""

    def spoilt(self, dataset: str) -> bool:
        """Whether a file was changed after its run had made it."""

    def making(self, run: str, node: str) -> Making | None:
        """What a node was given in a run; None when the run had no such node."""

    def last_run(self, node: str, until: str | None = None) -> str | None:
        """The newest run that ran a node to its end, up to and with a run if one is named."""

    def content(self, dataset: str) -> str | None:
        """Content hash of what is there now; None where there is none, or no local file."""

    def code(self, node: str) -> Mapping[str, str]:
        """Module or file to hash, of everything a node rests on now."""

    def parameter(self, name: str) -> Any:
        """The value of a parameter now, as a seal would record it."""


class Judge:
    """Judges the steps of a pipeline.

    Args:
        steps: in an order in which they can run.
        evidence: of the past and of the present.
    """

    def __init__(self, steps: Sequence[Step], evidence: Evidence) -> None:
        self.steps = {step.name: step for step in steps}
        self.evidence = evidence
        self.maker = {name: step.name for step in steps for name in step.makes}

    def states(self) -> dict[str, NodeState]:
        """The state of every step, in their order; what follows a step that is not fresh is
        ``downstream`` of it."""
        found: dict[str, NodeState] = {}
        for name in self.steps:
            own = self.alone(name)
            after = self._after(name, found) if own.state == "fresh" else ()
            found[name] = NodeState(name, "downstream", (), own.run, after) if after else own
        return found

    def _after(self, name: str, found: Mapping[str, NodeState]) -> tuple[str, ...]:
        """The steps before this one that are the cause, those between left out."""
        causes: dict[str, None] = {}
        for parent in self.parents(name):
            state = found[parent]
            if state.state != "fresh":
                causes |= dict.fromkeys(state.after or (parent,))
        return tuple(causes)

    def parents(self, name: str) -> tuple[str, ...]:
        """The steps that make what this one reads."""
        makers = (self.maker.get(dataset) for dataset in self.steps[name].reads)
        return tuple(dict.fromkeys(maker for maker in makers if maker is not None))

    def alone(self, name: str) -> NodeState:
        """The state of one step by its own evidence, whatever becomes of the steps before it."""
        kept = self._kept_outputs(name)
        if self.waits(name):
            return self._by_its_readers(name)
        origins = {dataset: self.evidence.origin(dataset) for dataset in kept}
        here = {d: origin for d, origin in origins.items() if origin != ELSEWHERE}
        for origin, state, detail in (
            (GONE, "missing", "is not there"),
            (UNSEALED, "unknown", "was made by a run that left no seal"),
        ):
            named = [Reason("output", d, detail) for d, found in here.items() if found == origin]
            if named:
                return NodeState(name, state, tuple(named))  # type: ignore[arg-type]
        if len(set(here.values())) > 1:
            mixed = Reason("output", ", ".join(here), "are of different runs")
            return NodeState(name, "stale", (mixed,), max(here.values()))
        run = next(iter(here.values()), None) or self.evidence.last_run(name)
        if run is None:
            return NodeState(name, "missing", (Reason("output", name, "has not run yet"),))
        return self._judged(name, run, [d for d in here if self.evidence.spoilt(d)])

    def _judged(self, name: str, run: str, spoilt: Iterable[str]) -> NodeState:
        reasons = [Reason("output", d, "was changed after it was made") for d in spoilt]
        for step in (name, *self.memory_makers(name)):
            reasons += self._changes(step, run)
        reasons = list(dict.fromkeys(reasons))
        return NodeState(name, "stale" if reasons else "fresh", tuple(reasons), run)

    def waits(self, name: str) -> bool:
        """Whether a step makes nothing that is kept, and is only run for those that read it."""
        return name in self._readers_of_memory and not self._kept_outputs(name)

    def _by_its_readers(self, name: str) -> NodeState:
        """What is only in memory was made in the runs of those that read it."""
        readers = [r for r in self._readers_of_memory[name] if not self.waits(r)]
        runs = {run for reader in readers if (run := self._run_of(reader))}
        changes = [reason for run in sorted(runs) for reason in self._changes(name, run)]
        reasons = tuple(dict.fromkeys(changes))
        return NodeState(name, "stale" if reasons else "fresh", reasons, max(runs, default=None))

    def _run_of(self, name: str) -> str | None:
        """The one run that made all of a step's outputs."""
        runs = {self.evidence.origin(d) for d in self._kept_outputs(name)} - {ELSEWHERE}
        if not runs:
            return self.evidence.last_run(name)
        return None if len(runs) > 1 or runs & {GONE, UNSEALED} else runs.pop()

    def _kept_outputs(self, name: str) -> list[str]:
        return [d for d in self.steps[name].makes if self.evidence.kept(d)]

    def memory_makers(self, name: str) -> tuple[str, ...]:
        """The steps whose data this one can only get by running them before it, nearest first."""
        found: dict[str, None] = {}
        waiting = [name]
        while waiting:
            step = self.steps[waiting.pop(0)]
            lost = [d for d in step.reads if d in self.maker and not self.evidence.kept(d)]
            new = [self.maker[d] for d in lost if self.maker[d] not in found]
            found |= dict.fromkeys(new)
            waiting += new
        return tuple(found)

    @cached_property
    def _readers_of_memory(self) -> dict[str, list[str]]:
        """For each step whose data is only in memory: the steps with evidence that need it."""
        found: dict[str, list[str]] = {}
        for name in self.steps:
            for maker in self.memory_makers(name):
                found.setdefault(maker, []).append(name)
        return found

    def _changes(self, name: str, run: str) -> list[Reason]:
        """What is not as it was in a run."""
        making = self.evidence.making(run, name)
        if making is None:
            return [Reason("code", name, f"did not run to its end in run {run}")]
        return [
            *code_changes(making.code, self.evidence.code(name)),
            *self._changed_parameters(name, making),
            *self._changed_data(name, making, run),
        ]

    def _changed_parameters(self, name: str, making: Making) -> list[Reason]:
        found = []
        for parameter in self.steps[name].parameters:
            before, now = making.parameters.get(parameter), self.evidence.parameter(parameter)
            # a workflow's part of the policy is called as it is in conf
            for key, old, new in leaf_changes(before, now, parameter.partition(":")[0]):
                found.append(Reason("parameters", key, f"{shown(old)} → {shown(new)}"))
        return found

    def _changed_data(self, name: str, making: Making, run: str) -> list[Reason]:
        reads = self.steps[name].reads
        gone = [Reason("data", d, "is no longer read") for d in making.read if d not in reads]
        found = ((d, self._changed(d, making, run)) for d in reads)
        return gone + [Reason("data", d, detail) for d, detail in found if detail]

    def _changed(self, dataset: str, making: Making, run: str) -> str:
        """How an input differs from what was read; empty when it does not."""
        before, now = making.read.get(dataset), self.evidence.content(dataset)
        if before is None and now is None:
            maker = self.maker.get(dataset) if self.evidence.kept(dataset) else None
            return "was made anew" if maker and not self._same_since(maker, run) else ""
        if before is None:
            return "is read now"
        if now is None:
            return "" if dataset in self.maker else "is not there"
        return "" if before == now else "changed"

    def _same_since(self, name: str, run: str) -> bool:
        """Whether a step was given the same at its last run as at its last one up to `run`.

        That is how data without a content hash (a table in a database) are known not to differ.
        """
        for step in (name, *self.memory_makers(name)):
            first, last = (self._last_making(step, until) for until in (run, None))
            if first is None or last is None or not self._same_making(step, first, last):
                return False
            unhashed = set(self.steps[step].reads) - set(last.read)
            makers = {self.maker.get(d) for d in unhashed if self.evidence.kept(d)} - {None}
            if not all(self._same_since(maker, run) for maker in makers if maker):
                return False
        return True

    def _last_making(self, name: str, until: str | None) -> Making | None:
        run = self.evidence.last_run(name, until)
        return self.evidence.making(run, name) if run else None

    def _same_making(self, name: str, first: Making, last: Making) -> bool:
        modules, given = self.evidence.code(name), self.steps[name].parameters
        return (
            first.read == last.read
            and all(first.code.get(m) == last.code.get(m) for m in modules)
            and all(_same(first.parameters.get(p), last.parameters.get(p)) for p in given)
        )


def code_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[Reason]:
    """Which of the modules that count now are new or have another hash."""
    changed = {name: before.get(name) for name, digest in now.items() if before.get(name) != digest}
    return [Reason("code", n, "changed" if old else "is new") for n, old in changed.items()]


def leaf_changes(before: Any, now: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """Leaves that differ, as (dotted key, old, new); a list counts as one leaf, and so does what
    is missing on one side (`MISSING`)."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return [] if _same(before, now) else [(name, before, now)]
    found = []
    for key in dict.fromkeys([*before, *now]):
        inner = f"{name}.{key}".replace(".[", "[") if name else str(key)
        old, new = before.get(key, MISSING), now.get(key, MISSING)
        found += leaf_changes(old, new, inner)
    return found


def _same(before: Any, now: Any) -> bool:
    """Equality as JSON has it: a tuple is a list, and true is not 1."""
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        return len(before) == len(now) and all(map(_same, before, now))
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return not leaf_changes(before, now)
    return before is now or (
        isinstance(before, bool) == isinstance(now, bool) and bool(before == now)
    )


class _Missing:
    """Stands for a key that one side does not have."""

    def __repr__(self) -> str:
        return "(not set)"


MISSING = _Missing()


def shown(value: Any, width: int = 48) -> str:
    """A value for a line of text, cut where it is long."""
    text = repr(value) if not isinstance(value, str) else value or "(empty)"
    return text if len(text) <= width else f"{text[: width - 1]}…"


@dataclass(frozen=True)
class Plan:
    """What `kedro run --stale` looks at: states of all steps, and those that may have to run."""

    states: Mapping[str, NodeState]
    steps: tuple[str, ...]

    @property
    def causes(self) -> list[NodeState]:
        """The steps that have a reason of their own."""
        own = ("stale", "missing", "unknown")
        return [self.states[name] for name in self.steps if self.states[name].state in own]


def make_plan(judge: Judge) -> Plan:
    """Every step that is not fresh, and the makers of what they read that is only in memory."""
    states = judge.states()
    waiting = {name for name, state in states.items() if state.state != "fresh"}
    waiting |= {maker for name in waiting for maker in judge.memory_makers(name)}
    return Plan(states, tuple(name for name in judge.steps if name in waiting))


class Decider:
    """Decides while a run goes on, so that it stops early where nothing comes out differently.

    Each step of the plan is judged again when its turn comes, with what the steps before it have
    made by then. A step whose data is only in memory waits until one that reads it must run.
    """

    def __init__(self, judge: Judge, plan: Plan) -> None:
        self._judge, self._plan = judge, plan
        self.ran: list[str] = []
        self._new: set[str] = set()  # those that did not only run for what was in memory

    def turn(self, name: str) -> list[str]:
        """The steps to run now, `name` last; none when `name` keeps what it has, or waits."""
        if name in self.ran or name not in self._plan.steps or self._judge.waits(name):
            return []
        if self._keeps(name):
            return []
        makers = self._judge.memory_makers(name)
        first = [m for m in self._judge.steps if m in makers and m not in self.ran]
        self._new |= {name, *(maker for maker in first if not self._keeps(maker))}
        return [*first, name]

    def done(self, name: str) -> None:
        """Note that a step has run."""
        self.ran.append(name)

    def _keeps(self, name: str) -> bool:
        """Whether a step would make what is there: then it runs only for those that read it."""
        judge = self._judge
        with_memory = (name, *judge.memory_makers(name))
        return judge.alone(name).state == "fresh" and not any(map(self._fed_anew, with_memory))

    def _fed_anew(self, name: str) -> bool:
        """Whether an input that has no content hash was made in this run."""
        judge, evidence = self._judge, self._judge.evidence
        made = [d for d in judge.steps[name].reads if judge.maker.get(d) in self._new]
        return any(evidence.kept(d) and evidence.content(d) is None for d in made)

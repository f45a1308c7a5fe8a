"""Staleness over random pipelines, against a reference that recomputes everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.changes.staleness import (
    ELSEWHERE,
    GONE,
    MISSING,
    UNSEALED,
    Decider,
    Judge,
    Making,
    Step,
    code_changes,
    leaf_changes,
    make_plan,
)

KINDS = ("kept", "memory", "elsewhere")


@dataclass
class World:
    """A project in miniature: contents are small numbers, so that equal ones come about often."""

    steps: list[Step]
    kinds: dict[str, str]
    revisions: dict[str, int]
    parameters: dict[str, int]
    disk: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    seals: dict[str, dict[str, Making]] = field(default_factory=dict)
    runs: int = 0
    spoilt_versions: set[tuple[str, str]] = field(default_factory=set)

    def compute(self, step: Step, contents: Mapping[str, int]) -> dict[str, int]:
        """What a step makes of its inputs: three possible contents for each output."""
        given = (self.revisions[step.name], *(self.parameters[p] for p in step.parameters))
        read = tuple(contents[d] for d in step.reads)
        return {d: hash((given, read, i)) % 3 for i, d in enumerate(step.makes)}

    def raw(self) -> dict[str, int]:
        made = {d for step in self.steps for d in step.makes}
        return {d: versions[-1][1] for d, versions in self.disk.items() if d not in made}

    def whole(self) -> dict[str, int]:
        """The reference: everything computed anew."""
        contents = self.raw()
        for step in self.steps:
            contents |= self.compute(step, contents)
        return contents

    def newest(self, dataset: str) -> int | None:
        versions = self.disk.get(dataset)
        return versions[-1][1] if versions else None

    def execute(self, step: Step, run: str, memory: dict[str, int]) -> Making:
        contents = {
            d: memory[d] if self.kinds[d] == "memory" else self.newest(d) for d in step.reads
        }
        assert None not in contents.values(), "a node was run before its inputs were there"
        for dataset, content in self.compute(step, contents).items():  # type: ignore[arg-type]
            if self.kinds[dataset] == "memory":
                memory[dataset] = content
            else:
                self.disk.setdefault(dataset, []).append((run, content))
        read = {d: str(c) for d, c in contents.items() if self.kinds[d] == "kept"}
        parameters = {p: self.parameters[p] for p in step.parameters}
        return Making({step.name: str(self.revisions[step.name])}, parameters, read)

    def next_run(self) -> str:
        self.runs += 1
        return f"run-{self.runs:04}"

    def run(self, names: list[str], *, sealed: bool = True) -> None:
        """An ordinary run of some steps, with those whose data it only has in memory."""
        run, memory, makings = self.next_run(), {}, {}
        for step in self.steps:
            if step.name in names:
                makings[step.name] = self.execute(step, run, memory)
        if sealed:
            self.seals[run] = makings

    def run_stale(self) -> list[str]:
        """`kedro run --stale`: what ran, in its order."""
        judge = Judge(self.steps, self)
        plan = make_plan(judge)
        decider, run, memory, makings = Decider(judge, plan), self.next_run(), {}, {}
        for step in self.steps:
            for name in decider.turn(step.name):
                self.check_need(name, judge, decider)
                makings[name] = self.execute(judge.steps[name], run, memory)
                decider.done(name)
        self.seals[run] = makings
        return decider.ran

    def check_need(self, name: str, judge: Judge, decider: Decider) -> None:
        """By plain comparison: no step runs whose outputs are there, made of what is there now."""
        step = judge.steps[name]
        files = [d for d in step.makes if self.kinds[d] == "kept"]
        if not files:
            return  # nothing shows what it was made of, or another step needs its data
        if any(not self.disk.get(d) for d in files):
            return
        runs = {self.disk[d][-1][0] for d in files}
        if len(runs) > 1 or not runs <= set(self.seals) or any(map(self.spoilt, files)):
            return
        memory = [judge.steps[n] for n in judge.memory_makers(name)]
        fed = [d for s in (step, *memory) for d in s.reads if self.kinds[d] == "elsewhere"]
        readers = [s.name for s in self.steps if name in judge.memory_makers(s.name)]
        past = self.seals[runs.pop()]
        same = all(
            past.get(n) is not None
            and past[n].code == self.code(n)
            and all(past[n].parameters[p] == self.parameters[p] for p in past[n].parameters)
            and all(content == str(self.newest(d)) for d, content in past[n].read.items())
            for n in (name, *judge.memory_makers(name))
        )
        assert not same or fed or readers, f"{name} ran without need"

    def kept(self, dataset: str) -> bool:
        return self.kinds[dataset] != "memory"

    def origin(self, dataset: str) -> str:
        if self.kinds[dataset] == "elsewhere":
            return ELSEWHERE
        if not self.disk.get(dataset):
            return GONE
        run = self.disk[dataset][-1][0]
        return run if run in self.seals else UNSEALED

    def spoilt(self, dataset: str) -> bool:
        return (dataset, self.disk[dataset][-1][0]) in self.spoilt_versions

    def making(self, run: str, node: str) -> Making | None:
        return self.seals[run].get(node)

    def last_run(self, node: str, until: str | None = None) -> str | None:
        runs = [run for run, makings in self.seals.items() if node in makings]
        return max((run for run in runs if until is None or run <= until), default=None)

    def content(self, dataset: str) -> str | None:
        newest = self.newest(dataset)
        return str(newest) if self.kinds[dataset] == "kept" and newest is not None else None

    def code(self, node: str) -> dict[str, str]:
        return {node: str(self.revisions[node])}

    def parameter(self, name: str) -> Any:
        return self.parameters[name]


@st.composite
def worlds(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS) -> World:
    """A pipeline of up to seven steps over two raw tables and three parameters; it has run once."""
    raw, steps = ["raw0", "raw1"], []
    kind = dict.fromkeys(raw, "kept")
    for number in range(draw(st.integers(1, 7))):
        reads = draw(st.lists(st.sampled_from([*kind]), max_size=3, unique=True))
        makes = [f"d{number}.{i}" for i in range(draw(st.integers(1, 2)))]
        given = draw(st.lists(st.sampled_from(["p0", "p1", "p2"]), max_size=2, unique=True))
        steps.append(Step(f"s{number}", tuple(reads), tuple(given), tuple(makes)))
        kind |= {d: draw(st.sampled_from(kinds)) for d in makes}
    world = World(steps, kind, {s.name: 0 for s in steps}, {"p0": 0, "p1": 0, "p2": 0})
    world.disk = {name: [("given", 0)] for name in raw}
    world.run([s.name for s in steps])
    return world


def runnable(world: World, wanted: set[str]) -> list[str]:
    """Those of the wanted steps that could run now, with the makers of what is only in memory."""
    judge, chosen, there = Judge(world.steps, world), [], set()
    needed = wanted | {m for name in wanted for m in judge.memory_makers(name)}
    there = {d for d, versions in world.disk.items() if versions}
    for step in world.steps:
        if step.name in needed and set(step.reads) <= there:
            chosen.append(step.name)
            there |= set(step.makes)
    return chosen


def change(world: World, data: st.DataObject) -> None:
    """One thing that happens to a project between two looks at it."""
    step = data.draw(st.sampled_from(world.steps))
    files = [d for d in step.makes if world.kinds[d] == "kept" and world.disk.get(d)]
    kinds = ["nothing", "code", "parameter", "raw", "partial run"]
    if "elsewhere" not in world.kinds.values():
        kinds.append("killed run")  # what a killed run did elsewhere, nobody knows
    if files:
        kinds += ["delete", "spoil"]
    number = data.draw(st.integers(0, 3))
    match data.draw(st.sampled_from(kinds)):
        case "code":
            world.revisions[step.name] = number
        case "parameter":
            world.parameters[f"p{number % 3}"] = data.draw(st.integers(0, 2))
        case "raw":
            world.disk[f"raw{number % 2}"].append(("given", data.draw(st.integers(0, 2))))
        case "partial run" | "killed run" as kind:
            some = data.draw(st.sets(st.sampled_from([s.name for s in world.steps])))
            world.run(runnable(world, some), sealed=kind == "partial run")
        case "delete":
            world.disk[files[0]].pop()
        case "spoil":
            run, content = world.disk[files[0]][-1]
            world.disk[files[0]][-1] = (run, (content + 1) % 3)
            world.spoilt_versions.add((files[0], run))


def contents_on_disk(world: World) -> dict[str, int | None]:
    return {d: world.newest(d) for s in world.steps for d in s.makes if world.kept(d)}


@given(world=worlds(), data=st.data())
def test_what_is_called_fresh_is_what_a_whole_run_would_make(world: World, data: Any) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        change(world, data)
    states = Judge(world.steps, world).states()
    expected, found = world.whole(), contents_on_disk(world)
    for step in world.steps:
        if states[step.name].state == "fresh":
            kept = [d for d in step.makes if world.kept(d)]
            assert {d: found[d] for d in kept} == {d: expected[d] for d in kept}


@given(world=worlds(), data=st.data())
def test_a_stale_run_leaves_what_a_whole_run_would_and_runs_nothing_twice(
    world: World, data: Any
) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        for _ in range(data.draw(st.integers(1, 3))):
            change(world, data)
        world.run_stale()
        expected = world.whole()
        assert contents_on_disk(world) == {d: expected[d] for d in contents_on_disk(world)}
        states = Judge(world.steps, world).states()
        assert {s.state for s in states.values()} == {"fresh"}, states
        assert world.run_stale() == []


@given(world=worlds())
def test_nothing_changed_nothing_runs(world: World) -> None:
    assert not make_plan(Judge(world.steps, world)).steps
    assert world.run_stale() == []


@given(world=worlds(("kept",)), data=st.data())
def test_a_changed_parameter_makes_its_readers_stale_and_what_follows_downstream(
    world: World, data: Any
) -> None:
    world.parameters["p0"] = 1
    states = Judge(world.steps, world).states()
    stale = {s.name for s in world.steps if "p0" in s.parameters}
    downstream: set[str] = set()
    for step in world.steps:
        makers = {s.name for s in world.steps if set(s.makes) & set(step.reads)}
        if step.name not in stale and makers & (stale | downstream):
            downstream.add(step.name)
    assert {n for n, s in states.items() if s.state == "stale"} == stale
    assert {n for n, s in states.items() if s.state == "downstream"} == downstream
    assert all(set(states[name].after) <= stale for name in downstream)
    for name in stale:
        assert [str(r) for r in states[name].reasons] == ["parameters: p0 0 → 1"]


def chain(*kinds: str) -> World:
    """raw0 → s0 → s1 → ..., where each step's data is of the kind given."""
    names = ["raw0", *(f"d{i}" for i in range(len(kinds)))]
    steps = [Step(f"s{i}", (names[i],), (), (names[i + 1],)) for i in range(len(kinds))]
    kind = {"raw0": "kept", **{f"d{i}": k for i, k in enumerate(kinds)}}
    world = World(steps, kind, {s.name: 0 for s in steps}, {}, {"raw0": [("given", 0)]})
    world.run([s.name for s in steps])
    return world


def test_a_step_whose_data_is_only_in_memory_runs_again_for_one_that_needs_it() -> None:
    world = chain("memory", "memory", "kept", "kept")
    world.revisions["s2"] = 1
    assert [*make_plan(Judge(world.steps, world)).steps] == ["s0", "s1", "s2", "s3"]
    ran = world.run_stale()
    assert ran[:3] == ["s0", "s1", "s2"]


def test_two_outputs_of_different_runs_are_stale_together() -> None:
    step = Step("s0", ("raw0",), (), ("d0", "d1"))
    kinds = dict.fromkeys(("raw0", "d0", "d1"), "kept")
    world = World([step], kinds, {"s0": 0}, {}, {"raw0": [("given", 0)]})
    world.run(["s0"])
    world.run(["s0"])
    world.disk["d0"].pop()  # the newer one is gone: what is there is of the run before
    state = Judge(world.steps, world).states()["s0"]
    assert state.state == "stale"
    assert [str(reason) for reason in state.reasons] == ["output: d0, d1 are of different runs"]


def test_a_run_stops_where_nothing_comes_out_differently() -> None:
    world = chain("kept", "kept", "kept")
    same = next(r for r in range(1, 50) if hash(((r,), (0,), 0)) % 3 == world.disk["d0"][-1][1])
    world.revisions["s0"] = same
    assert {n: s.state for n, s in Judge(world.steps, world).states().items()} == {
        "s0": "stale", "s1": "downstream", "s2": "downstream",
    }  # fmt: skip
    assert world.run_stale() == ["s0"]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("x.a.c", 2, 3)]),
        ({"a": 1}, {}, [("x.a", 1, MISSING)]),
        ({}, {"a": None}, [("x.a", MISSING, None)]),
        ({"a": [1, (2, 3)]}, {"a": [1, [2, 3]]}, []),
        ({"a": 1}, {"a": True}, [("x.a", 1, True)]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": {"b": 1}}, {"a": 3}, [("x.a", {"b": 1}, 3)]),
    ],
)
def test_leaves_that_differ(before: Any, now: Any, expected: list[Any]) -> None:
    assert leaf_changes(before, now, "x") == expected


def test_code_that_is_no_longer_needed_is_no_change() -> None:
    before = {"a": "1", "b": "2", "other": "3"}
    assert [str(r) for r in code_changes(before, {"a": "1", "b": "9", "c": "4"})] == [
        "code: b changed",
        "code: c is new",
    ]

"""The cause of a departure: one factor is swapped at a time, in a world of plain functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from fin_kedro.storage.canonical import json_hash
from fin_kedro.verification.causes import FACTORS, Attempt, Cause, differing, find_cause, shorten

Step = Callable[[Mapping[str, Any]], Any]
SEALED: dict[str, Any] = {"data": 1, "code": 1, "parameters": 1, "environment": 1, "threads": 1}


def content(world: Mapping[str, Any], steps: Mapping[str, Step], only: Sequence[str] | None = None):
    """Content of the seal of a run in a world: `first` reads raw data, each next one the last."""
    written, read = (
        {},
        {"raw": f"raw {world['data']}", "params:p": json_hash({"x": world["parameters"]})},
    )
    for name, step in steps.items():
        if only is None or name in only:
            written[name] = {"read": dict(read), "written": {f"{name}_out": json_hash(step(world))}}
        read = {f"{name}_out": ""}
    return {
        "kind": "pipeline",
        "environment": {
            "distributions": f"d{world['environment']}", "python": {"version": "3.11"},
            "threads": {"used": world["threads"]}, "fixed": {"TZ": "UTC"}, "lock": "l",
        },
        "code": {
            "nodes": dict.fromkeys(steps, f"n{world['code']}"),
            "modules": {"pack.nodes": f"m{world['code']}"}, "notebooks": {},
        },
        "parameters": {"p": {"x": world["parameters"]}},
        "steps": written,
        "data": {"read": {"raw": f"raw {world['data']}"}, "written": {}},
    }  # fmt: skip


def cause_of(
    steps: Mapping[str, Step],
    *,
    fixed: Sequence[str] = (),
    tries: list[Any] | None = None,
    **other: Any,
) -> Cause:
    """The cause found where `other` factors differ; those in `fixed` cannot be put back."""
    now = {**SEALED, **other}

    def attempt(factors: frozenset[str], only: Sequence[str] | None) -> Attempt:
        world = {f: now[f] if f in factors or f in fixed else SEALED[f] for f in FACTORS}
        if tries is not None:
            tries.append((sorted(factors), only))
        return Attempt(content=content(world, steps, only))

    sealed, found = content(SEALED, steps), content(now, steps)
    departing = [s for s in steps if sealed["steps"][s]["written"] != found["steps"][s]["written"]]
    return find_cause(sealed=sealed, found=found, departing=departing, attempt=attempt)


def of(*factors: str) -> Step:
    """A step whose result depends on some factors."""
    return lambda world: [world[factor] for factor in factors]


@pytest.mark.parametrize("factor", FACTORS)
def test_the_only_factor_that_differs_is_put_back(factor: str) -> None:
    tries: list[Any] = []
    found = cause_of({"first": of("threads"), "fit": of(*FACTORS)}, tries=tries, **{factor: 2})
    assert (found.kind, found.factors) == ("factor", (factor,))
    assert tries == [([], ["first" if factor == "threads" else "fit"])], "one step, once"
    assert "gives the sealed output again" in found.sentence


def test_details_say_what_changed() -> None:
    assert cause_of({"fit": of("parameters")}, parameters=7).details == ("p.x: 1 became 7",)
    assert cause_of({"fit": of("code")}, code=2).details == ("pack.nodes",)
    assert cause_of({"fit": of("data")}, data=2).details == ("raw",)
    assert cause_of({"fit": of("threads")}, threads=2).details == ("used: 1 became 2",)


def test_a_factor_that_cannot_be_put_back_is_found_by_elimination() -> None:
    found = cause_of({"fit": of("environment")}, environment=2, fixed=["environment"])
    assert (found.kind, found.factors) == ("factor", ("environment",))
    assert "could not be put back" in found.sentence


def test_of_two_factors_the_one_that_acts_is_named() -> None:
    found = cause_of({"fit": of("parameters")}, parameters=2, threads=2)
    assert (found.kind, found.factors) == ("factor", ("parameters",))
    assert "threads differs too, and changes nothing" in found.sentence


def test_two_factors_that_each_act_are_both_named() -> None:
    found = cause_of({"fit": of("data", "parameters")}, data=2, parameters=2)
    assert (found.kind, found.factors) == ("factors", ("data", "parameters"))


def test_a_factor_is_tried_where_it_touches() -> None:
    tries: list[Any] = []
    steps = {"fit": of("data"), "decide": of("threads")}
    found = cause_of(steps, data=2, threads=2, tries=tries)
    assert (["data"], ["fit"]) in tries
    assert found.factors == ("data",)


def test_no_single_factor() -> None:
    def together(world: Mapping[str, Any]) -> bool:
        return world["code"] == 2 and world["parameters"] == 2

    found = cause_of({"fit": together}, code=2, parameters=2)
    assert (found.kind, found.factors) == ("together", ("code", "parameters"))
    assert found.sentence.startswith("no single factor")


def test_beside_one_that_cannot_be_put_back_the_other_is_cleared() -> None:
    found = cause_of({"fit": of("environment")}, environment=2, threads=2, fixed=["environment"])
    assert (found.kind, found.factors) == ("factor", ("environment",))


def test_a_step_that_gives_another_result_each_time() -> None:
    counter = itertools.count()
    found = cause_of({"draw": lambda _: next(counter)})
    assert found.kind == "chance"
    assert "seed it" in found.sentence


def test_chance_is_told_from_a_factor_that_differs_beside_it() -> None:
    counter = itertools.count()
    assert cause_of({"draw": lambda _: next(counter)}, threads=2).kind == "chance"


def test_nothing_differs_and_the_same_comes_again() -> None:
    now = {**SEALED}
    steps = {"fit": of("data")}
    sealed = content(SEALED, steps)
    sealed["steps"]["fit"]["written"]["fit_out"] = "something else"
    found = find_cause(
        sealed=sealed, found=content(now, steps), departing=["fit"],
        attempt=lambda _, only: Attempt(content=content(now, steps, only)),
    )  # fmt: skip
    assert found.kind == "unknown"
    assert "altered" in found.sentence


def test_an_execution_that_fails_is_noted() -> None:
    steps = {"fit": of("data")}
    found = find_cause(
        sealed=content(SEALED, steps), found=content({**SEALED, "data": 2}, steps),
        departing=["fit"], attempt=lambda *_: Attempt(content=None, problem="no disk"),
    )  # fmt: skip
    assert "could not be tried: no disk" in [swap.result for swap in found.swaps]


def test_what_no_node_uses_does_not_differ() -> None:
    one, other = content(SEALED, {"fit": of("data")}), content(SEALED, {"fit": of("data")})
    other["code"]["modules"]["pack.other"] = "changed"
    other["environment"]["lock"] = "another lock, the same libraries"
    assert differing(one, other) == {}


def test_many_details_are_shortened() -> None:
    assert shorten(["a", "b", "c"], 2) == "a; b and 1 more"

"""Why a run came out otherwise: one factor is swapped at a time, and the node executed again.

The factors are data, code, parameters, environment and threads. Seals say which of them differ at
all between the sealed run and the one that was executed again; of those, each is taken alone
into the sealed conditions (or put back), and the nodes that it touches are executed once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fin_kedro.verification.comparison import ordered_steps
from fin_kedro.verification.departures import leaves

FACTORS = ("data", "code", "parameters", "environment", "threads")
NOTHING: frozenset[str] = frozenset()
# Not the lock itself: what counts is what was installed.
SURROUNDINGS = ("distributions", "python", "platform", "cpu", "blas")
RUN_CONTEXT = "params:run_context"
NAMED = 4

Content = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One more execution: `content` of its seal, or None and why it could not be made."""

    content: Content | None
    problem: str = ""


# Executes steps (None: all) with these factors as in the second run and the others as sealed.
Try = Callable[[frozenset[str], Sequence[str] | None], Attempt]


@dataclass(frozen=True, kw_only=True)
class Swap:
    """What one more execution showed: `factors` were as in the second run, all others as sealed."""

    factors: tuple[str, ...]
    steps: tuple[str, ...]
    result: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What made the difference.

    `kind`: `factor` (one alone), `factors` (several, each alone), `together` (no single factor),
    `chance` (a step that gives another result each time), `seal`, `output` (altered after the
    run), `unknown`.
    """

    kind: str
    factors: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    sentence: str = ""
    swaps: tuple[Swap, ...] = ()


def differing(sealed: Content, found: Content) -> dict[str, list[str]]:
    """Factors in which two runs differ, with what in them does; only what both runs used."""
    parts: dict[str, Callable[[Content, Content], Iterator[str]]] = {
        "data": _data,
        "code": _code,
        "parameters": _parameters,
        "environment": _environment,
        "threads": _threads,
    }
    listed = {name: list(dict.fromkeys(part(sealed, found))) for name, part in parts.items()}
    return {name: details for name, details in listed.items() if details}


def _data(sealed: Content, found: Content) -> Iterator[str]:
    now = found["data"]["read"]
    for name, digest in sealed["data"]["read"].items():
        if name in now and now[name] != digest:
            yield name


def _code(sealed: Content, found: Content) -> Iterator[str]:
    one, other = sealed["code"], found["code"]
    nodes = _unequal(one.get("nodes") or {}, other.get("nodes") or {})
    notebooks = _unequal(one.get("notebooks") or {}, other.get("notebooks") or {})
    modules = _unequal(one.get("modules") or {}, other.get("modules") or {})
    if nodes or notebooks:
        yield from [*modules, *notebooks] or nodes
    elif sealed["kind"] == "notebook" and modules:
        yield from modules


def _unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in one if name in other and one[name] != other[name]]


def _parameters(sealed: Content, found: Content) -> Iterator[str]:
    one, other = sealed["parameters"], found["parameters"]
    for name in one:
        if name not in other or one[name] == other[name]:
            continue
        left, right = dict(leaves(one[name])), dict(leaves(other[name]))
        for path in {**left, **right}:
            before, after = left.get(path, "nothing"), right.get(path, "nothing")
            if before != after:
                yield f"{f'{name}.{path}'.rstrip('.')}: {before} became {after}"


def _environment(sealed: Content, found: Content) -> Iterator[str]:
    one, other = sealed["environment"], found["environment"]
    for name in [n for n in SURROUNDINGS if n in one and n in other]:
        if one[name] != other[name]:
            yield _said(name, one[name], other[name])
    numeric = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    left, right = (e.get("fixed") or {} for e in (one, other))
    for name in [n for n in left if n not in numeric and left[n] != right.get(n)]:
        yield f"{name}: {left[name]} became {right.get(name)}"


def _said(name: str, before: Any, after: Any) -> str:
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return name
    changed = [key for key in before if before[key] != after.get(key)]
    if any(isinstance(before[key], list | dict) for key in changed):
        return f"{name} {', '.join(changed)}"
    return ", ".join(f"{name} {key}: {before[key]} became {after.get(key)}" for key in changed)


def _threads(sealed: Content, found: Content) -> Iterator[str]:
    one, other = (content["environment"].get("threads") or {} for content in (sealed, found))
    for name in one:
        if one[name] != other.get(name):
            yield f"{name}: {one[name]} became {other.get(name)}"


def touched(factor: str, sealed: Content, found: Content, departing: Sequence[str]) -> list[str]:
    """Departing steps that a factor reaches directly; the first departing one if that is open."""
    steps, now = sealed["steps"], found["steps"]
    changed = set(differing(sealed, found).get(factor, ()))
    if factor == "data":
        hit = [s for s in departing if changed & set(steps[s]["read"])]
    elif factor == "parameters":
        hit = [s for s in departing if _other_parameters(steps[s], now.get(s), changed)]
    elif factor == "code":
        nodes = set(_unequal(sealed["code"].get("nodes") or {}, found["code"].get("nodes") or {}))
        hit = [s for s in departing if s in nodes]
    else:
        hit = []
    return hit or list(departing[:1])


def _other_parameters(entry: Content, now: Content | None, changed: set[str]) -> bool:
    read = (now or {"read": {}})["read"]
    own = any(
        name.startswith("params:") and name != RUN_CONTEXT and digest != read.get(name, digest)
        for name, digest in entry["read"].items()
    )
    policy = any(detail.startswith("policy.") for detail in changed)
    return own or (policy and RUN_CONTEXT in entry["read"])


def find_cause(*, sealed: Content, found: Content, departing: Sequence[str], attempt: Try) -> Cause:
    """Name what made `found` depart from `sealed`.

    Args:
        sealed, found: `content` of both seals.
        departing: steps whose outputs are not identical, in run order; at least one.
        attempt: executes steps with some factors as in `found`, the others as sealed.
    """
    search = _Search(sealed, found, [s for s in ordered_steps(sealed["steps"]) if s in departing])
    search.attempt = attempt
    factors = differing(sealed, found)
    if not factors:
        return search.without_factor()
    if len(factors) == 1:
        return search.of_one(next(iter(factors)), factors)
    return search.of_several(factors)


class _Search:
    """The executions of one search, and what they showed."""

    attempt: Try

    def __init__(self, sealed: Content, found: Content, departing: Sequence[str]) -> None:
        self._sealed, self._found, self._departing = sealed, found, departing
        self._swaps: list[Swap] = []

    def without_factor(self) -> Cause:
        """Nothing that seals record differs: chance, or something that no seal records."""
        first = self._departing[0]
        if self._by_chance(frozenset(FACTORS)):
            return self._chance()
        sentence = (
            f"nothing that the seal records differs, and {first} gives the same again: the seal "
            "or its outputs were altered, or the run depended on something that no seal records"
        )
        return self._cause("unknown", (), [], sentence)

    def of_one(self, factor: str, factors: Mapping[str, list[str]]) -> Cause:
        """One factor differs: put it back, and the difference must be gone."""
        first = self._departing[0]
        back, clean = self._run(NOTHING, [first])
        details = factors[factor]
        if back is not None and clean and self._as_sealed(back, [first]):
            self._note(NOTHING, [first], "as sealed")
            text = f"with the sealed {factor}, {first} gives the sealed output again"
            return self._cause("factor", (factor,), details, f"{factor}: {text}")
        if back is not None and clean:
            self._note(NOTHING, [first], "departs")
            if self._by_chance(NOTHING, back):
                return self._chance()
            return self._cause(
                "unknown",
                (),
                details,
                f"not {factor}, the only factor that differs: {first} departs with the sealed "
                f"{factor}, too",
            )
        if self._by_chance(frozenset({factor})):
            return self._chance()
        text = f"it alone differs, could not be put back, and {first} gives the same again"
        return self._cause("factor", (factor,), details, f"{factor}: {text}")

    def of_several(self, factors: Mapping[str, list[str]]) -> Cause:
        """Several factors differ: each alone among sealed conditions, at the nodes it touches."""
        effective, open_ = [], []
        for factor in factors:
            steps = touched(factor, self._sealed, self._found, self._departing)
            effect = self._effect_alone(factor, frozenset(factors), steps)
            if effect is None:
                open_.append(factor)
            elif effect:
                effective.append(factor)
        if not effective and len(open_) == 1 and len(factors) > 1:
            effective = open_  # every other one was shown to change nothing
        if len(effective) == 1:
            return self._single(effective[0], factors, open_)
        if effective:
            details = [d for factor in effective for d in factors[factor]]
            text = f"{_listed(effective)}: each alone changes what it touches"
            return self._cause("factors", tuple(effective), details, text)
        return self._together(factors)

    def _single(self, factor: str, factors: Mapping[str, list[str]], open_: list[str]) -> Cause:
        others = [f for f in factors if f != factor and f not in open_]
        text = f"{factor}: it alone makes the difference"
        if others:
            text += f"; {_listed(others)} {_differs(others)} too, and {_changes(others)} nothing"
        return self._cause("factor", (factor,), factors[factor], text)

    def _together(self, factors: Mapping[str, list[str]]) -> Cause:
        """No factor alone: those without which the difference is gone act together."""
        everything = frozenset(factors)
        first = self._departing[:1]
        if self._by_chance(everything):
            return self._chance()
        needed = []
        for factor in factors:
            content, clean = self._run(everything - {factor}, first)
            if content is not None and clean and self._as_sealed(content, first):
                needed.append(factor)
        named = needed or list(factors)
        details = [d for factor in named for d in factors[factor]]
        text = f"no single factor: only {_listed(named)} together make the difference"
        return self._cause("together", tuple(named), details, text)

    def _effect_alone(
        self, factor: str, everything: frozenset[str], steps: Sequence[str]
    ) -> bool | None:
        """Whether a factor alone changes its steps; None when it could not be tried."""
        content, clean = self._run(frozenset({factor}), steps)
        if content is not None and clean:
            effect = not self._as_sealed(content, steps)
            self._note({factor}, steps, "departs" if effect else "as sealed")
            return effect
        rest = everything - {factor}
        content, _ = self._run(rest, steps)
        if content is None or factor in differing(self._sealed, content):
            return None
        effect = not self._as(self._found, content, steps)
        self._note(rest, steps, f"{'other' if effect else 'same'} as with {factor}")
        return effect

    def _run(self, factors: frozenset[str] | set[str], steps: Sequence[str]) -> tuple[Any, bool]:
        """Content of one more execution, and whether the other factors were as sealed in it."""
        tried = self.attempt(frozenset(factors), list(steps))
        if tried.content is None:
            self._note(factors, steps, f"could not be tried: {tried.problem}")
            return None, False
        left = set(differing(self._sealed, tried.content)) - set(factors)
        if left:
            self._note(factors, steps, f"{_listed(sorted(left))} could not be put back")
        return tried.content, not left

    def _by_chance(self, factors: frozenset[str], before: Content | None = None) -> bool:
        """Whether the first departing step gives another result when executed again.

        `before`: what it gave with these factors; the second run itself by default.
        """
        first = self._departing[:1]
        again = self.attempt(factors, first).content
        return again is not None and not self._as(before or self._found, again, first)

    def _as_sealed(self, content: Content, steps: Sequence[str]) -> bool:
        return self._as(self._sealed, content, steps)

    @staticmethod
    def _as(one: Content, other: Content, steps: Sequence[str]) -> bool:
        return all(
            one["steps"].get(step, {}).get("written") == other["steps"].get(step, {}).get("written")
            for step in steps
        )

    def _note(self, factors: Any, steps: Sequence[str], result: str) -> None:
        ordered = tuple(f for f in FACTORS if f in factors)
        self._swaps.append(Swap(factors=ordered, steps=tuple(steps), result=result))

    def _chance(self) -> Cause:
        first = self._departing[0]
        text = f"chance: {first} gives another result each time, from the same inputs; seed it"
        return self._cause("chance", (), [first], text)

    def _cause(
        self, kind: str, factors: tuple[str, ...], details: Sequence[str], sentence: str
    ) -> Cause:
        return Cause(
            kind=kind,
            factors=factors,
            details=tuple(details),
            sentence=sentence,
            swaps=tuple(self._swaps),
        )


def shorten(details: Sequence[str], count: int = NAMED) -> str:
    """A few of many details in one line."""
    more = f" and {len(details) - count} more" if len(details) > count else ""
    return "; ".join(details[:count]) + more


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _differs(names: Sequence[str]) -> str:
    return "differs" if len(names) == 1 else "differ"


def _changes(names: Sequence[str]) -> str:
    return "changes" if len(names) == 1 else "change"

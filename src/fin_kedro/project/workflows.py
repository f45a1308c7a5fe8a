"""Which workflows there are: the declarations of `conf/<env>/workflows.yml`, read strictly."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

import pydantic
from kedro.config import MissingConfigException

from fin_kedro.parameters.places import ConfPlaces
from fin_kedro.parameters.values import Word
from fin_kedro.parameters.words import meant

# Names of datasets, of pipelines and of the service, whose tag a bento has.
NAME = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")


class WorkflowError(ValueError):
    """A declaration says what cannot be; the message names file, workflow and what is allowed."""


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Table(_Strict):
    """A raw table: the contract of its rows, and the file they lie in."""

    contract: str
    filepath: str
    file_format: Literal["csv", "parquet"] = "parquet"
    versioned: bool = False
    load_args: dict[str, Any] | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _by_suffix(cls, given: Any) -> Any:
        """A file that is called .csv is one."""
        if not isinstance(given, Mapping) or "file_format" in given:
            return given
        csv = str(given.get("filepath", "")).endswith(".csv")
        return {**given, "file_format": "csv" if csv else "parquet"}


class Workflow(_Strict):
    """What every workflow declares.

    ``features`` names the derived features (None: the columns of the contract), ``words`` how the
    service calls its rows and outcomes, ``evidence`` the datasets that its report reads beside the
    usual ones.
    """

    proofs: ClassVar[tuple[str, ...]] = ()  # evidence where none is declared

    name: str
    kind: str
    features: str | None = None
    words: dict[Word, str] | None = None
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Its name, as conf writes ``{workflow}``."""
        return self.name

    @pydantic.field_validator("name")
    @classmethod
    def _usable(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError("a name has small letters, digits and _, and begins with a letter")
        return name

    @pydantic.model_validator(mode="before")
    @classmethod
    def _with_proofs(cls, given: Any) -> Any:
        return {"evidence": cls.proofs, **given}


class StaticWorkflow(Workflow):
    """Rows that stand for themselves, each with its outcome."""

    kind: Literal["static"]
    applications: Table


class EventTimeWorkflow(Workflow):
    """Events that belong to somebody, and labels that become known later.

    ``statistics`` names the specification of history, ``simulated`` says that a pipeline makes
    the events and labels.
    """

    proofs = ("online_parity", "time_travel")

    kind: Literal["event_time"]
    transactions: Table
    labels: Table
    statistics: str
    features: str
    simulated: bool = False


KINDS: dict[str, type[Workflow]] = {"static": StaticWorkflow, "event_time": EventTimeWorkflow}


def declared_workflows(loader: Any) -> tuple[Workflow, ...]:
    """The workflows of an environment, in the order of their declaration.

    Args:
        loader: a `ProjectConfigLoader`; base and its environment are merged key by key, and an
            environment takes a workflow away by declaring it null.

    Raises:
        WorkflowError: a declaration is not as it should be.
    """
    try:
        content = loader["workflows"]
    except MissingConfigException:
        return ()
    places = ConfPlaces(loader, "workflows")
    return tuple(_read(name, given, places) for name, given in content.items() if given is not None)


def _read(name: str, given: Any, places: ConfPlaces) -> Workflow:
    """One declaration."""
    if not isinstance(given, Mapping):
        raise WorkflowError(f"{_place(places, name)}: {name} is {given!r}; it must have settings.")
    kind = given.get("kind")
    if kind not in KINDS:
        was = f"kind {kind!r} is unknown{meant(str(kind), KINDS)}"
        if "kind" not in given:
            near = difflib.get_close_matches("kind", list(given), n=1)
            was = "kind is missing" + (f"; was it meant by {near[0]!r}?" if near else "")
        raise WorkflowError(
            f"{_place(places, name, 'kind')}: {name}: {was}. Allowed: {', '.join(KINDS)}."
        )
    if "name" in given:
        raise WorkflowError(
            f"{_place(places, name, 'name')}: {name}: 'name' is unknown; the key above is the name."
        )
    try:
        return KINDS[kind].model_validate({**given, "name": str(name)})
    except pydantic.ValidationError as error:
        said = "; ".join(_said(KINDS[kind], problem) for problem in error.errors())
        where = _place(places, name, *error.errors()[0]["loc"])
        raise WorkflowError(f"{where}: {name}: {said}.") from None


def _said(model: type[_Strict], problem: Any) -> str:
    """One thing that is wrong, with what is allowed."""
    *above, last = map(str, problem["loc"] or ("",))
    path = ".".join([*above, last])
    if problem["type"] == "extra_forbidden":
        allowed = _settings(model, above)
        return f"{path!r} is unknown{meant(last, allowed)}. Allowed: {', '.join(allowed)}"
    if problem["type"] == "missing":
        return f"{path!r} is missing"
    if last == "[key]":
        key = above[-1]
        words = get_args(Word)
        return f"{path.removesuffix('.[key]')!r} is unknown{meant(key, words)}. " + (
            f"Allowed: {', '.join(words)}"
        )
    return f"{path!r} is {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"


def _settings(model: type[_Strict], path: Sequence[str]) -> list[str]:
    """What may stand at a place of a declaration."""
    for step in path:
        model = model.model_fields[step].annotation  # type: ignore[assignment]
    return [name for name in model.model_fields if name != "name"]


def _place(places: ConfPlaces, *path: str | int) -> str:
    """File and line of a setting, or of as much of its path as any file states."""
    return places.nearest([()], path) or places.own_file("workflows.yml")

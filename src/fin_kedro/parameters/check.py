"""Parameters and policy against their schema: what is wrong, where it stands, what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
import yaml

from fin_kedro.parameters.places import ALL, COMMAND_LINE, ConfPlaces, Path_, heads_of
from fin_kedro.parameters.policy import AS_PARAMETERS, BY_WORKFLOW, Policy
from fin_kedro.parameters.refusals import ParameterError
from fin_kedro.parameters.sections import KINDS
from fin_kedro.parameters.words import meant, problem_words

WORKFLOWS = "workflows"  # of policy: what differs by workflow
CONTEXT = "run_context"  # filled in while a run goes on, for each node that asks
MOST = 10  # problems said at once
_MEANT = re.compile(r"did you mean '([^']+)'")
_QUOTED = re.compile(r"'([\w.]+)'")


def check_parameters(content: Mapping[str, Any], loader: Any) -> None:
    """Refuse parameters that nothing reads, or that have no value that can be.

    Args:
        content: all parameters of an environment, with those of the command line.
        loader: the `ProjectConfigLoader` that read them.

    Raises:
        ParameterError: names each parameter, where it stands and what is allowed.
    """
    places = ConfPlaces(loader, "parameters")
    found = [*_of_command_line(loader)]
    if not found:  # what a name of nothing would say of the rest is of no use
        found = [*_unknown_sections(content, loader, places), *_shared(content, places)]
        for workflow in loader.workflows:
            found += _of_workflow(content.get(workflow.name), workflow, places)
    _refuse(found, "docs/parameters.md lists every parameter.")


def check_policy(content: Mapping[str, Any], policy_of: Callable[[Any], Any], loader: Any) -> None:
    """Refuse a policy that no check reads, or whose limits cannot be.

    Args:
        content: the policy of an environment, as its files state it.
        policy_of: the policy in force for the workflow of a name, for None what binds all.
        loader: the `ProjectConfigLoader` that read it.

    Raises:
        ParameterError: names each setting, where it stands and what is allowed.
    """
    places = ConfPlaces(loader, "policy")
    found = [*_by_workflow(content, loader, places)]
    common = list(_problems(Policy, policy_of(None)))
    for path, said in common:
        stands = _place(places, [()], path, said, "policy.yml")
        found.append(f"{stands}: {_sentence(path, _about_gate(path, said, content))}")
    for workflow in loader.workflows if not found else ():
        heads = [*((WORKFLOWS, *head) for head in heads_of(workflow)), ()]
        for path, said in _problems(Policy, policy_of(workflow.name)):
            place = _place(places, heads, path, said, "policy.yml")
            named = (WORKFLOWS, workflow.name, *path)
            found.append(f"{place}: {_sentence(named, _about_gate(path, said, content))}")
    _refuse(found, "docs/parameters.md lists what a policy may say.")


def _refuse(found: Iterable[str], where: str) -> None:
    said = list(dict.fromkeys(found))
    if said:
        more = [f"and {len(said) - MOST} more"] if len(said) > MOST else []
        raise ParameterError(
            "\n".join([*said[:MOST], *more])
            + f"\nNothing was run or written. Next: correct {'it' if len(said) == 1 else 'them'}; "
            + where
        )


def _of_command_line(loader: Any) -> Iterator[str]:
    """Names of the command line that nothing would read."""
    named = [workflow.name for workflow in loader.workflows]
    readers = [f"{{{name}}}" for name in (ALL, *KINDS)]
    for name in loader.runtime_params or {}:
        if name in (*named, *readers, *AS_PARAMETERS, CONTEXT):
            continue
        if name in (*Policy.model_fields, WORKFLOWS):
            yield (
                f"{COMMAND_LINE}: {name} is policy, and would change nothing here; a policy is "
                f"changed in conf/<env>/policy.yml. Allowed: {', '.join(AS_PARAMETERS)}"
            )
            continue
        allowed = [*named, *AS_PARAMETERS]
        yield (
            f"{COMMAND_LINE}: {name} is unknown{meant(name, allowed) or '.'} "
            f"Allowed to begin with: {', '.join(allowed)}"
        )


def _unknown_sections(content: Mapping[str, Any], loader: Any, places: ConfPlaces) -> Iterator[str]:
    """Sections of no workflow, and of nothing else that is read."""
    named = [workflow.name for workflow in loader.workflows]
    elsewhere: set[str] | None = None
    for name in content:
        if name in (*named, CONTEXT, WORKFLOWS, *Policy.model_fields):
            continue
        elsewhere = _declared_anywhere(Path(loader.conf_source)) if elsewhere is None else elsewhere
        if name not in elsewhere:
            policy = [WORKFLOWS, *Policy.model_fields]
            yield (
                f"{places.of([()], (name,))}: {name} is unknown"
                f"{meant(name, [*named, *policy]) or '.'} Allowed: {', '.join(named)} (declared in "
                f"workflows.yml); {', '.join(policy)} (policy)"
            )


def _declared_anywhere(conf: Path) -> set[str]:
    """Workflows that some environment declares: their sections may wait in base."""
    contents = (
        yaml.safe_load(file.read_text(encoding="utf-8")) for file in conf.glob("*/workflows*.y*ml")
    )
    return {str(name) for content in contents if isinstance(content, dict) for name in content}


def _shared(content: Mapping[str, Any], places: ConfPlaces) -> Iterator[str]:
    """What nodes of every workflow read alike."""
    if content.get(CONTEXT):
        place = places.of([()], (CONTEXT,))
        yield f"{place}: {CONTEXT} is {content[CONTEXT]!r}; a run fills it in. Allowed: {{}}"
    for name in AS_PARAMETERS:
        if name in content:
            model = Policy.model_fields[name].annotation
            assert isinstance(model, type)
            for path, said in _problems(model, content[name]):
                whole = (name, *path)
                place = _place(places, [()], whole, said, "policy.yml")
                yield f"{place}: {_sentence(whole, said)}"


def _of_workflow(section: Any, workflow: Any, places: ConfPlaces) -> Iterator[str]:
    """What is wrong with the parameters of one workflow."""
    heads = heads_of(workflow)
    for path, said in _problems(KINDS[workflow.kind], {} if section is None else section):
        place = _place(places, heads, path, said, f"parameters_{workflow}.yml")
        yield f"{place}: {_sentence((workflow.name, *path), said)}"
    release = section.get("release") if isinstance(section, Mapping) else None
    given = release.get("workflow") if isinstance(release, Mapping) else None
    if given not in (None, workflow.name):
        stands = places.of(heads, ("release", "workflow"))
        yield f"{stands}: {workflow}.release.workflow is {given!r}. Allowed: {workflow}"


def _by_workflow(content: Mapping[str, Any], loader: Any, places: ConfPlaces) -> Iterator[str]:
    """Sections of policy by workflow: of whom, and what may differ."""
    named = [workflow.name for workflow in loader.workflows]
    by_workflow = content.get(WORKFLOWS) or {}
    for name, own in by_workflow.items():
        if name not in named and name not in _declared_anywhere(Path(loader.conf_source)):
            place = places.of([()], (WORKFLOWS, name))
            yield (
                f"{place}: {WORKFLOWS}.{name} is no workflow{meant(name, named) or '.'} "
                f"Declared in workflows.yml: {', '.join(named)}"
            )
        if not isinstance(own, Mapping | None):
            place = places.of([()], (WORKFLOWS, name))
            yield f"{place}: {WORKFLOWS}.{name} is {own!r}. Allowed: {', '.join(BY_WORKFLOW)}"
            continue
        for section in own or ():
            if section in Policy.model_fields and section not in BY_WORKFLOW:
                heads = [h for w in loader.workflows if w.name == name for h in heads_of(w)]
                place = places.of([(WORKFLOWS, *h) for h in heads], (section,))
                yield (
                    f"{place}: {WORKFLOWS}.{name}.{section} would change nothing: {section} binds "
                    f"every workflow alike. Allowed here: {', '.join(BY_WORKFLOW)}"
                )


def _problems(model: type[pydantic.BaseModel], section: Any) -> Iterator[tuple[Path_, str]]:
    """Path and words of each thing that is wrong."""
    try:
        model.model_validate(section)
    except pydantic.ValidationError as error:
        found = [problem_words(model, p) for p in error.errors(include_url=False)]
        misspelt = {(*path[:-1], m[1]) for path, said in found if (m := _MEANT.search(said))}
        # a name that is missing because it is misspelt is said once
        yield from (
            (path, said)
            for path, said in found
            if not (said.startswith("is missing") and path in misspelt)
        )


def _place(places: ConfPlaces, heads: Sequence[Path_], path: Path_, said: str, file: str) -> str:
    """Where a thing that is wrong stands; where it belongs, if it is missing."""
    if said.startswith("is missing"):
        place = places.nearest([heads[0]], path) if path[:-1] or heads[0] else None
        return place or places.own_file(file)
    quoted = _QUOTED.match(said)  # a section that is wrong for one of its names
    if quoted and (place := places.of(heads, (*path, *quoted[1].split(".")))):
        return place
    return places.of(heads, path) or places.nearest(heads, path) or places.own_file(file)


def _about_gate(path: Path_, said: str, policy: Mapping[str, Any]) -> str:
    """A gate that lacks its title is most likely another one, misspelt."""
    if said.startswith("is missing") and path[0] == "gates" and len(path) == 3:
        code = str(path[1])
        return said + meant(code, [c for c in policy.get("gates") or {} if c != code])
    return said


def _sentence(path: Path_, said: str) -> str:
    """A name and what is said of it; what a section says of itself follows a colon."""
    return f"{_dotted(path)}{' ' if said.startswith('is ') else ': '}{said}"


def _dotted(path: Path_) -> str:
    return ".".join(map(str, path))

"""Conf written once for all workflows: `{static}` is each of a kind, `{static.x}` what it declares.

Kedro's dataset factories know a placeholder by the name it stands in; here it has a declaration.
"""

from __future__ import annotations

import posixpath
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from fin_kedro.parameters.places import ALL
from fin_kedro.project.workflows import KINDS, Workflow, WorkflowError

_HEAD = re.compile(r"\{(\w+)\}(.*)")
_ONE_FIELD = re.compile(r"\{([^{}]+)\}")


def entries_for(catalog: Mapping[str, Any], workflows: Sequence[Workflow]) -> dict[str, Any]:
    """The catalog, its entries that are named after a kind written out for each workflow of it.

    An entry that stands under the full name replaces what would be written out. Entries under
    ``{workflow}`` and other placeholders are Kedro's own factories, and left to it.
    """
    found, made = {}, {}
    for name, entry in catalog.items():
        head = _HEAD.fullmatch(name)
        if head is None or head[1] not in KINDS:
            found[name] = entry
            continue
        for workflow in workflows:
            if workflow.kind == head[1]:
                made[f"{workflow}{head[2]}"] = filled(entry, workflow)
    return {**made, **found}


def with_defaults(content: Mapping[str, Any], workflows: Sequence[Workflow]) -> dict[str, Any]:
    """Sections of workflows, laid over those of ``{workflow}`` and of their kind.

    Raises:
        WorkflowError: a section is named after no kind.
    """
    shared = {name: section for name, section in content.items() if _HEAD.fullmatch(name)}
    known = [f"{{{name}}}" for name in (ALL, *KINDS)]
    if unknown := [name for name in shared if name not in known]:
        raise WorkflowError(
            f"conf has a section {unknown[0]}, which is no kind of workflow; there are: "
            f"{', '.join(known)}."
        )
    found = {name: section for name, section in content.items() if name not in shared}
    for workflow in workflows if shared else ():
        section: dict[str, Any] = {}
        for name in (ALL, workflow.kind):
            below = shared.get(f"{{{name}}}") or {}
            if not isinstance(below, Mapping):
                raise WorkflowError(f"conf's section {{{name}}} is {below!r}; it has settings.")
            section = laid_over(section, filled(below, workflow))
        own = found.get(workflow.name) or {}
        if section:  # what is no section is refused by the schema, which says where it stands
            found[workflow.name] = laid_over(section, own) if isinstance(own, Mapping) else own
    return found


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, mapping by mapping; what is no mapping replaces what was there."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[name] = laid_over(under, value) if both else value  # type: ignore[arg-type]
    return merged


def filled(content: Any, workflow: Workflow) -> Any:
    """Conf with a workflow's declaration in its places; what it does not declare is left out.

    A text that is one placeholder becomes the value itself, whatever its kind.
    """
    if isinstance(content, Mapping):
        values = {name: filled(value, workflow) for name, value in content.items()}
        return {
            name: value
            for name, value in values.items()
            if value is not None or content[name] is None
        }
    if isinstance(content, list):
        return [filled(value, workflow) for value in content]
    return _text(content, workflow) if isinstance(content, str) else content


def _text(text: str, workflow: Workflow) -> Any:
    one = _ONE_FIELD.fullmatch(text)
    if one is not None:
        return _plain(_declared(one[1], workflow))
    made = ""
    for words, field, _, _ in string.Formatter().parse(text):
        made += words
        if field is not None:
            declared = str(_declared(field, workflow))
            # below a folder a path is joined: an absolute one stays as it is declared
            made = posixpath.join(made, declared) if made.endswith("/") else made + declared
    return made


def _declared(field: str, workflow: Workflow) -> Any:
    """What a placeholder such as ``static.applications.filepath`` stands for."""
    head, *steps = field.split(".")
    value: Any = workflow if head in (ALL, workflow.kind) else None
    for step in steps:
        value = getattr(value, step, _UNKNOWN) if value is not None else None
    if head not in (ALL, workflow.kind) or value is _UNKNOWN:
        raise WorkflowError(
            f"conf has the placeholder {{{field}}}, which a {workflow.kind} workflow does not "
            f"declare; it declares: {', '.join(type(workflow).model_fields)}."
        )
    return value


_UNKNOWN = object()


def _plain(value: Any) -> Any:
    """A declared value as conf has it."""
    if isinstance(value, Workflow):
        return value.name
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(exclude_none=True)
    return list(value) if isinstance(value, tuple) else value

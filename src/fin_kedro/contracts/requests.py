"""The request model of a workflow's HTTP API, made from its contract."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import pydantic

from fin_kedro.contracts.column import plain_text
from fin_kedro.contracts.model import Column, Contract
from fin_kedro.contracts.own_names import own_name

_PYTHON_TYPES: dict[str, type] = {
    "integer": int,
    "number": float,
    "boolean": bool,
    "string": str,
    "date": str,
    "timestamp": str,
}


def request_model(
    contract: Contract,
    columns: Sequence[Column] | None = None,
    *,
    name: str | None = None,
    reference: bool = True,
) -> type[pydantic.BaseModel]:
    """Build the pydantic model of one row of a request.

    Raw values, as in the raw data: codes that are recoded, or that mean missing, are allowed too.
    Protected attributes and the target are refused like any unknown field. The row's time is one of
    them where the age of a feature is counted at it.

    Args:
        contract: the contract of the rows.
        columns: what a row holds; by default what a model needs.
        name: the model's name; by default the contract's, in the singular.
        reference: whether a row may hold an ``id`` of the caller's beside them: a text or an
            integer, which comes back as it is. Where a column is called so, `reference_name`.
    """
    columns = contract.inputs if columns is None else columns
    fields: dict[str, Any] = {}
    if reference:
        alias = reference_name(columns)
        attribute = "id" if alias == "id" else "reference__"
        other = None if alias == "id" else alias
        fields[attribute] = (_REFERENCE, pydantic.Field(None, description=_ID_TEXT, alias=other))
    for place, column in enumerate(columns):
        fields[_attribute(column.name, place)] = _field(column)
    return pydantic.create_model(  # type: ignore[no-any-return,call-overload]
        name or "".join(part.capitalize() for part in contract.name.split("_")).removesuffix("s"),
        __config__=pydantic.ConfigDict(
            extra="forbid",
            strict=True,
            allow_inf_nan=False,
            json_schema_extra={"example": example(contract, columns)},
        ),
        __doc__=f"One row of {contract.name} {contract.version}, raw values.",
        **fields,
    )


def _as_reference(value: Any) -> Any:
    """One check, not a union of types, which would say of one value what is wrong twice."""
    if problem := _too_long(value):
        raise ValueError(f"{problem}; send it as a text")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | str)):
        raise ValueError("a reference is a text or an integer")
    return value


_REFERENCE = Annotated[
    Any,
    pydantic.AfterValidator(_as_reference),
    pydantic.WithJsonSchema({"anyOf": [{"type": t} for t in ("integer", "string", "null")]}),
]
_ID_TEXT = "Your reference; it comes back with the decision and plays no part in it."


def reference_name(columns: Sequence[Column]) -> str:
    """Return what the caller's own reference is called beside these columns: ``id``, if free."""
    return own_name("id", (column.name for column in columns))


@functools.lru_cache(maxsize=16)
def _other_names(model: type[pydantic.BaseModel]) -> dict[str, str]:
    """Attributes of a model whose members callers write otherwise."""
    members = model.model_fields.items()
    return {name: f.alias for name, f in members if f.alias not in (None, name)}


def raw_row(row: pydantic.BaseModel) -> dict[str, Any]:
    """Return a row of a request under the names that callers write: those of the contract."""
    others = _other_names(type(row))
    return {others.get(k, k): v for k, v in vars(row).items()} if others else vars(row)


def event_columns(contract: Contract, made: Collection[str]) -> list[Column]:
    """Return what a caller sends of a live event: all columns but those ``made`` here.

    The target and protected attributes are left out too; ids, times and what is no feature are in.
    """
    left_out = ("target", "protected")
    return [c for c in contract.columns.values() if c.name not in made and c.role not in left_out]


def example(contract: Contract, columns: Sequence[Column] | None = None) -> dict[str, Any]:
    """Return a row that the model accepts: each column's example from the contract."""
    columns = contract.inputs if columns is None else columns
    return {c.name: c.example for c in columns if c.example is not None}


def _attribute(name: str, place: int) -> str:
    """Return the model's attribute for a column; callers always write the column's own name."""
    usable = name.isidentifier() and not name.startswith(("_", "model_"))
    return name if usable and not hasattr(pydantic.BaseModel, name) else f"column_{place}__"


def _field(column: Column) -> tuple[Any, Any]:
    def check(value: Any) -> Any:
        problem = column.problem(value) or _too_long(value)
        if problem:
            raise ValueError(f"{problem}; allowed: {column.allowed_text()}")
        return value

    read = [pydantic.AfterValidator(plain_text)] if column.type == "string" else []
    kind: Any = Annotated[_PYTHON_TYPES[column.type], *read, pydantic.AfterValidator(check)]  # type: ignore[name-defined,valid-type]
    default = ... if column.required else None
    return (
        kind if column.required else kind | None,
        pydantic.Field(
            default,
            alias=column.name,
            description=column.description,
            json_schema_extra=_schema(column),
        ),
    )


def _too_long(value: Any) -> str | None:
    """Tables and stores hold integers of 64 bits; JSON knows no bound."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "an integer of more than 63 bits"
    return None


def _schema(column: Column) -> dict[str, Any]:
    """State the rule in the API's schema: a list where values are named, else the rules.

    Codes beside the rules (recoded, or meaning missing) have no place there; then only the type
    and the rule's own text are told.
    """
    if column.allowed:
        return {"enum": [*column.codes, *([] if column.required else [None])]}
    if column.type in ("date", "timestamp"):
        return {"format": "date" if column.type == "date" else "date-time"}
    if column.codes:
        return {}
    stated = {
        "minimum": column.minimum,
        "maximum": column.maximum,
        "exclusiveMinimum": column.exclusive_minimum,
        "exclusiveMaximum": column.exclusive_maximum,
        "multipleOf": column.multiple_of,
        "minLength": _least_length(column),
        "maxLength": column.max_length,
        "pattern": column.pattern if column.required else None,
    }
    return {k: v for k, v in stated.items() if v is not None}


def _least_length(column: Column) -> int | None:
    """An empty text is a missing one: refused where one is required, else always taken."""
    if column.type != "string" or not column.required:
        return None
    return max(1, column.min_length or 0)

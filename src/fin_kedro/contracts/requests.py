"""The request model of a workflow's HTTP API, made from its contract."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic

from fin_kedro.contracts.model import Column, Contract

_PYTHON_TYPES: dict[str, type] = {
    "integer": int,
    "number": float,
    "boolean": bool,
    "string": str,
    "date": str,
    "timestamp": str,
}


def request_model(contract: Contract) -> type[pydantic.BaseModel]:
    """Build the pydantic model of one application: its feature columns, and an optional id.

    Raw values, as in the raw data: codes that are recoded, or that mean missing, are allowed too.
    Protected attributes and the target are refused like any unknown field.
    """
    fields: dict[str, Any] = {"id": (str | None, pydantic.Field(None, description=_ID_TEXT))}
    for column in contract.features:
        fields[column.name] = _field(column)
    return pydantic.create_model(  # type: ignore[no-any-return,call-overload]
        "".join(part.capitalize() for part in contract.name.split("_")).removesuffix("s"),
        __config__=pydantic.ConfigDict(
            extra="forbid",
            strict=True,
            allow_inf_nan=False,
            json_schema_extra={"example": example(contract)},
        ),
        __doc__=f"One row of {contract.name} {contract.version}, raw values.",
        **fields,
    )


_ID_TEXT = "Your reference; it comes back with the decision and plays no part in it."


def example(contract: Contract) -> dict[str, Any]:
    """Return a request that the model accepts: each feature's example from the contract."""
    return {c.name: c.example for c in contract.features if c.example is not None}


def _field(column: Column) -> tuple[Any, Any]:
    def check(value: Any) -> Any:
        problem = column.problem(value)
        if problem:
            raise ValueError(f"{problem}; allowed: {column.allowed_text()}")
        return value

    kind: Any = Annotated[_PYTHON_TYPES[column.type], pydantic.AfterValidator(check)]  # type: ignore[name-defined,valid-type]
    default = ... if column.required else None
    return (
        kind if column.required else kind | None,
        pydantic.Field(default, description=column.description, json_schema_extra=_schema(column)),
    )


def _schema(column: Column) -> dict[str, Any]:
    """State the rule in the API's schema: a list where values are named, else the range."""
    if column.allowed:
        return {"enum": [*column.codes, *([] if column.required else [None])]}
    limits = {"minimum": column.minimum, "maximum": column.maximum}
    return {} if column.missing_codes else {k: v for k, v in limits.items() if v is not None}

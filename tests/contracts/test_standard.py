"""The standard: what its JSON schema takes is read, names that it does not know are refused."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fin_kedro.contracts import ContractError
from fin_kedro.contracts.reading import read_contract
from tests.contracts.samples import document, line_of, prop, write

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((resources.files("open_data_contract_standard") / "schema.json").read_text())
CONTRACTS = sorted([*ROOT.glob("conf/**/*.odcs.yaml"), *ROOT.glob("docs/**/*.odcs.yaml")])


class Loader(yaml.SafeLoader):
    """As datacontract-cli reads a contract before its lint: a date is a text."""


Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if not pair[0].endswith(":timestamp")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def lint(content: dict[str, Any]) -> None:
    """What datacontract-cli's lint does: the standard's own JSON schema, nothing else."""
    jsonschema.Draft201909Validator(SCHEMA).validate(content)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda p: p.name)
def test_our_contracts_pass_the_standards_lint(path: Path) -> None:
    lint(yaml.load(path.read_text(), Loader))
    read_contract(path)


def test_there_are_contracts_to_lint() -> None:
    assert {p.name for p in CONTRACTS} >= {
        "credit_applications.odcs.yaml",
        "loan_requests.odcs.yaml",
    }


EVERYTHING = {
    "tenant": "bank",
    "tags": ["credit"],
    "contractCreatedTs": "2026-11-30T10:00:00Z",
    "servers": [
        {"server": "lake", "type": "s3", "location": "s3://bucket/x", "environment": "prod"}
    ],
    "support": [{"channel": "desk", "tool": "email", "url": "mailto:desk@example.org"}],
    "price": {"priceAmount": 9.5, "priceCurrency": "EUR", "priceUnit": "month"},
    "team": {
        "name": "risk",
        "members": [{"username": "ann", "role": "owner", "dateIn": "2026-01-01"}],
    },
    "roles": [{"role": "reader", "access": "read"}],
    "slaProperties": [{"property": "latency", "value": 4, "unit": "d"}],
    "authoritativeDefinitions": [{"type": "source", "url": "https://example.org"}],
    "customProperties": [{"property": "owner", "value": "ann"}],
    "description": {"purpose": "to try", "usage": "tests"},
}


def test_what_the_standard_takes_around_the_table_is_read(tmp_path: Path) -> None:
    content = {**document(prop("v", "number")), **EVERYTHING}
    lint(content)
    assert read_contract(write(tmp_path, content)).columns["v"].type == "number"


@pytest.mark.parametrize("stamp", ["2026-11-30T10:00:00Z", "2026-11-30 10:00:00", "2026-11-30"])
def test_a_moment_needs_no_quotes(tmp_path: Path, stamp: str) -> None:
    text = yaml.safe_dump(document(prop("v", "number"))) + f"contractCreatedTs: {stamp}\n"
    lint(yaml.load(text, Loader))
    assert read_contract(write(tmp_path, text)).columns["v"].type == "number"


def column(**changes: Any) -> dict[str, Any]:
    return document({**prop("v", "number"), **changes})


MISSPELT: dict[str, tuple[dict[str, Any], str, str]] = {
    "at the top": ({**column(), "statsu": "active"}, "statsu", "'status'"),
    "of the table": (document(prop("v", "number"), qualty=[]), "qualty", "'quality'"),
    "of a column": (column(uniqe=True), "uniqe", "'unique'"),
    "of an enum entry": (column(enum=[{"value": 1, "lable": "x"}]), "lable", "'label'"),
    "of a custom property": (
        column(customProperties=[{"property": "role", "valeu": "feature"}]), "valeu", "'value'",
    ),
    "of a quality rule": (
        column(quality=[{"metric": "nullValues", "mustbe": 0}]), "mustbe", "'mustBe'",
    ),
    "of the team": (
        {**column(), "team": {"members": [{"usrname": "ann"}]}}, "usrname", "'username'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_name_is_refused_with_line_and_suggestion(tmp_path: Path, name: str) -> None:
    content, wrong, meant = MISSPELT[name]
    path = write(tmp_path, content)
    with pytest.raises(
        ContractError, match=f"unknown name '{wrong}'.*Did you mean {meant}"
    ) as found:
        read_contract(path)
    assert f"{path}:{line_of(path, wrong)}: " in str(found.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "version: 1.0.0",
            "version: 1.0",
            "version is 1.0, and .* valid string; write it in quotes",
        ),
        ("required: true", "required: perhaps", "required is 'perhaps', and .* valid boolean"),
        ("schema:", "tags: 3\nschema:", "tags is 3, and .* valid list"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = yaml.safe_dump(document(prop("v", "number")), sort_keys=False).replace(old, new, 1)
    path = write(tmp_path, text)
    with pytest.raises(ContractError, match=said) as found:
        read_contract(path)
    assert str(found.value).startswith(f"{path}:{line_of(path, new.partition(chr(10))[0])}: ")
    assert "pydantic" not in str(found.value)

"""Parameters are read from annotation and comment, and every wrong value is named."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from papermill.translators import PythonTranslator

from sealed_kernel.parameters import (
    Parameter,
    ParameterError,
    check_parameters,
    declared_parameters,
    injected_parameters,
    parse_value,
    read_declarations,
)

SOURCE = """\
# what the report draws
rows: int = 3  # [1..100] rows to draw (rows)
rate: float = 0.5  # [0..1]
way: str = "fast"  # {fast, exact} how to compute
note: str | None = None
name: str = None  # of the client
versions: dict[str, str] = {}
trials = 2  # draws"""


def declared(source: str = SOURCE) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in read_declarations(source)}


def test_a_declaration_says_all_of_it() -> None:
    assert declared()["rows"] == Parameter(
        name="rows", types=("int",), default=3, low=1, high=100, unit="rows", text="rows to draw"
    )
    assert declared()["way"].choices == ("fast", "exact")
    assert declared()["trials"].types == ("int",)
    assert [name for name, p in declared().items() if p.required] == ["name"]


def test_papermill_reads_the_same_lines() -> None:
    found = {p.name: p for p in PythonTranslator.inspect({"source": SOURCE})}
    assert found["rows"].inferred_type_name == "int"
    assert found["rows"].help == "[1..100] rows to draw (rows)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rws": 1}, "declares no parameter 'rws'; .* Did you mean 'rows'?"),
        ({"rows": "many"}, "'rows' is 'many', a str; allowed: int from 1 to 100 .rows."),
        ({"rows": True}, "'rows' is True, a bool"),
        ({"rows": 0}, "'rows' is 0, below 1"),
        ({"rows": 101}, "'rows' is 101, above 100"),
        ({"rate": float("nan")}, "'rate' is nan, no number"),
        ({"way": "quick"}, "'way' is 'quick'; allowed: str, one of 'fast', 'exact'"),
        ({"note": 3}, "'note' is 3, a int; .*use -r note 3"),
        ({"versions": []}, "'versions' is ., a list|'versions' is \\[\\], a list"),
    ],
)
def test_what_is_not_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check_parameters(declared(), {"name": "x", **given})


def test_a_required_one_must_be_given() -> None:
    with pytest.raises(ParameterError, match="needs the parameter 'name'"):
        check_parameters(declared(), {})
    check_parameters(declared(), {"name": "x", "rate": 1, "note": None, "rows": 100})


def test_every_problem_is_named() -> None:
    with pytest.raises(ParameterError) as error:
        check_parameters(declared(), {"rws": 1, "rows": 0})
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rows: int = 0  # [1..]", "the default of parameter 'rows' is 0, below 1"),
        ("rows: int = 'a'", "the default of parameter 'rows' is 'a'"),
        ("rows: int = len('a')", "must be a literal"),
        ("rows: Series = None", "declared as Series; allowed are int"),
        ("way: str = 'a'  # [0..1]", "has a range and is no number"),
        ("rows: int = ", "no Python"),
    ],
)
def test_a_declaration_that_contradicts_itself(line: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        declared(line)


def test_literals_and_open_ranges() -> None:
    found = declared('kind: Literal["a", "b"] = "a"\nlow: float | None = None  # [..0.5] ends (s)')
    assert found["kind"].choices == ("a", "b")
    assert (found["low"].low, found["low"].high, found["low"].unit) == (None, 0.5, "s")


def notebook(*cells: tuple[str, str]) -> Any:
    made = [nbformat.v4.new_code_cell(text, metadata={"tags": [tag]}) for tag, text in cells]
    return nbformat.v4.new_notebook(cells=made)


def test_one_cell_declares() -> None:
    assert list(declared_parameters(notebook(("parameters", "a: int = 1")))) == ["a"]
    assert declared_parameters(notebook(("other", "a: int = 1"))) == {}
    with pytest.raises(ParameterError, match="2 cells are tagged"):
        declared_parameters(notebook(("parameters", "a = 1"), ("parameters", "b = 1")))


def test_the_injected_cell_is_what_counts() -> None:
    values = {"a": 1, "b": float("nan"), "c": {"d": [True, None]}, "e": -0.5, "f": "'x'"}
    found = injected_parameters(notebook(("injected-parameters", PythonTranslator.codify(values))))
    assert str(found) == str(values)
    with pytest.raises(ParameterError, match="more than values"):
        injected_parameters(notebook(("injected-parameters", "import os")))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rows", "7", 7),
        ("way", "7", "7"),
        ("note", "None", None),
        ("versions", "{'a': 'b'}", {"a": "b"}),
    ],
)
def test_a_typed_value_follows_its_declaration(name: str, text: str, value: Any) -> None:
    assert parse_value(declared()[name], text) == value

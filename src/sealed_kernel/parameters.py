"""Typed parameters of a notebook, declared in the cell tagged `parameters`.

One line states name, type, default, what is allowed, what it is for, and its unit:

    rows: int = 3  # [1..100] rows to draw (rows)
    way: str = "fast"  # {fast, exact} how to compute

`[1..100]` is a range with its ends, `[0..]` and `[..1]` are open, and `{a, b}` lists values; the
unit stands last, in parentheses. A default of None without `| None` marks a required parameter.
papermill reads the same lines (`papermill --help-notebook`).
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TAG = "parameters"
INJECTED = "injected-parameters"
SIMPLE: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "list": (list, tuple),
    "dict": (dict,),
    "None": (type(None),),
    "Any": (object,),
}
NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)"
RANGE = re.compile(rf"\[\s*({NUMBER})?\s*\.\.\s*({NUMBER})?\s*\]\s*")
CHOICES = re.compile(r"\{([^{}]*)\}\s*")
UNIT = re.compile(r"\s*\(([^()]*)\)\s*$")


class ParameterError(ValueError):
    """A parameter is unknown, missing, of another type or outside what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One declared parameter.

    `types`: names of the types it may have ("int", "None", ...). `low` and `high` are the ends of
    its range, inclusive; `choices` its only values (empty: any). `unit` is "" where there is none.
    """

    name: str
    types: tuple[str, ...]
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    unit: str = ""
    text: str = ""

    @property
    def required(self) -> bool:
        """Whether the notebook has no value of its own."""
        return self.default is None and not {"None", "Any"} & set(self.types)

    def allowed(self) -> str:
        """What is allowed, in words: "int from 1 to 100 (rows)"."""
        words = " or ".join(self.types)
        if self.choices:
            words += ", one of " + ", ".join(repr(choice) for choice in self.choices)
        if self.low is not None:
            words += f" from {self.low:g}"
        if self.high is not None:
            words += f" to {self.high:g}"
        return f"{words} ({self.unit})" if self.unit else words

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None when it is allowed."""
        if not any(_is_of_type(value, name) for name in self.types):
            return f"is {value!r}, a {type(value).__name__}"
        if value is None:
            return None
        if self.choices and value not in self.choices:
            return f"is {value!r}"
        return self._outside(value)

    def _outside(self, value: Any) -> str | None:
        """A number that is not between low and high; NaN never is."""
        for limit, wrong in ((self.low, "below"), (self.high, "above")):
            if limit is None:
                continue
            inside = value >= limit if wrong == "below" else value <= limit
            if not inside:
                words = "no number" if math.isnan(value) else f"{wrong} {limit:g}"
                return f"is {value!r}, {words}"
        return None


def _is_of_type(value: Any, name: str) -> bool:
    """Whether a value is of a declared type; True is no number, an infinite float is none."""
    if isinstance(value, bool):
        return name in ("bool", "Any")
    if name == "float" and isinstance(value, float):
        return not math.isinf(value)
    return isinstance(value, SIMPLE[name])


def declared_parameters(notebook: Mapping[str, Any]) -> dict[str, Parameter]:
    """The parameters that a notebook (nbformat 4 dict) declares, by name in their order.

    Empty when no cell is tagged. Raises ParameterError when two are, when a line cannot be read,
    or when a default is not what its own declaration allows.
    """
    tagged = [cell for cell in notebook["cells"] if TAG in cell["metadata"].get("tags", [])]
    if len(tagged) > 1:
        raise ParameterError(f"{len(tagged)} cells are tagged 'parameters'; exactly one may be.")
    found = [p for cell in tagged for p in read_declarations("".join(cell["source"]))]
    return {parameter.name: parameter for parameter in found}


def read_declarations(source: str) -> list[Parameter]:
    """The parameters that the source of a `parameters` cell declares; see the module's text."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ParameterError(
            f"the cell tagged 'parameters' is no Python: {error.msg}, line {error.lineno}."
        ) from error
    comments = _comments(source)
    return [
        _parameter(*target, comments.get(statement.end_lineno or 0, ""))
        for statement in tree.body
        if (target := _assignment(statement))
    ]


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr | None, ast.expr | None] | None:
    """Name, annotation and default of an assignment to one plain name; None for anything else."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id, statement.annotation, statement.value
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, None, statement.value
    return None


def _comments(source: str) -> dict[int, str]:
    """The comment on each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("#").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _parameter(
    name: str, annotation: ast.expr | None, value: ast.expr | None, comment: str
) -> Parameter:
    """One declaration, with its default checked against itself."""
    default = _literal(name, value) if value is not None else None
    types, choices = _types(name, annotation, default)
    low, high, listed, text = _limits(name, comment, types)
    unit = UNIT.search(text)
    parameter = Parameter(
        name=name,
        types=types,
        default=default,
        low=low,
        high=high,
        choices=choices or listed,
        unit=unit[1].strip() if unit else "",
        text=UNIT.sub("", text),
    )
    wrong = None if parameter.required else parameter.problem(default)
    if wrong:
        raise ParameterError(
            f"the default of parameter {name!r} {wrong}; allowed: {parameter.allowed()}."
        )
    return parameter


def _literal(name: str, value: ast.expr) -> Any:
    """The value of a literal; a parameter's default may be nothing else."""
    try:
        return ast.literal_eval(value)
    except ValueError as error:
        raise ParameterError(
            f"the default of parameter {name!r} is {ast.unparse(value)}; it must be a literal "
            "(a number, a text, True, None, a list or a dict of them)."
        ) from error


def _types(
    name: str, annotation: ast.expr | None, default: Any
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Type names and listed values of an annotation; without one, the type of the default."""
    if annotation is None:
        known = type(default).__name__ if default is not None else "Any"
        return (known if known in SIMPLE else "Any",), ()
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    parts = _parts(annotation)
    types = tuple(dict.fromkeys(part for part, _ in parts))
    unknown = [part for part in types if part not in SIMPLE]
    if unknown:
        raise ParameterError(
            f"parameter {name!r} is declared as {unknown[0]}; allowed are {', '.join(SIMPLE)}, "
            "Literal[...] and unions of them."
        )
    return types, tuple(value for _, values in parts for value in values)


def _parts(node: ast.expr) -> list[tuple[str, tuple[Any, ...]]]:
    """Each member of a union: its type name, and the values of a Literal."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _parts(node.left) + _parts(node.right)
    if isinstance(node, ast.Subscript):
        outer = ast.unparse(node.value).rpartition(".")[2]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer == "Literal":
            values = [ast.literal_eval(item) for item in inner]
            return [(type(value).__name__, (value,)) for value in values]
        if outer in ("Optional", "Union"):
            more = [("None", ())] if outer == "Optional" else []
            return [part for item in inner for part in _parts(item)] + more
        return _parts(node.value)  # list[int]: what it holds is not looked at
    return [(ast.unparse(node).rpartition(".")[2], ())]


def _limits(
    name: str, comment: str, types: tuple[str, ...]
) -> tuple[float | None, float | None, tuple[Any, ...], str]:
    """Range, listed values and the rest of a comment."""
    if found := RANGE.match(comment):
        if not {"int", "float"} & set(types):
            raise ParameterError(f"parameter {name!r} has a range and is no number: {types}.")
        low, high = (float(end) if end else None for end in found.groups())
        return low, high, (), comment[found.end() :]
    if found := CHOICES.match(comment):
        listed = tuple(_choice(item.strip(), types) for item in found[1].split(",") if item.strip())
        return None, None, listed, comment[found.end() :]
    return None, None, (), comment


def _choice(text: str, types: tuple[str, ...]) -> Any:
    """A listed value: a text where the parameter is one, else a literal."""
    if "str" in types:
        return text.strip("\"'")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def check_parameters(
    declared: Mapping[str, Parameter], given: Mapping[str, Any], *, notebook: str = "the notebook"
) -> None:
    """Raise ParameterError unless every value given is allowed and every required one is there.

    Names every problem, one a line, with what is allowed.
    """
    problems = [_unknown(name, declared, notebook) for name in given if name not in declared]
    for name, parameter in declared.items():
        if name not in given:
            if parameter.required:
                problems.append(
                    f"{notebook} needs the parameter {name!r}; give it a value: "
                    f"{parameter.allowed()}."
                )
            continue
        wrong = parameter.problem(given[name])
        if wrong:
            problems.append(
                f"parameter {name!r} {wrong}; allowed: {parameter.allowed()}."
                + _hint(parameter, given[name])
            )
    if problems:
        raise ParameterError("\n".join(problems))


def _unknown(name: str, declared: Iterable[str], notebook: str) -> str:
    close = difflib.get_close_matches(name, list(declared), n=1)
    question = f" Did you mean {close[0]!r}?" if close else ""
    return f"{notebook} declares no parameter {name!r}; it declares {sorted(declared)}.{question}"


def _hint(parameter: Parameter, value: Any) -> str:
    """papermill's -p turns 123 and True into a number and a truth value."""
    turned = "str" in parameter.types and isinstance(value, int | float)
    return f" To give a text with papermill, use -r {parameter.name} {value}." if turned else ""


def injected_parameters(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The values that papermill's injected cell sets: what will be executed, whoever wrote it."""
    cells = [c for c in notebook["cells"] if INJECTED in c["metadata"].get("tags", [])]
    values: dict[str, Any] = {}
    for cell in cells:
        for statement in ast.parse("".join(cell["source"])).body:
            target = _assignment(statement)
            if target is None or target[2] is None:
                raise ParameterError(
                    f"the cell tagged {INJECTED!r} holds more than values: "
                    f"{ast.unparse(statement)}; run the notebook without that cell."
                )
            values[target[0]] = _injected(target[0], target[2])
    return values


def _injected(name: str, value: ast.expr) -> Any:
    """A value of the injected cell; papermill writes nan and inf as float('nan')."""
    text = ast.unparse(value)
    if found := re.fullmatch(r"float\('(nan|inf|-inf)'\)", text):
        return float(found[1])
    return _literal(name, value)


def parse_value(parameter: Parameter, text: str) -> Any:
    """A value typed on a command line, read as the parameter's type wants it.

    A text stays as typed unless the parameter may not be one. Raises ParameterError.
    """
    if "str" in parameter.types and text != "None":
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # the check says what is wrong with it

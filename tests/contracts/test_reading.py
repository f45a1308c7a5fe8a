"""A contract file: read with its line numbers; each mistake named with its line and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.contracts import Contract, ContractError
from fin_kedro.contracts.reading import ContractDataset, read_contract
from tests.contracts.samples import CREDIT

TEXT = """\
apiVersion: v3.1.0
kind: DataContract
id: loans
name: loans
version: 2.0.0
status: active
schema:
  - name: loans
    customProperties: [{property: event, value: 1}]
    properties:
      - name: number
        logicalType: integer
        required: true
        customProperties: [{property: role, value: id}]
      - name: income
        logicalType: number
        customProperties:
          - {property: role, value: feature}
          - {property: expectedSign, value: negative}
          - {property: missingCodes, value: [-9]}
      - name: grade
        logicalType: integer
        enum: [{value: 1, label: good}, {value: 2}]
        customProperties:
          - {property: role, value: feature}
          - {property: scale, value: nominal}
          - {property: recode, value: {5: 2}}
      - name: bad
        logicalType: integer
        required: true
        enum: [{value: 0}, {value: 1}]
        customProperties: [{property: role, value: target}]
"""


def read(folder: Path, *changes: tuple[str, str]) -> Contract:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "loans.odcs.yaml"
    path.write_text(text)
    return read_contract(path)


def test_a_good_file(tmp_path: Path) -> None:
    contract = read(tmp_path)
    income, grade = contract.columns["income"], contract.columns["grade"]
    assert (contract.name, contract.version, contract.event) == ("loans", "2.0.0", 1)
    assert (income.type, income.sign, income.missing_codes) == ("number", -1, (-9,))
    assert (grade.allowed, grade.recode, grade.nominal) == ((1, 2), {5: 2}, True)
    assert grade.labels[1] == "good"


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    lines = TEXT.splitlines()
    for column in read(tmp_path).columns.values():
        assert lines[column.line - 1].strip() == f"- name: {column.name}"


@pytest.mark.parametrize("path", sorted(CREDIT.parent.glob("*.yaml")), ids=lambda p: p.name)
def test_the_projects_own_contracts_have_every_line_right(path: Path) -> None:
    lines = path.read_text().splitlines()
    for column in read_contract(path).columns.values():
        assert lines[column.line - 1].strip() == f"- name: {column.name}"


ROLE = "{property: role, value: feature}"
BROKEN = {
    "misspelt custom property": (
        ("property: expectedSign", "property: expectedSing"),
        r":19, column income: unknown custom property 'expectedSing'.*Did you mean 'expectedSign'",
    ),
    "misspelt table property": (
        ("property: event", "property: evnt"),
        "unknown custom property 'evnt'.*Did you mean 'event'",
    ),
    "bad role": ((ROLE, "{property: role, value: featur}"), ":18.*role is 'featur'.*'feature'"),
    "bad type": (("logicalType: number", "logicalType: numbr"), ":16.*numbr"),
    "type of the standard that we have no rule for": (
        ("logicalType: number", "logicalType: object"),
        ":16, column income: logicalType is 'object'; allowed are integer, number",
    ),
    "bad sign": (("value: negative", "value: up"), ":19.*expectedSign is 'up'; allowed are"),
    "sign as a list": (("value: negative", "value: [negative]"), ":19.*expectedSign is "),
    "codes not as a list": (("value: [-9]", "value: -9"), r":20.*missingCodes is -9; write"),
    "recode not as pairs": (("value: {5: 2}", "value: [5, 2]"), r":27.*recode is \[5, 2\]; write"),
    "no target": (("value: target", "value: ignored"), "0 columns have role 'target'"),
    "two targets": ((ROLE, "{property: role, value: target}"), "2 columns have role 'target'"),
    "no id": (("value: id", "value: ignored"), "0 columns have role 'id'"),
    "stated twice": (("name: grade", "name: income"), "columns stated twice: income"),
    "no name": (("- name: grade\n        log", "- log"), "a name is missing"),
    "unknown event": (("event, value: 1", "event, value: 7"), ":28.*`event` is 7.*allowed: 0, 1"),
    "two tables": (
        ("    properties:\n", "  - name: other\n    properties:\n"),
        "describes one table",
    ),
    "no table": (("schema:", "other:"), ":7: unknown name 'other'.*allowed are .*schema"),
    "no YAML": (("name: loans", "name: [loans"), "no Open Data Contract Standard file"),
    "optional id": (
        ("        required: true\n        customProperties: [{property: role, value: id}]",
         "        customProperties: [{property: role, value: id}]"),
        "the id must be required",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, mistake: str) -> None:
    change, said = BROKEN[mistake]
    with pytest.raises(ContractError, match=f"(?s)loans.odcs.yaml.*{said}|{said}.*loans.odcs.yaml"):
        read(tmp_path, change)


def test_two_time_columns(tmp_path: Path) -> None:
    time = "{property: role, value: time}"
    with pytest.raises(ContractError, match="2 columns have role 'time'"):
        read(tmp_path, (ROLE, time), (ROLE, time))


EVENTS = TEXT.replace("    customProperties: [{property: event, value: 1}]\n", "", 1).replace(
    "value: target", "value: ignored"
)


def test_a_table_of_events_has_no_target(tmp_path: Path) -> None:
    path = tmp_path / "events.odcs.yaml"
    path.write_text(EVENTS)
    contract = read_contract(path)
    assert not contract.has_target
    assert [c.name for c in contract.features] == ["income", "grade"]
    with pytest.raises(ContractError, match="0 columns have role 'target'"):
        _ = contract.target  # who asks for one is still told


def test_a_table_of_labels_has_neither_target_nor_feature(tmp_path: Path) -> None:
    path = tmp_path / "labels.odcs.yaml"
    path.write_text(EVENTS.replace("value: feature", "value: ignored"))
    contract = read_contract(path)
    assert not contract.has_target and not contract.features


def test_a_target_without_features_is_refused_though_event_is_not_stated(tmp_path: Path) -> None:
    stated = ("    customProperties: [{property: event, value: 1}]\n", "")
    ignored = "{property: role, value: ignored}"
    with pytest.raises(ContractError, match="nothing to learn from"):
        read(tmp_path, stated, (ROLE, ignored), (ROLE, ignored))


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    ignored = "{property: role, value: ignored}"
    with pytest.raises(ContractError, match="nothing to learn from"):
        read(tmp_path, (ROLE, ignored), (ROLE, ignored))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "schema: 3\n", "\x00"])
def test_a_file_that_is_no_contract(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.odcs.yaml"
    path.write_text(text)
    with pytest.raises(ContractError, match=r"x\.odcs\.yaml"):
        read_contract(path)


def test_a_missing_file_lists_its_neighbours(tmp_path: Path) -> None:
    read(tmp_path)
    with pytest.raises(ContractError, match=r"no contract at .*lones.*loans\.odcs\.yaml"):
        read_contract(tmp_path / "lones.odcs.yaml")
    with pytest.raises(ContractError, match="Contracts there: none"):
        read_contract(tmp_path / "nowhere" / "x.odcs.yaml")


def test_the_dataset_reads_and_never_writes(tmp_path: Path) -> None:
    read(tmp_path)
    dataset = ContractDataset(filepath=str(tmp_path / "loans.odcs.yaml"))
    assert dataset.load().name == "loans"
    assert dataset.exists()
    with pytest.raises(Exception, match="edited by hand"):
        dataset.save("anything")  # type: ignore[arg-type]


def test_a_recode_must_lead_to_an_allowed_value(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="column grade: recode leads to 9.*allowed: 1, 2"):
        read(tmp_path, ("{5: 2}", "{5: 9}"))


def test_a_range_must_allow_something(tmp_path: Path) -> None:
    ends = "logicalType: number\n        logicalTypeOptions: {minimum: 2, maximum: 1}"
    with pytest.raises(ContractError, match="column income: minimum 2 is above maximum 1"):
        read(tmp_path, ("logicalType: number", ends))


# two columns


def with_rule(folder: Path, **rule: str) -> Contract:
    """The contract with one quality rule; ours where nothing else is said."""
    ours = {"name": "dated", "type": "custom", "engine": "fin_kedro", **rule}
    text = ", ".join(f"{name}: {value!r}" for name, value in ours.items())
    return read(folder, ("    properties:\n", f"    quality: [{{{text}}}]\n    properties:\n"))


@pytest.mark.parametrize("written", ["income >= grade", "income>=grade", " income  >= grade "])
def test_a_quality_rule_compares_two_columns(written: str, tmp_path: Path) -> None:
    (rule,) = with_rule(tmp_path, implementation=written).comparisons
    assert str(rule) == "income >= grade"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"implementation": "income => grade"}, "'income => grade' compares no two columns.*>="),
        ({"implementation": "income >= 3 * grade"}, "compares no two columns"),
        ({"implementation": "incme >= grade"}, "column is 'incme'.*Did you mean 'income'"),
        ({"type": "sql", "engine": "duckdb"}, "type 'sql' with engine 'duckdb' is not checked"),
        ({"engine": "soda", "implementation": "income >= grade"}, "engine: fin_kedro"),
    ],
)
def test_a_quality_rule_that_would_not_be_checked_is_refused(
    rule: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=said):
        with_rule(tmp_path, **rule)


def test_only_columns_of_one_kind_are_compared(tmp_path: Path) -> None:
    text = ("      - name: bad\n", "      - {name: town, logicalType: string}\n      - name: bad\n")
    rule = (
        "    properties:\n",
        "    quality: [{name: r, type: custom, engine: fin_kedro, implementation: town < bad}]\n"
        "    properties:\n",
    )
    with pytest.raises(ContractError, match="town is string and bad is a number"):
        read(tmp_path, text, rule)

"""Grades of runs: A identical, B within tolerance, C same verdicts and decisions, D differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fin_kedro.storage.canonical import content_hash
from fin_kedro.verification.comparison import (
    Comparison,
    Rules,
    compare_notebooks,
    compare_runs,
    ordered_steps,
    read_rules,
    worst,
)
from fin_kedro.verification.departures import Tolerance

RULES = read_rules(
    {
        "tolerances": [{"dataset": "metrics", "leaf": "*", "absolute": 0.001, "reason": "a test"}],
        "verdicts": [
            {"dataset": "verdicts", "list": "verdicts", "key": "code", "fields": ["status"]}
        ],
        "decisions": [{"dataset": "scores", "key": "id", "column": "decision"}],
        "keys": {"scores": "id"},
    }
)
Write = Callable[[Path], Any]


def scores(probability: float = 0.2, decision: str = "approve") -> Write:
    table = pd.DataFrame({"id": [1, 2], "p": [0.1, probability], "decision": ["approve", decision]})
    return table.to_parquet


def as_json(content: Any) -> Write:
    return lambda path: path.write_text(json.dumps(content))


def verdict(status: str) -> Write:
    return as_json({"verdicts": [{"code": "AUC", "status": status}]})


BASE: dict[str, Write] = {
    "scores.parquet": scores(),
    "metrics.json": as_json({"auc": 0.78}),
    "verdicts.json": verdict("pass"),
}
MADE_BY = {"scores": "score", "metrics": "measure", "verdicts": "judge"}
READS = {"score": {}, "measure": {"scores": ""}, "judge": {"metrics": ""}}


def seal_of(folder: Path, files: dict[str, Write]) -> dict[str, Any]:
    """Write the files of a run, and the content of its seal."""
    folder.mkdir()
    steps: dict[str, Any] = {
        s: {"read": READS[s], "written": {}} for s in ("judge", "measure", "score")
    }
    for name, write in files.items():
        write(folder / name)
        dataset = name.split(".")[0]
        steps[MADE_BY[dataset]]["written"][dataset] = content_hash(folder / name)
    return {"steps": steps}


def graded(tmp_path: Path, rules: Rules = RULES, **changed: Write | None) -> Comparison:
    """Compare the base run with one in which some files are others (None: not made)."""
    other = {**BASE, **{n.replace("_", "."): w for n, w in changed.items() if w}}
    gone = {n.replace("_", ".") for n, w in changed.items() if w is None}
    other = {n: w for n, w in other.items() if n not in gone}
    contents = seal_of(tmp_path / "one", BASE), seal_of(tmp_path / "other", other)
    find = [
        lambda name, folder=folder: next((tmp_path / folder).glob(f"{name}.*"), None)
        for folder in ("one", "other")
    ]
    return compare_runs(*contents, stored=find[0], made=find[1], rules=rules)


def test_identical_outputs_are_an_a(tmp_path: Path) -> None:
    found = graded(tmp_path)
    assert (found.grade, found.first, found.judgements) == ("A", None, 3)


def test_steps_come_in_the_order_in_which_they_read(tmp_path: Path) -> None:
    found = graded(tmp_path)
    assert [output.step for output in found.outputs] == ["score", "measure", "judge"]


def test_numbers_within_tolerance_are_a_b(tmp_path: Path) -> None:
    found = graded(tmp_path, metrics_json=as_json({"auc": 0.7805}))
    assert found.grade == "B"
    assert found.first is not None and found.first.first == "auc: 0.78 became 0.7805"


def test_the_same_verdicts_and_decisions_are_a_c(tmp_path: Path) -> None:
    found = graded(tmp_path, scores_parquet=scores(probability=0.3))
    assert (found.grade, found.changed) == ("C", ())


def test_another_decision_is_a_d_and_is_named(tmp_path: Path) -> None:
    found = graded(tmp_path, scores_parquet=scores(decision="decline"))
    assert found.grade == "D"
    assert found.changed == ("scores 2: approve became decline",)


def test_another_verdict_is_a_d_and_so_is_what_differs_beside_it(tmp_path: Path) -> None:
    found = graded(tmp_path, scores_parquet=scores(probability=0.3), verdicts_json=verdict("fail"))
    assert {o.name: o.grade for o in found.outputs} == {
        "scores": "D",
        "metrics": "A",
        "verdicts": "D",
    }
    assert found.decisive is not None and found.decisive.step == "score"


def test_without_verdicts_and_decisions_nothing_is_a_c(tmp_path: Path) -> None:
    none = Rules(tolerances=RULES.tolerances)
    assert graded(tmp_path, none, scores_parquet=scores(probability=0.3)).grade == "D"


def test_an_output_that_was_not_made_is_a_d(tmp_path: Path) -> None:
    found = graded(tmp_path, metrics_json=None)
    assert found.first is not None and found.first.first == "was not made this time"
    assert found.grade == "D"


def test_a_sealed_file_that_is_gone_leaves_only_hashes(tmp_path: Path) -> None:
    contents = (
        seal_of(tmp_path / "one", BASE),
        seal_of(tmp_path / "other", {**BASE, "metrics.json": as_json({"auc": 0.7805})}),
    )
    found = compare_runs(*contents, stored=lambda _: None, made=lambda _: None, rules=RULES)
    assert found.first is not None and "sealed file is gone" in found.first.first


def test_a_file_that_cannot_be_read_is_a_d_that_says_so(tmp_path: Path) -> None:
    found = graded(tmp_path, metrics_json=lambda path: path.write_text("{broken"))
    assert found.grade in ("C", "D")
    assert found.first is not None and "could not be compared" in found.first.first


def notebook(*texts: str, status: str | None = None) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code", "id": f"c{n}", "metadata": {}, "source": "f()",
            "execution_count": n,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
        }
        for n, text in enumerate(texts, 1)
    ]  # fmt: skip
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def of_notebooks(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> Comparison:
    from fin_kedro.storage.canonical import canonical_outputs

    contents = []
    for name, made in (("one", one), ("other", other)):
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(made))
        hashes = canonical_outputs(made)
        steps = {
            f"cell {n} (#{cell})": {"read": {}, "written": {"output": digest}}
            for n, (cell, digest) in enumerate(hashes.items(), 1)
        }
        contents.append({"steps": dict(sorted(steps.items()))})
    return compare_notebooks(
        *contents, stored=tmp_path / "one.ipynb", made=tmp_path / "other.ipynb", rules=RULES,
        name="notebooks/x.ipynb",
    )  # fmt: skip


def test_a_notebook_is_graded_cell_by_cell_in_order(tmp_path: Path) -> None:
    texts = [f"value {n}" for n in range(12)]
    found = of_notebooks(tmp_path, notebook(*texts), notebook(*texts[:9], "else", *texts[10:]))
    assert [o.step for o in found.outputs][-3:] == [
        "cell 10 (#c10)",
        "cell 11 (#c11)",
        "cell 12 (#c12)",
    ]
    assert found.grade == "D"
    assert found.first is not None and found.first.step == "cell 10 (#c10)"
    assert "became else" in found.first.first


def test_a_cell_whose_number_was_rounded_is_a_b(tmp_path: Path) -> None:
    found = of_notebooks(tmp_path, notebook("AUC 0.778"), notebook("AUC 0.779"))
    assert found.grade == "B"


def test_the_first_tolerance_that_fits_counts() -> None:
    rules = Rules(
        tolerances=(
            Tolerance(dataset="*.scores", leaf="*probability", absolute=0.1, reason="a"),
            Tolerance(dataset="*", absolute=0.2, reason="b"),
        )
    )
    assert rules.tolerance("credit.scores", "champion_probability").absolute == 0.1
    assert rules.tolerance("credit.metrics", "auc").absolute == 0.2
    assert Rules().tolerance("credit.metrics", "auc").absolute == 0.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"tolerance": []}, "unknown section 'tolerance'"),
        ({"at_least": "E"}, "must be A, B, C or D"),
        ({"tolerances": [{"dataset": "*", "absolute": 1}]}, "gives no reason"),
    ],
)
def test_rules_that_are_wrong_are_refused(content: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_rules(content)


def test_the_project_gives_each_tolerance_a_reason_and_asks_for_b() -> None:
    path = Path(__file__).parents[2] / "conf/base/verification.yml"
    rules = read_rules(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert rules.at_least == "B"
    assert rules.accepts("A") and rules.accepts("B") and not rules.accepts("C")
    assert rules.key("fraud.scores") == "entity_id"


def test_a_run_without_outputs_shows_nothing() -> None:
    assert (worst([]), worst(["B", "A", "C"])) == ("none", "C")
    nothing = compare_runs(
        {"steps": {}}, {"steps": {}}, stored=lambda _: None, made=lambda _: None, rules=RULES
    )
    assert nothing.grade == "none" and not Rules(at_least="D").accepts("none")


def test_verdicts_that_cannot_be_read_are_not_the_same_ones(tmp_path: Path) -> None:
    """Beside other judgements, all unchanged, an unreadable file once made a C."""
    torn = graded(tmp_path, verdicts_json=lambda path: path.write_text('{"verdicts": [{'))
    assert torn.grade == "D" and torn.judgements == 2
    assert torn.changed[0].startswith("verdicts: its judgements cannot be read: JSONDecodeError")
    assert torn.decisive is not None and "could not be compared" in torn.decisive.first


def test_steps_that_read_each_other_still_come_once() -> None:
    steps = {
        "a": {"read": {"y": ""}, "written": {"x": ""}},
        "b": {"read": {"x": ""}, "written": {"y": ""}},
    }
    assert sorted(ordered_steps(steps)) == ["a", "b"]

"""What a verification is made of: worlds, imposed conf, seals that contradict themselves."""

from __future__ import annotations

import json
import operator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fin_kedro.project.config import project_config
from fin_kedro.seals.modules import notebook_hash
from fin_kedro.seals.seal import SealError, make_seal, read_seal
from fin_kedro.storage.canonical import canonical_outputs, json_hash
from fin_kedro.verification import verify_all
from fin_kedro.verification.comparison import Comparison, Output, Rules
from fin_kedro.verification.conditions import (
    World,
    settle_conf,
    variables,
    wanted_parameters,
)
from fin_kedro.verification.verify import (
    Sealed,
    Verifier,
    VerifyError,
    check_consistent,
    check_places,
    first_words,
)
from fin_kedro.verification.verify_all import Row, badge_words, draw_badge, write_badge
from tests.seals.sealed_house import FILES, make_house

PARAMETERS = {"model": {"depth": 4, "rate": 0.1}, "names": ["a", "b"]}


def project(folder: Path, parameters: Any = PARAMETERS, **files: Any) -> Path:
    """A project that is conf only."""
    base: dict[str, Any] = {
        "conf/base/parameters.yml": parameters,
        "conf/base/policy.yml": {"gates": {"AUC": {"min": 0.7}}},
        "conf/base/mlflow.yml": {"server": {"mlflow_tracking_uri": "${project:data/mlflow.db}"}},
        "conf/base/catalog.yml": {"seal": {"type": "json.JSONDataset", "filepath": "data/s.json"}},
        "conf/base/globals.yml": {"data": "data"},
    }
    for name, content in {**base, **{n.replace("__", "/"): c for n, c in files.items()}}.items():
        path = folder / (name if name.endswith(".yml") else f"{name}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    (folder / "conf/local").mkdir(exist_ok=True)
    return folder


def seal(parameters: Any = PARAMETERS, **occasion: Any) -> dict[str, Any]:
    policy = {"gates": {"AUC": {"min": 0.7}}}
    content = {"subject": {"env": None}, "parameters": {**parameters, "policy": policy}}
    return {"content": content, "occasion": occasion}


def imposed(tmp_path: Path, there: Any, world: World | None = None, **occasion: Any) -> Any:
    """Runtime parameters that turn a checkout with conf `there` into the sealed one."""
    tree = project(tmp_path / "tree", there)
    own = project(tmp_path / "own", {**PARAMETERS, "model": {"depth": 9, "rate": 0.1}})
    return wanted_parameters(world or World(), tree, own, seal(**occasion))


def test_where_conf_resolves_as_sealed_nothing_is_imposed(tmp_path: Path) -> None:
    assert imposed(tmp_path, PARAMETERS) == ({}, [])


def test_what_conf_at_the_commit_has_otherwise_is_imposed_and_said(tmp_path: Path) -> None:
    params, said = imposed(tmp_path, {"model": {"depth": 6, "rate": 0.1}, "names": ["a"]})
    assert params == {"model": {"depth": 4}, "names": ["a", "b"]}
    assert [line.rpartition(": ")[2] for line in said] == ["model.depth = 4", "names = ['a', 'b']"]


def test_the_runs_own_parameters_are_given_again_in_silence(tmp_path: Path) -> None:
    there = {**PARAMETERS, "model": {"depth": 6, "rate": 0.1}}
    params, said = imposed(tmp_path, there, runtime_params={"model": {"depth": 4}})
    assert (params, said) == ({"model": {"depth": 4}}, [])


def test_a_parameter_that_the_run_did_not_have_is_taken_out(tmp_path: Path) -> None:
    imposed(tmp_path, {"model": {"depth": 4, "rate": 0.1, "shift": 1}, "names": ["a", "b"]})
    assert project_config(tmp_path / "tree")["parameters"]["model"] == PARAMETERS["model"]


def test_parameters_now_are_those_of_the_project(tmp_path: Path) -> None:
    params, _ = imposed(tmp_path, PARAMETERS, World(parameters="now"))
    assert params == {"model": {"depth": 9}}


def test_another_policy_is_written_into_the_checkout(tmp_path: Path) -> None:
    tree = project(tmp_path / "tree", conf__local__policy={"gates": {"AUC": {"min": 0.9}}})
    wanted_parameters(World(), tree, tree, seal())
    assert project_config(tree)["policy"] == {"gates": {"AUC": {"min": 0.7}}}


def test_mlflow_of_a_team_is_not_written_to(tmp_path: Path) -> None:
    server = {"server": {"mlflow_tracking_uri": "https://mlflow.example.org"}}
    tree = project(tmp_path / "tree", conf__team__mlflow=server)
    settle_conf(tree, "team")
    assert str(tree) in project_config(tree, "team")["mlflow"]["server"]["mlflow_tracking_uri"]


def test_a_world_gives_some_of_its_factors() -> None:
    world = World(code="HEAD", data="now", threads=2, python=Path("/other/python"))
    assert world.only(frozenset({"threads"})) == World(threads=2)
    assert world.only(frozenset({"environment", "data"})) == World(
        python=Path("/other/python"), data="now"
    )
    assert world.said() == "code HEAD, data now, python /other/python, 2 threads"
    assert World().said() == ""


def test_a_process_gets_the_sealed_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mine.db")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    sealed = {"fixed": {"TZ": None}, "threads": {"OMP_NUM_THREADS": "3", "used": 1}}
    found = variables(World(), Path("/tree"), sealed)
    assert "TZ" not in found and "MLFLOW_TRACKING_URI" not in found
    assert found["PYTHONPATH"] == "/tree/src"
    both = operator.itemgetter("OMP_NUM_THREADS", "FIN_KEDRO_THREADS")
    assert both(found) == ("3", "1"), "a run's BLAS had one, whatever OpenMP was told"
    assert both(variables(World(), Path("/tree"), sealed, kernel=True)) == ("3", "3")
    assert both(variables(World(threads=2), Path("/tree"), sealed)) == ("2", "2")


def consistent() -> dict[str, Any]:
    step = {"read": {"params:model": json_hash({"depth": 4})}, "written": {"out": "h"}}
    return {
        "kind": "pipeline", "parameters": {"model": {"depth": 4}}, "steps": {"fit": step},
        "data": {"written": {"out": "h"}},
    }  # fmt: skip


def test_a_seal_that_contradicts_itself_is_refused() -> None:
    check_consistent(consistent())
    other = consistent()
    other["parameters"]["model"]["depth"] = 5
    with pytest.raises(SealError, match="fit read another parameter 'model'"):
        check_consistent(other)
    other = consistent()
    other["data"]["written"]["out"] = "else"
    with pytest.raises(SealError, match="fit wrote another 'out'"):
        check_consistent(other)


@pytest.mark.parametrize(
    "subject",
    [{"env": "../../victim"}, {"env": ".."}, {"env": "a/b"}, {"notebook": "../n.ipynb"},
     {"notebook": "/etc/n.ipynb"}],
)  # fmt: skip
def test_a_seal_that_names_places_outside_the_project_is_refused(subject: dict[str, Any]) -> None:
    check_places({"env": "ci", "notebook": "notebooks/a.ipynb"})
    check_places({"env": None})
    with pytest.raises(SealError, match="The seal was edited"):
        check_places(subject)


def test_the_first_departure_in_words() -> None:
    output = Output(step="fit", name="model", grade="D", note="was not made this time")
    assert first_words(output) == "fit, model: was not made this time"
    assert first_words(Output(step="cell 2 (#c)", name="output", grade="D")) == "cell 2 (#c)"
    assert first_words(Comparison(outputs=()).first) == ""


def row(grade: str) -> Row:
    return Row(kind="notebook", subject="n.ipynb", grade=grade, holds=grade <= "B")


def test_the_badge_counts_grades_and_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [row("A"), row("A"), row("C")]
    assert badge_words(rows) == "2 A, 1 C"
    badge = write_badge(rows, project(tmp_path))
    text = badge.read_text()
    assert "verified: 2 A, 1 C" in text and text == draw_badge("verified", "2 A, 1 C", "C")
    assert write_badge(rows, tmp_path).read_text() == text
    stated = json.loads(badge.with_name("verify.json").read_text())
    assert (stated["grade"], stated["message"], len(stated["rows"])) == ("C", "2 A, 1 C", 3)


def test_a_badge_of_what_could_not_be_executed_is_grey() -> None:
    assert "#757575" in draw_badge("verified", "nothing to verify", "none")
    assert badge_words([]) == "nothing to verify"


# All of a project


def rows_of(house: Path, monkeypatch: pytest.MonkeyPatch, *only: str) -> list[tuple[str, str]]:
    """Subject and grade of each row, where no run is executed: each holds with A."""
    monkeypatch.setattr(verify_all, "_run_row", lambda *_: row("A"))
    return [(r.subject, r.grade) for r in verify_all.verify_all(house, only=only)]


def test_one_unreadable_seal_is_a_row_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house(tmp_path)
    torn = tmp_path / FILES["seal"] / "2026-12-01T00.00.00.000Z/seal.json"
    torn.parent.mkdir()
    for text in ("{", '{"format": "fin-kedro-seal/1", "content": {}}'):
        torn.write_text(text)
        found = rows_of(tmp_path, monkeypatch)
        assert found == [(torn.parent.name, "none"), ("n.ipynb", "A")]


def test_a_report_that_no_verified_run_made_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_house(tmp_path)
    report = "notebooks/validation/report.ipynb"
    (tmp_path / report).parent.mkdir(parents=True)
    (tmp_path / report).write_text("{}")
    assert (report, "none") in rows_of(tmp_path, monkeypatch)
    assert rows_of(tmp_path, monkeypatch, "notebooks/validation/*") == [(report, "none")]


def test_a_run_whose_seal_cannot_be_opened_is_a_row(tmp_path: Path) -> None:
    seal_path = make_house(tmp_path)
    content = seal_path.read_text().replace('"env": null', '"env": "../.."', 1)
    seal_path.write_text(content)
    found = verify_all._run_row(tmp_path, seal_path, World(), Rules(), False, lambda _: None)
    assert (found.subject.split(" ")[0], found.grade) == ("__default__", "none")
    assert "The seal was edited" in found.what


def kept_notebook(folder: Path, outcome: str = "completed") -> tuple[Path, Path]:
    """A notebook of a project, and its sealed execution as `verify --all` keeps it."""
    (folder / "pyproject.toml").write_text("")
    (folder / "src").mkdir()
    output = {"output_type": "stream", "name": "stdout", "text": "0.5"}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "x", "outputs": [output]}
    source, kept = folder / "n.ipynb", folder / "kept.ipynb"
    source.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    code = {"notebooks": {"n.ipynb": notebook_hash(source)}, "modules": {}}
    outputs = json_hash(canonical_outputs(source))
    parts = {part: {} for part in ("environment", "parameters", "steps", "subject")}
    data = {"read": {}, "written": {"outputs": outputs}}
    content = {**parts, "kind": "notebook", "code": code, "data": data, "outcome": outcome}
    made = {"cells": [cell], "metadata": {"fin_kedro": {"seal": make_seal(content, {})}}}
    kept.write_text(json.dumps(made))
    return source, kept


@pytest.mark.parametrize("fault", ["none", "it failed", "an output edited", "the seal edited"])
def test_only_a_sound_execution_is_kept_for_the_next_time(tmp_path: Path, fault: str) -> None:
    """One that failed once, when data were missing, would otherwise fail for ever."""
    source, kept = kept_notebook(tmp_path, "failed" if fault == "it failed" else "completed")
    text = kept.read_text()
    kept.write_text(text.replace("0.5", "0.6") if fault == "an output edited" else text)
    if fault == "the seal edited":
        kept.write_text(text.replace('"modules": {}', '"modules": {"m": "h"}'))
    assert verify_all._is_current(kept, source) is (fault == "none")


def test_a_run_whose_patch_was_withheld_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = make_house(tmp_path)
    found = read_seal(path)
    code = {**found["content"]["code"], "patch_withheld": "conf/base/db.yml shows access key"}
    withheld = make_seal({**found["content"], "code": code}, found["occasion"])
    sealed = Sealed(project=tmp_path, path=path, seal=withheld)
    with (
        Verifier(sealed, rules=Rules()) as verifier,
        pytest.raises(
            VerifyError, match=r"withheld .*db\.yml shows access key.*from its seal alone"
        ),
    ):
        verifier.verify()

"""Worlds: conf of a checkout made as sealed, variables of a process, factors in words."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.project.config import project_config
from fin_kedro.verification.conditions import World, settle_conf, variables, wanted_parameters
from tests.verification.conf_project import PARAMETERS, project, seal


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

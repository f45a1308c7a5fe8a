"""One seed gives the same bytes: in another folder, on one core, with other thread settings."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.kernel.evidence import open_catalog
from tests.conftest import kedro
from tests.end_to_end.evidence import sha256

pytestmark = pytest.mark.slow

CANONICAL = (
    *("05_model_input/credit/model_table.parquet", "05_model_input/credit/features.json"),
    *(f"06_models/credit/{name}.json" for name in ("champion", "scorecard", "calibrations")),
    *("06_models/credit/champion.onnx", "06_models/credit/scorecard.onnx"),
    *("06_models/credit/decision_policy.json", "06_models/credit/scorecard_points.csv"),
    *(f"06_models/credit/package/package/{part}" for part in ("package.json", "golden.json")),
    *("07_model_output/credit/scores.parquet", "07_model_output/credit/shap_values.parquet"),
    *(f"08_reporting/credit/{name}.json" for name in ("metrics", "calibration_curves", "verdicts")),
    *(f"08_reporting/credit/{name}.png" for name in ("roc", "reliability", "importance")),
    "08_reporting/credit/model_validation.ipynb",
    "08_reporting/credit/model_validation.html",
)


def versions_of(project: Path, name: str) -> list[Path]:
    """Every version of a dataset's file, oldest first."""
    folder, _, inside = name.partition("/package/package/")
    path = project / "data" / (f"{folder}/package" if inside else name)
    return sorted(path.glob(f"*/{path.name}/{inside}" if inside else f"*/{path.name}"))


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Commands started inside have one core (where the system can say so)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


@pytest.fixture(scope="module")
def twice(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained project, run once more on one core with other thread settings."""
    project = tmp_path_factory.mktemp("elsewhere") / "another-name"
    shutil.copytree(trained, project, symlinks=True)
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "17"}
    with one_core():
        result = kedro(project, "run", "--env", "ci", **threads)
    assert result.returncode == 0, result.stdout + result.stderr
    return project


@pytest.mark.parametrize("name", CANONICAL)
def test_two_runs_give_the_same_bytes(twice: Path, name: str) -> None:
    first, second = versions_of(twice, name)
    assert sha256(first) == sha256(second), f"{name} differs"


def test_the_lineage_of_both_runs_has_one_digest(twice: Path) -> None:
    first, second = (read_json_file(p) for p in versions_of(twice, "08_reporting/lineage.json"))
    assert first["content"] == second["content"]
    assert first["digest"] == second["digest"]
    assert first["occasion"]["nodes"] != second["occasion"]["nodes"], (
        "versions belong to the occasion"
    )


def test_both_versions_are_listed_and_the_first_can_be_loaded(twice: Path) -> None:
    listed = kedro(twice, "versions", "credit.champion", "--env", "ci")
    assert listed.returncode == 0, listed.stderr
    newest, first = (line.split() for line in listed.stdout.strip().splitlines()[-2:])
    paths = versions_of(twice, "06_models/credit/champion.json")
    assert [first[0], newest[0]] == [path.parent.name for path in paths]
    assert first[1] == newest[1] == sha256(paths[0])[:16]
    catalog = open_catalog(project_path=twice, env="ci", versions={"credit.champion": first[0]})
    assert catalog.load("credit.champion") == read_json_file(paths[0])


def read_json_file(path: Path) -> dict[str, Any]:
    """One version of a JSON dataset."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content

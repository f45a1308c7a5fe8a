"""One seed gives the same content: elsewhere, with other threads, hashes and place.

One core instead of several: test_faults, whose last run has one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.project.evidence import load_json, open_catalog
from fin_kedro.seals.crate import export_crate
from fin_kedro.seals.seal import list_seals, read_seal
from fin_kedro.seals.seal_check import check_on_disk, compare_seals
from fin_kedro.storage.canonical import SHOWN
from tests.conftest import kedro

pytestmark = pytest.mark.slow

WORKFLOWS = ("credit", "fraud")
# They also name the occasion: the model's version, the run, the seal of their own execution.
OTHER_BYTES = {
    f"{workflow}.{name}"
    for workflow in WORKFLOWS
    for name in ("validation_record", "validation_notebook", "validation_report")
}
SETTINGS = {
    "FIN_KEDRO_THREADS": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2",
    "MKL_NUM_THREADS": "2", "PYTHONHASHSEED": "17",
    "TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "tr_TR.UTF-8", "SOURCE_DATE_EPOCH": "1",
}  # fmt: skip


@pytest.fixture(scope="module")
def twice(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained project, run once more with other settings."""
    project = tmp_path_factory.mktemp("elsewhere") / "another-name"
    shutil.copytree(trained, project, symlinks=True)
    result = kedro(project, "run", "--env", "ci", **SETTINGS)
    assert result.returncode == 0, result.stdout + result.stderr
    return project


@pytest.fixture(scope="module")
def seals(twice: Path) -> list[dict[str, Any]]:
    """The seals of both runs, the first run's first."""
    first, second = (read_seal(path) for path in reversed(list_seals(twice, "ci")))
    return [first, second]


def departed(one: Any, two: Any, name: str = "") -> set[str]:
    """Dotted names of the values in which two contents differ."""
    if not isinstance(one, dict) or not isinstance(two, dict):
        return set() if one == two else {name}
    keys = {*one, *two}
    found = (departed(one.get(k), two.get(k), f"{name}.{k}".lstrip(".")) for k in keys)
    return set().union(*found)


def test_the_seals_differ_in_what_was_set_and_in_nothing_else(seals: list[dict[str, Any]]) -> None:
    first, second = seals
    parts = {part for part in first["digests"] if first["digests"][part] != second["digests"][part]}
    assert parts == {"environment"}
    set_otherwise = {"used", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    assert departed(first["content"], second["content"]) == {
        f"environment.threads.{name}" for name in set_otherwise
    }
    assert second["occasion"]["hash_seed"] == "17"
    environment = second["content"]["environment"]
    assert first["content"]["environment"]["threads"]["used"] == 1
    assert environment["threads"]["used"] == 2 and environment["matches_lock"] is not None
    if environment["platform"]["machine"] == "x86_64":
        assert {blas["core"] for blas in environment["blas"]} == {"Haswell"}


def test_a_run_says_its_seal_what_that_cost_and_the_head_of_the_ledger(trained: Path) -> None:
    said = (
        r"sealed as \w{12} \(the run waited [\d.]+ s for it; hashing in the background took "
        r"[\d.]+ s of processor time\)\n"
        r"  entered in the ledger as \d+:\w{16}; read the seal: kedro seal show 20"
    )
    assert re.search(said, (trained / "run.txt").read_text())


def test_every_artefact_has_the_same_content_and_most_the_same_bytes(
    seals: list[dict[str, Any]],
) -> None:
    rows = [row for row in compare_seals(*seals) if not row[0].startswith("(")]
    assert {name.split(".")[0] for name, *_ in rows} == set(WORKFLOWS)
    assert len(rows) > 50
    assert [row for row in rows if row[2] != "same"] == []
    assert {name for name, bytes_, *_ in rows if bytes_ != "same"} <= OTHER_BYTES


def test_what_lies_on_disk_is_what_each_seal_says(twice: Path) -> None:
    for path in list_seals(twice, "ci"):
        found = check_on_disk(path, project=twice, env="ci")
        assert {finding.verdict for finding in found} == {"same"}
        assert "ledger entry" in found[-1].what


def test_an_exported_run_is_checked_with_python_alone(twice: Path, tmp_path: Path) -> None:
    seal = list_seals(twice, "ci")[0]
    crate = export_crate(seal, tmp_path / "crate", project=twice, data="written")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(crate / "verify.py")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " 0 DIFFERS" in done.stdout.splitlines()[-1]


def test_both_versions_are_listed_and_the_first_can_be_loaded(
    twice: Path, seals: list[dict[str, Any]]
) -> None:
    listed = kedro(twice, "versions", "credit.champion", "--env", "ci")
    assert listed.returncode == 0, listed.stderr
    newest, first = (line.split() for line in listed.stdout.strip().splitlines()[-2:])
    assert [first[0], newest[0]] == [seal["occasion"]["run"] for seal in seals]
    assert (
        first[1] == newest[1] == seals[0]["content"]["data"]["written"]["credit.champion"][:SHOWN]
    )
    shown = kedro(twice, "seal", "show", first[0], "--env", "ci").stdout
    report = "08_reporting/credit/model_validation.html"
    text = (twice / "data" / report / first[0] / "model_validation.html").read_text("utf-8")
    data = seals[0]["content"]["data"]
    for name in ("credit.scores", "credit.contract", "credit.contract_report", "credit.parity"):
        digest = {**data["read"], **data["written"]}[name][:SHOWN]
        assert re.search(rf"^(read|written) +{digest}  {name}$", shown, re.M), shown
        assert re.search(rf"{name}</th>.{{0,200}}\b{digest}\b", text, re.S), name
    catalog = open_catalog(project_path=twice, env="ci", versions={"credit.champion": first[0]})
    assert load_json(catalog, "credit.champion")["trees"]

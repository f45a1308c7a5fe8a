"""Seals: digests that say what changed, and runs found by what a person knows of them."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fin_kedro.seals.seal import (
    PARTS,
    SealError,
    check_seal,
    find_seal,
    list_seals,
    make_seal,
    read_patch,
    read_seal,
    stored_patch,
)
from tests.conftest import ROOT

CONTENT: dict[str, Any] = {
    "kind": "pipeline",
    "subject": {"pipelines": ["credit"], "env": None, "selection": {}},
    "environment": {"lock": "a" * 64, "threads": {"used": 1}},
    "code": {"commit": None, "dirty": None, "nodes": {"train": "b" * 64}},
    "parameters": {"credit.champion": {"depth": 4, "rate": 0.1}},
    "steps": {"train": {"read": {"raw": "c" * 64}, "written": {"model": "d" * 64}}},
    "data": {"read": {"raw": "c" * 64}, "written": {"model": "d" * 64}},
    "outcome": "completed",
}
RUNS = ("2026-11-20T01.00.00.000Z", "2026-11-22T03.34.13.922Z", "2026-11-22T04.00.00.000Z")


def seal_of(*path: str, value: Any = None, **occasion: Any) -> dict[str, Any]:
    """A seal with one value of its content changed, if a path to it is given."""
    content = copy.deepcopy(CONTENT)
    place = content
    for key in path[:-1]:
        place = place[key]
    if path:
        place[path[-1]] = value
    return make_seal(content, {"run": RUNS[0], "seconds": 1.5, "mlflow_run": None, **occasion})


def test_the_occasion_does_not_count() -> None:
    assert seal_of(run="other", seconds=9.0)["digest"] == seal_of()["digest"]


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        (("environment", "threads", "used"), 2, "environment"),
        (("code", "nodes", "train"), "e" * 64, "code"),
        (("parameters", "credit.champion", "rate"), 0.2, "parameters"),
        (("data", "read", "raw"), "e" * 64, "data"),
        (("data", "written", "model"), "e" * 64, "outputs"),
        (("outcome",), "failed", None),
        (("subject", "env"), "ci", None),
        (("steps", "train", "read"), {}, None),
    ],
)
def test_a_change_shows_in_the_digest_of_its_part_only(
    path: tuple[str, ...], value: Any, part: str | None
) -> None:
    one, two = seal_of(), seal_of(*path, value=value)
    assert one["digest"] != two["digest"]
    changed = [name for name in PARTS if one["digests"][name] != two["digests"][name]]
    assert changed == ([part] if part else [])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=8,
    )
)
def test_a_seal_survives_its_file_whatever_the_parameters_hold(value: Any) -> None:
    seal = seal_of("parameters", value={"x": value})
    check_seal(json.loads(json.dumps(seal, allow_nan=False)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["content"]["parameters"].update(x=1), "digest of the whole"),
        (lambda s: s["digests"].update(data="0" * 64), "digest of data"),
        (lambda s: s["digests"].pop("code"), "digest of code"),
        (lambda s: s.update(digest="0" * 64), "digest of the whole"),
        (lambda s: s["content"].pop("steps"), "missing: .'steps'."),
        (lambda s: s["content"].update(more=1), "unknown: .'more'."),
        (lambda s: s["content"].update(kind="test"), "kind is 'test'; allowed: pipeline, notebook"),
        (lambda s: s.update(format="fin-kedro-seal/9"), "'fin-kedro-seal/9'"),
    ],
)
def test_a_seal_that_was_changed_is_broken(
    change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    seal = seal_of()
    check_seal(seal)
    change(seal)
    with pytest.raises(SealError, match=words):
        check_seal(seal)


def test_numbers_that_json_cannot_say_are_words() -> None:
    odd = {"none": float("nan"), "most": float("inf"), "least": float("-inf")}
    seal = seal_of("parameters", "credit.champion", value=odd)
    words = {"none": "NaN", "most": "Infinity", "least": "-Infinity"}
    assert seal["content"]["parameters"]["credit.champion"] == words
    json.dumps(seal, allow_nan=False)


def test_a_seal_needs_all_its_parts() -> None:
    with pytest.raises(SealError, match="missing: .'outcome'."):
        make_seal({k: v for k, v in CONTENT.items() if k != "outcome"}, {})


# Where seals lie


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's conf, and three sealed runs."""
    project = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "conf", project / "conf", ignore=shutil.ignore_patterns("local"))
    (project / "conf/local").mkdir()
    for number, run in enumerate(RUNS):
        seal = seal_of("parameters", value={"n": number}, run=run, mlflow_run=f"{number}" * 32)
        write_seal(project, run, seal)
    return project


def write_seal(project: Path, run: str, seal: dict[str, Any]) -> Path:
    path = project / "data/08_reporting/seal.json" / run / "seal.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(seal))
    return path


def test_seals_are_listed_newest_first(house: Path) -> None:
    assert [path.parent.name for path in list_seals(house)] == sorted(RUNS, reverse=True)


@pytest.mark.parametrize(
    ("asked", "run"),
    [("latest", RUNS[2]), (RUNS[1], RUNS[1]), ("2026-11-20", RUNS[0]), ("1" * 32, RUNS[1])],
    ids=["latest", "its id", "a beginning", "MLflow's id"],
)
def test_a_run_is_found_by_what_one_knows_of_it(house: Path, asked: str, run: str) -> None:
    assert find_seal(house, asked).parent.name == run


def test_the_latest_is_the_last_that_is_no_release_or_the_last_of_a_workflow(house: Path) -> None:
    folder = list_seals(house)[0].parents[1]
    for run, nodes in (
        ("2027-01-01", ["fraud.fit", "fraud.judge"]),
        ("2027-01-02", ["credit.fit", "credit.build_release"]),
        ("2027-01-03", ["credit.build_release", "fraud.build_release"]),
    ):
        (folder / run).mkdir()
        sealed = seal_of("code", "nodes", value=dict.fromkeys(nodes, "b" * 64), run=run)
        (folder / run / "seal.json").write_text(json.dumps(sealed))
    asked = ("latest", "latest:credit", "latest:fraud", "2027-01-03")
    found = [find_seal(house, run).parent.name for run in asked]
    assert found == ["2027-01-02", "2027-01-02", "2027-01-01", "2027-01-03"]
    with pytest.raises(SealError, match="no run 'latest:loans' is sealed"):
        find_seal(house, "latest:loans")
    (folder / "2027-01-04").mkdir()
    (folder / "2027-01-04/seal.json").write_text("{")
    assert find_seal(house, "latest").parent.name == "2027-01-04", "its reader says it is torn"
    for run in ("2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04"):
        shutil.rmtree(folder / run)


def test_a_run_is_found_by_its_digest_or_path(house: Path) -> None:
    path = find_seal(house, RUNS[1])
    assert find_seal(house, read_seal(path)["digest"][:10]) == path
    assert find_seal(house, str(path)) == path
    assert find_seal(house, str(path.relative_to(house))) == path


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("2026-11-22", f"fits 2 runs: {RUNS[2]}, {RUNS[1]}; write more"),
        ("2027", f"newest: {RUNS[2]}, .*kedro seal list"),
        ("ffffffffff", "no run 'ffffffffff' is sealed"),
    ],
)
def test_a_run_that_is_not_found_is_said(house: Path, asked: str, words: str) -> None:
    with pytest.raises(SealError, match=words):
        find_seal(house, asked)


def test_a_project_without_runs_says_how_to_make_one(house: Path, tmp_path: Path) -> None:
    shutil.copytree(house / "conf", tmp_path / "conf")
    assert list_seals(tmp_path) == []
    with pytest.raises(SealError, match="`kedro run` seals one"):
        find_seal(tmp_path, "latest")


def test_a_notebook_carries_its_seal_and_patch(tmp_path: Path) -> None:
    path, seal = tmp_path / "n.ipynb", seal_of()
    patch = b"diff --git a/x b/x\n+\xe9\n"  # of a file in Latin-1
    for kept in (stored_patch(patch), patch[:19].decode()):  # now, and as it was kept at first
        carried = {"fin_kedro": {"seal": seal, "patch": kept}}
        path.write_text(json.dumps({"cells": [], "metadata": carried}))
        assert read_seal(path) == seal
        assert read_patch(path) == patch[: 19 if kept.startswith("diff") else None]


def test_a_report_names_the_seal_of_its_notebook(tmp_path: Path) -> None:
    seal = seal_of()
    for kind in ("ipynb", "html"):
        (tmp_path / f"r.{kind}" / RUNS[0]).mkdir(parents=True)
    report = tmp_path / "r.html" / RUNS[0] / "r.html"
    report.write_text(f'<head><meta name="seal" content="{seal["digest"]}"></head>')
    with pytest.raises(SealError, match="give the executed notebook instead"):
        read_seal(report)
    notebook = {"cells": [], "metadata": {"fin_kedro": {"seal": seal}}}
    (tmp_path / "r.ipynb" / RUNS[0] / "r.ipynb").write_text(json.dumps(notebook))
    assert read_seal(report) == seal


def test_a_notebooks_occasion_lies_beside_it(tmp_path: Path) -> None:
    seal = seal_of()
    bare = {key: value for key, value in seal.items() if key != "occasion"}
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {"fin_kedro": {"seal": bare}}}))
    assert read_seal(path)["occasion"] == {"datasets": {}}
    (tmp_path / "occasion.json").write_text(json.dumps(seal["occasion"]))
    assert read_seal(path) == seal


@pytest.mark.parametrize("name", ["r.html", "r.ipynb"])
def test_what_a_pipeline_wrote_has_the_seal_of_its_run(tmp_path: Path, name: str) -> None:
    seal = seal_of()
    write_seal(tmp_path, RUNS[0], seal)
    report = tmp_path / f"data/08_reporting/credit/{name}" / RUNS[0] / name
    report.parent.mkdir(parents=True)
    report.write_text('{"cells": [], "metadata": {}}')
    assert read_seal(report) == seal


def test_what_carries_no_seal_is_said(tmp_path: Path) -> None:
    for name, text, words in (
        ("a.json", "{}", "holds no seal"),
        ("b.json", "{", "it is no JSON"),
        ("c.ipynb", '{"cells": [], "metadata": {}}', "holds no seal"),
        ("d.html", "<p>", "names no seal"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(SealError, match=words):
            read_seal(tmp_path / name)


def test_the_patch_lies_beside_the_seal(tmp_path: Path) -> None:
    path = write_seal(tmp_path, RUNS[0], seal_of())
    assert read_patch(path) is None
    path.with_name("patch.diff").write_bytes(b"diff \xe9\n")
    assert read_patch(path) == b"diff \xe9\n"

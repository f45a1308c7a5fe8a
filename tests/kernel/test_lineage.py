"""Lineage: the same content has the same digest anywhere; any change of it another."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from fin_kedro.kernel.lineage import Lineage, content_hash, file_hash, source_hash

SOURCE = "def double(rows, factor):\n    return [factor * row for row in rows]\n"
DATA = {"rows": [1, 2], "factor": 2}


def module_of(folder: Path, source: str) -> ModuleType:
    """Import a module of its own from a file."""
    path = folder / "nodes.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(f"nodes_{abs(hash(str(folder)))}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    __import__("sys").modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(
    folder: Path,
    *,
    rows: Any = (1, 2),
    factor: Any = 2,
    source: str = SOURCE,
    limit: float = 0.75,
) -> Lineage:
    """Run one node in a project of its own, with lineage told as the hooks tell it."""
    folder.mkdir()
    kind = {"type": "json.JSONDataset", "versioned": True}
    names = ("rows", "doubled", "lineage")
    files = {name: {**kind, "filepath": str(folder / f"{name}.json")} for name in names}
    catalog = DataCatalog.from_config(files)
    catalog["params:factor"] = factor
    catalog.save("rows", list(rows))
    step = node(module_of(folder, source).double, ["rows", "params:factor"], "doubled", name="step")
    lineage = Lineage(root=folder)
    policy = {"gates": {"DIS-AUC": {"limits": {"min": limit}}}}
    lineage.start({"pipeline_name": "x", "env": "ci"}, Pipeline([step]), catalog, policy=policy)
    given = {name: catalog.load(name) for name in step.inputs}
    for name in step.inputs:
        lineage.add("read", name, step)
    scale = given["params:factor"] if isinstance(given["params:factor"], int) else 1
    catalog.save("doubled", step.func(given["rows"], scale))
    lineage.add("written", "doubled", step)
    lineage.finish(catalog, outcome="completed")
    return lineage


def digest(lineage: Lineage) -> str:
    return str(lineage.record("completed")["digest"])


def test_equal_content_has_an_equal_digest_in_another_folder(tmp_path: Path) -> None:
    assert digest(run(tmp_path / "a")) == digest(run(tmp_path / "b"))


def test_paths_inside_the_project_do_not_count(tmp_path: Path) -> None:
    first, second = (
        run(tmp_path / name, factor={"notebook": f"{tmp_path / name}/notebooks/x.ipynb"})
        for name in ("a", "b")
    )
    assert digest(first) == digest(second)
    other = run(tmp_path / "c", factor={"notebook": f"{tmp_path}/c/notebooks/y.ipynb"})
    assert digest(other) != digest(first)


@pytest.mark.parametrize(
    "change",
    [{"rows": (1, 3)}, {"factor": 3}, {"source": SOURCE + "\nX = 1\n"}, {"limit": 0.8}],
    ids=["a dataset", "a parameter", "a node's module", "the policy"],
)
def test_a_change_gives_another_digest(tmp_path: Path, change: dict[str, Any]) -> None:
    assert digest(run(tmp_path / "a", **change)) != digest(run(tmp_path / "b"))


def test_the_outcome_and_the_time_do_not_count(tmp_path: Path) -> None:
    lineage = run(tmp_path / "a")
    assert lineage.record("failed")["digest"] == digest(lineage)
    assert lineage.record("failed")["occasion"]["outcome"] == "failed"


def test_the_record_names_versions_and_hashes(tmp_path: Path) -> None:
    lineage = run(tmp_path / "a")
    read = lineage.record("completed")["occasion"]["nodes"]["step"]["read"]
    assert set(read) == {"rows", "params:factor"}
    path = tmp_path / "a" / read["rows"]["path"]
    assert path.parent.name == read["rows"]["version"]
    assert read["rows"]["sha256"] == file_hash(path)


def test_the_record_is_kept_with_the_data(tmp_path: Path) -> None:
    lineage = run(tmp_path / "a")
    (kept,) = (tmp_path / "a" / "lineage.json").glob("*/lineage.json")
    assert json.loads(kept.read_text())["digest"] == digest(lineage)


def test_a_node_is_told_what_it_was_given(tmp_path: Path) -> None:
    lineage = run(tmp_path / "a")
    given = lineage.given_to(node(print, "rows", None, name="step"))
    assert list(given["versions"]) == list(given["paths"]) == ["rows"]
    assert Path(given["paths"]["rows"]).is_file()
    assert lineage.given_to(node(print, "rows", None, name="other")) == {
        "versions": {},
        "paths": {},
    }


def test_a_run_in_which_nothing_happened_leaves_no_record(tmp_path: Path) -> None:
    catalog = DataCatalog()
    catalog["lineage"] = {"untouched": True}
    lineage = Lineage(root=tmp_path)
    lineage.start({}, Pipeline([]), catalog)
    lineage.finish(catalog, outcome="failed")
    assert catalog.load("lineage") == {"untouched": True}


def test_a_folder_is_hashed_by_names_and_contents(tmp_path: Path) -> None:
    def made(name: str, change: Callable[[Path], Any] = lambda _: None) -> str:
        folder = tmp_path / name
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "a").write_text("1")
        change(folder)
        return file_hash(folder)

    same = made("x")
    assert made("y") == same
    assert made("z", lambda f: (f / "in" / "a").write_text("2")) != same
    assert made("w", lambda f: (f / "in" / "a").rename(f / "in" / "b")) != same
    assert made("v", lambda f: (f / "b").write_text("")) != same


def test_content_is_hashed_whatever_the_order_of_its_keys() -> None:
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1})
    assert content_hash([1, 2]) != content_hash([2, 1])


def test_functions_of_one_module_share_its_hash() -> None:
    assert source_hash(source_hash) == source_hash(file_hash) != source_hash(node)

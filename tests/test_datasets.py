"""Our datasets: equal models are equal bytes, broken ones are not written, versions are Kedro's."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from kedro.io import DataCatalog, Version
from kedro.io.core import DatasetError

from fin_kedro.datasets import OnnxDataset
from tests.serving.tiny_package import tiny_graph


def model() -> onnx.ModelProto:
    return onnx.load_from_string(tiny_graph())


def test_a_graph_comes_back_as_it_was(tmp_path: Path) -> None:
    dataset = OnnxDataset(filepath=str(tmp_path / "deep" / "m.onnx"))
    dataset.save(model())
    assert dataset.load() == model()


def test_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        OnnxDataset(filepath=str(tmp_path / name)).save(model())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_invalid_graph_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    broken = model()
    broken.graph.node[0].input[0] = "from nowhere"
    with pytest.raises(DatasetError, match="from nowhere"):
        OnnxDataset(filepath=str(tmp_path / "folder" / "m.onnx")).save(broken)
    assert list(tmp_path.iterdir()) == []


def test_each_version_is_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "m.onnx")
    for version in ("1", "2"):
        OnnxDataset(filepath=path, version=Version(None, version)).save(model())
    assert sorted(p.name for p in (tmp_path / "m.onnx").iterdir()) == ["1", "2"]
    with pytest.raises(DatasetError, match="must not exist"):
        OnnxDataset(filepath=path, version=Version(None, "2")).save(model())


def test_a_logged_dataset_keeps_the_catalogs_version(tmp_path: Path) -> None:
    logged = {
        "type": "fin_kedro.datasets.LoggedDataset",
        "versioned": True,
        "dataset": {"type": "json.JSONDataset", "filepath": str(tmp_path / "logged.json")},
    }
    plain = {
        "type": "json.JSONDataset",
        "filepath": str(tmp_path / "plain.json"),
        "versioned": True,
    }
    stamp = "2026-01-01T00.00.00.000Z"
    catalog = DataCatalog.from_config({"logged": logged, "plain": plain}, save_version=stamp)
    for name in ("logged", "plain"):
        catalog.save(name, {"name": name})
        assert (tmp_path / f"{name}.json" / stamp / f"{name}.json").exists()
        assert catalog.load(name) == {"name": name}
    assert catalog["logged"].resolve_save_version() == stamp

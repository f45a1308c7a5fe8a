"""Kedro-Viz shows the pipeline by its names, in layers, with tables and pictures to look at."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import commands
from tests.conftest import QUIET

# In a process of its own, as `kedro viz run` does it; the server's own app, without a port.
ASK = """
import json, sys
from pathlib import Path
from fastapi.testclient import TestClient
from kedro_viz.api import apps
from kedro_viz.server import load_and_populate_data

load_and_populate_data(Path.cwd(), include_hooks=False, package_name="fin_kedro")
client = TestClient(apps.create_api_app_from_project(Path.cwd()))
main = client.get("/api/main").json()
data = {n["name"]: n["id"] for n in main["nodes"] if n["type"] == "data"}
shown = {name: client.get(f"/api/nodes/{key}").json() for name, key in data.items()}
Path(sys.argv[1]).write_text(json.dumps({"main": main, "shown": shown}))
"""


LAYERS = [
    "raw",
    "intermediate",
    "model input",
    "models",
    "model output",
    "candidate",
    "reporting",
]


@pytest.fixture(scope="module")
def viz(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the API of Kedro-Viz answers about a project that has run."""
    answer = tmp_path_factory.mktemp("viz") / "answer.json"
    script = answer.with_name("ask.py")
    script.write_text(ASK)
    done = commands.run(
        [str(script), str(answer)],
        folder=trained,
        environment=commands.settled({**os.environ, **QUIET, "PYTHONPATH": str(trained / "src")}),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "could not be previewed" not in done.stdout + done.stderr
    answered: dict[str, Any] = json.loads(answer.read_text())
    return answered


@pytest.mark.slow
def test_nodes_are_verbs_and_datasets_nouns(viz: dict[str, Any]) -> None:
    tasks = {n["name"] for n in viz["main"]["nodes"] if n["type"] == "task"}
    assert {"quarantine_broken_rows", "train_champion", "export_graphs", "enforce_gates"} <= tasks
    assert not [name for name in tasks if "(" in name or "<" in name]
    assert {"credit.contract", "credit.model_table", "credit.roc_figure"} <= viz["shown"].keys()


@pytest.mark.slow
def test_layers_follow_the_way_of_the_data(viz: dict[str, Any]) -> None:
    # Kedro-Viz drops all layers when any two of them feed each other
    assert viz["main"]["layers"] == LAYERS
    without = [
        n["name"] for n in viz["main"]["nodes"] if n["type"] == "data" and not n.get("layer")
    ]
    assert not without


TABLES = (
    "contract",
    "applications",
    "model_table",
    "champion_trials",
    "scorecard_points",
    "scores",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_previewed_as_rows(viz: dict[str, Any], name: str) -> None:
    shown = viz["shown"][f"credit.{name}"]
    assert shown["preview_type"] == "TablePreview"
    assert shown["preview"]["columns"] and 0 < len(shown["preview"]["data"]) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("name", ["roc_figure", "reliability_figure", "importance_figure"])
def test_a_figure_is_previewed_as_a_picture(viz: dict[str, Any], name: str) -> None:
    shown = viz["shown"][f"credit.{name}"]
    assert shown["preview_type"] == "ImagePreview"
    assert shown["preview"].startswith("iVBORw0KGgo")  # a PNG in base64
    assert shown["type"] == "storage.datasets.LoggedMatplotlibDataset"  # as Kedro-Viz shortens it


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metrics", "verdicts", "parity", "champion_graph"])
def test_json_is_previewed_as_json(viz: dict[str, Any], name: str) -> None:
    shown = viz["shown"][f"credit.{name}"]
    assert shown["preview_type"] == "JSONPreview"
    assert json.loads(shown["preview"])


@pytest.mark.slow
def test_no_preview_is_too_large_to_look_at(viz: dict[str, Any]) -> None:
    sizes = {name: len(json.dumps(shown)) for name, shown in viz["shown"].items()}
    assert max(sizes.values()) < 200_000, sizes

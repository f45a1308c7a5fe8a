"""A run that is executed again writes inside its scratch checkout, or is not executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from fin_kedro.verification import rerun
from fin_kedro.verification.rerun import OutsideError, check_outputs

SPEC = "import rerun; print(rerun.own_module('execution').WHOSE)"
PIPELINE = Pipeline([node(lambda raw: raw, "raw", "made", name="make")])
FAR = {"type": "json.JSONDataset", "filepath": "/srv/far.json"}


def check(tree: Path, made: Any = None, parameters: Any = None, **entries: Any) -> None:
    inside = {"type": "json.JSONDataset", "filepath": f"{tree}/data/made.json", "versioned": True}
    catalog = DataCatalog.from_config({"raw": FAR, "made": made or inside, **entries})
    catalog["parameters"] = MemoryDataset(parameters or {"house": {"ledger": f"{tree}/data/l"}})
    check_outputs(tree, PIPELINE, catalog)


def test_what_lies_outside_may_be_read(tmp_path: Path) -> None:
    check(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("filepath", "/srv/made.json"),
        ("filepath", "s3://bucket/made.json"),
        ("filepath", "../made.json"),
        ("ledger", "/srv/ledger.sqlite"),
        ("database", "/srv/warehouse.duckdb"),
        ("con", "postgresql://db.example/credit"),
        ("host", "db.example"),
    ],
)
def test_an_output_outside_is_refused_with_its_place(tmp_path: Path, key: str, value: str) -> None:
    nested = {"type": "x.Y", "connection": {key: value}, "metadata": {"url": "https://a.example"}}
    with pytest.raises(OutsideError, match=f"the catalog's 'made' has its {key} at {value}"):
        check(tmp_path, made=nested)


def test_a_seal_or_a_ledger_outside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="the catalog's 'seal' has its filepath"):
        check(tmp_path, seal=FAR)
    with pytest.raises(OutsideError, match=r"a parameter has its ledger at /srv.*verify that run"):
        check(tmp_path, parameters={"house": {"release": {"ledger": "/srv/ledger.sqlite"}}})


def test_a_link_in_the_checkout_leads_no_way_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "data").symlink_to(tmp_path)
    with pytest.raises(OutsideError, match="outside the project"):
        check(tree)


@pytest.mark.parametrize("room", ["reports", "kernel"])
def test_a_checkout_from_before_the_rooms_executes_by_its_own_code(
    tmp_path: Path, room: str
) -> None:
    folder = tmp_path / "fin_kedro" / room
    folder.mkdir(parents=True)
    for package in (folder.parent, folder):
        (package / "__init__.py").touch()
    (folder / "execution.py").write_text(f"WHOSE = {room!r}\n")
    places = [str(tmp_path), str(Path(rerun.__file__).parent)]
    command = f"import sys; sys.path[:0] = {places!r}; {SPEC}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == room

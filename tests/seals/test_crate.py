"""An exported run: described as an RO-Crate, and checked with nothing but Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rocrate.rocrate import ROCrate

from fin_kedro.seals.crate import PROFILE, export_crate
from fin_kedro.seals.seal import SealError, read_seal
from fin_kedro.seals.seal_check import check_on_disk
from fin_kedro.storage import canonical
from tests.seals.sealed_house import FILES, RUN, make_house


@pytest.fixture
def seal(tmp_path: Path) -> Path:
    """The seal of a small project's run, in a dirty tree."""
    path = make_house(tmp_path / "house")
    path.with_name("patch.diff").write_text("diff --git a/x b/x\n")
    return path


def exported(seal: Path, data: Any = "all") -> Path:
    house = seal.parents[4]
    return export_crate(seal, house.with_name(f"crate-{data}"), project=house, data=data)


def verified(crate: Path) -> subprocess.CompletedProcess[str]:
    """Run the crate's own check by a Python without any library."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(crate / "verify.py")],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip


def lines_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Verdict by what was checked."""
    parted = (line.split("  ") for line in done.stdout.splitlines()[:-1])
    return {p[0].strip(): next(x for x in map(str.strip, p[1:]) if x) for p in parted}


def test_python_alone_finds_everything_as_it_was(seal: Path) -> None:
    done = verified(exported(seal))
    assert done.returncode == 0, done.stdout + done.stderr
    found = lines_of(done)
    for name in ("raw", "points", "figure", "metrics"):
        assert found[f"{name}, bytes"] == found[f"{name}, content"] == "matches"
    assert found["table, bytes"] == "matches" and found["table, content"] == "not checked"
    assert "rows of Parquet need pyarrow" in done.stdout
    assert found["digest of the whole"] == found["requirements.lock"] == "matches"
    assert not list(exported(seal, "written").rglob("__pycache__"))


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("seal.json", '"outcome": "completed"', '"outcome": "failed"', "digest of the whole"),
        ("seal.json", '"scale": 2.0', '"scale": 3.0', "digest of parameters"),
        ("requirements.lock", "", "x", "requirements.lock"),
        (FILES["metrics"] + f"/{RUN}/metrics.json", "1.75", "1.76", "metrics, content"),
        (FILES["points"] + f"/{RUN}/points.csv", "2.5", "2.6", "points, content"),
        (FILES["raw"], "2.5", "2.6", "raw, bytes"),
    ],
    ids=["outcome", "parameter", "lock", "json", "csv", "input"],
)
def test_python_alone_finds_a_change(seal: Path, file: str, old: str, new: str, what: str) -> None:
    crate = exported(seal)
    text = (crate / file).read_text()
    changed = text.replace(old, new, 1) if old else new
    assert changed != text
    (crate / file).write_text(changed)
    done = verified(crate)
    assert done.returncode == 1
    assert lines_of(done)[what] == "DIFFERS"


def test_what_was_left_out_is_named(seal: Path) -> None:
    crate = exported(seal, "none")
    assert not (crate / "data").exists()
    done = verified(crate)
    assert done.returncode == 0
    assert {lines_of(done)[name] for name in ("raw", "table", "metrics")} == {"not checked"}
    written = exported(seal, "written")
    assert (written / "data/metrics.json").is_dir() and not (written / "data/01_raw").exists()


def test_what_lies_elsewhere_is_neither_put_in_nor_looked_at(seal: Path) -> None:
    """Whoever sends a seal can write any path into it."""
    house, found = seal.parents[4], read_seal(seal)
    (house.parent / "secret.json").write_text("[1.0, 2.5]")
    found["occasion"]["datasets"]["raw"]["path"] = "../secret.json"
    seal.write_text(json.dumps(found))
    crate = exported(seal)
    assert not list(crate.rglob("secret*"))
    assert lines_of(verified(crate))["raw"] == "not checked"


def test_the_crate_says_what_ran_on_what_and_made_what(seal: Path) -> None:
    crate, sealed = ROCrate(str(exported(seal))), read_seal(seal)
    root = crate.root_dataset
    assert root["conformsTo"].id == PROFILE
    for required in ("name", "description", "datePublished", "license"):
        assert root[required]
    (action,) = root["mentions"]
    assert action.type == "CreateAction" and action.id == f"#{sealed['digest']}"
    assert action["instrument"].type == "SoftwareApplication"
    assert action["actionStatus"].endswith("CompletedActionStatus")
    assert action["startTime"] == sealed["occasion"]["started"]
    names = {key: {entity["name"] for entity in action[key]} for key in ("object", "result")}
    assert names == {
        "object": {"raw", "scale", "policy"},
        "result": {"table", "points", "figure", "metrics"},
    }
    parts = {part.id for part in root["hasPart"]}
    assert {"seal.json", "patch.diff", "verify.py", "requirements.lock"} <= parts
    modules = {f"canonical/{p.name}" for p in Path(canonical.__file__).parent.glob("*.py")}
    assert modules == {part for part in parts if part.startswith("canonical/")} != set()
    for part in parts:
        assert (seal.parents[4].with_name("crate-all") / part).exists()


def test_the_crate_states_the_licence_of_the_project(seal: Path) -> None:
    house = seal.parents[4]
    assert ROCrate(str(exported(seal, "none"))).root_dataset["license"].startswith("All rights")
    with (house / "pyproject.toml").open("a") as settings:
        settings.write('[project]\nname = "house"\nlicense = "Apache-2.0"\n')
    (house / "LICENSE").write_text("the text")
    crate = exported(seal, "written")
    stated = ROCrate(str(crate)).root_dataset["license"]
    assert (stated.id, stated["name"]) == ("https://spdx.org/licenses/Apache-2.0", "Apache-2.0")
    assert (crate / "LICENSE").read_text() == "the text"
    assert verified(crate).returncode == 0


def test_a_failed_run_is_a_failed_action(seal: Path) -> None:
    from fin_kedro.seals.seal import make_seal

    found = read_seal(seal)
    occasion = {**found["occasion"], "error": {"step": "x", "name": "E", "message": "m"}}
    failed = make_seal({**found["content"], "outcome": "failed"}, occasion)
    seal.write_text(json.dumps(failed))
    (action,) = ROCrate(str(exported(seal, "none"))).root_dataset["mentions"]
    assert action["actionStatus"].endswith("FailedActionStatus") and action["error"] == "E: m"


def notebook_of(house: Path) -> Path:
    """An executed notebook that carries its seal, as the engine leaves it: without an occasion."""
    from fin_kedro.seals.seal import make_seal
    from fin_kedro.storage.canonical import canonical_outputs, json_hash

    output = {"output_type": "stream", "name": "stdout", "text": "AUC 0.781"}
    cell = {"cell_type": "code", "id": "a", "source": "x", "outputs": [output], "metadata": {}}
    content = read_seal(house / FILES["seal"] / RUN / "seal.json")["content"]
    content |= {"kind": "notebook", "subject": {"notebook": "n.ipynb", "env": None}}
    content["data"]["written"] = {"outputs": json_hash(canonical_outputs({"cells": [cell]}))}
    seal = {k: v for k, v in make_seal(content, {}).items() if k != "occasion"}
    made = {"cells": [cell], "metadata": {"fin_kedro": {"seal": seal}}}
    (house / "n.ipynb").write_text(json.dumps(made))
    return house / "n.ipynb"


def test_an_executed_notebook_is_exported_with_its_seal(seal: Path) -> None:
    house = seal.parents[4]
    path = notebook_of(house)
    found = {f.what: f.verdict for f in check_on_disk(path, project=house)}
    assert found.pop("ledger entry") == "gone"  # it was made by hand
    assert set(found.values()) == {"same", "unknown"}
    crate = export_crate(path, house.with_name("crate"), project=house)
    assert (crate / "n.ipynb").read_bytes() == path.read_bytes()
    done = verified(crate)
    assert done.returncode == 0 and lines_of(done)["outputs of n.ipynb"] == "matches"
    for file in (path, crate / "n.ipynb"):
        file.write_text(file.read_text().replace("0.781", "0.782"))
    assert lines_of(verified(crate))["outputs of n.ipynb"] == "DIFFERS"
    assert "differs" in {f.verdict for f in check_on_disk(path, project=house)}


def test_nothing_is_written_when_it_cannot_be_exported(seal: Path) -> None:
    house = seal.parents[4]
    full = house.with_name("full")
    full.mkdir()
    (full / "x").write_text("mine")
    with pytest.raises(FileExistsError, match="name a new folder"):
        export_crate(seal, full, project=house)
    (house / FILES["points"] / RUN / "points.csv").unlink()
    with pytest.raises(FileNotFoundError, match="points of this run is no longer"):
        exported(seal)
    seal.write_text(seal.read_text().replace('"completed"', '"failed"'))
    with pytest.raises(SealError):
        exported(seal, "none")
    assert {path.name for path in house.parent.iterdir()} == {"house", "full"}
    assert [path.name for path in full.iterdir()] == ["x"]

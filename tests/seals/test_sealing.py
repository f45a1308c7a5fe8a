"""The seal of a run: the same content has the same digest anywhere; any change of it another."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.registry import model_states
from fin_kedro.governance.signing import SigningError
from fin_kedro.seals.seal import check_seal
from fin_kedro.seals.sealing import RUN_CONTEXT, RunRecord, keep_seal
from fin_kedro.seals.withholding import not_executable
from fin_kedro.storage import dataset_state
from fin_kedro.storage.canonical import content_hash, file_hash, json_hash
from fin_kedro.storage.dataset_state import REMOTE, DatasetStates
from fin_kedro.verification.consistency import check_consistent

SOURCE = "def double(rows, factor):\n    return [factor * row for row in rows]\n"
POLICY = {"gates": {"DIS-AUC": {"limits": {"min": 0.75}}}}
RUN = {"run_id": "2026-11-22T03.34.13.922Z", "pipeline_names": ["x"], "env": "ci", "tags": ["t"]}


def module_of(folder: Path, source: str) -> ModuleType:
    """Import a module of its own from a file."""
    path = folder / "nodes.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("nodes_of_a_test", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def catalog_of(folder: Path, factor: Any = 2, indent: int | None = None) -> DataCatalog:
    kind = {"type": "json.JSONDataset", "versioned": True, "save_args": {"indent": indent}}
    files = {
        n: {**kind, "filepath": str(folder / f"{n}.json")} for n in ("rows", "doubled", "seal")
    }
    catalog = DataCatalog.from_config(files)
    catalog["params:factor"] = factor
    return catalog


def record_of(
    folder: Path,
    *,
    rows: Any = (1, 2),
    factor: Any = 2,
    source: str = SOURCE,
    limit: float = 0.75,
    indent: int | None = None,
) -> tuple[RunRecord, DataCatalog]:
    """Run one node in a project of its own, the record told as the hooks tell it."""
    folder.mkdir()
    catalog = catalog_of(folder, factor, indent)
    catalog.save("rows", list(rows))
    step = node(module_of(folder, source).double, ["rows", "params:factor"], "doubled", name="step")
    record = RunRecord(folder, policy={"gates": {"DIS-AUC": {"limits": {"min": limit}}}})
    record.start(RUN, Pipeline([step]), catalog)
    given = {name: catalog.load(name) for name in step.inputs}
    for name in step.inputs:
        record.add("read", name, step)
    record.begin_step(step)
    scale = given["params:factor"] if isinstance(given["params:factor"], int) else 1
    catalog.save("doubled", step.func(given["rows"], scale))
    record.end_step(step)
    record.add("written", "doubled", step)
    return record, catalog


def seal_of(folder: Path, outcome: str = "completed", **change: Any) -> dict[str, Any]:
    return record_of(folder, **change)[0].seal(outcome)


def test_equal_content_has_an_equal_seal_in_another_folder(tmp_path: Path) -> None:
    one, two = seal_of(tmp_path / "a"), seal_of(tmp_path / "b", indent=4)
    assert one["content"] == two["content"]
    assert one["occasion"]["datasets"] != two["occasion"]["datasets"]
    check_seal(one)


def test_paths_inside_the_project_do_not_count(tmp_path: Path) -> None:
    first, second, other = (
        seal_of(tmp_path / name, factor={"notebook": f"{tmp_path}/{name}/notebooks/{book}.ipynb"})
        for name, book in (("a", "x"), ("b", "x"), ("c", "y"))
    )
    assert first["content"]["parameters"]["factor"] == {"notebook": "notebooks/x.ipynb"}
    assert first["digest"] == second["digest"] != other["digest"]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"rows": (1, 3)}, {"data", "outputs"}),
        ({"factor": 3}, {"parameters", "outputs"}),
        ({"source": SOURCE + "\nX = 1\n"}, {"code"}),
        ({"limit": 0.8}, {"parameters"}),
    ],
    ids=["a dataset", "a parameter", "a node's module", "the policy"],
)
def test_a_change_shows_in_its_parts(
    tmp_path: Path, change: dict[str, Any], parts: set[str]
) -> None:
    one, two = seal_of(tmp_path / "a", **change)["digests"], seal_of(tmp_path / "b")["digests"]
    assert {part for part in one if one[part] != two[part]} == parts


def test_the_outcome_counts_and_the_time_does_not(tmp_path: Path) -> None:
    record, _ = record_of(tmp_path / "a")
    one, two = record.seal("completed"), record.seal("failed")
    assert one["digest"] != two["digest"] and one["digests"] == two["digests"]
    assert two["content"]["outcome"] == "failed"


def test_the_steps_say_what_each_node_read_and_wrote(tmp_path: Path) -> None:
    content = seal_of(tmp_path / "a")["content"]
    step = content["steps"]["step"]
    assert step["read"] == {"rows": json_hash([1, 2]), "params:factor": json_hash(2)}
    assert step["written"] == {"doubled": json_hash([2, 4])}
    assert content["data"] == {"read": {"rows": json_hash([1, 2])}, "written": step["written"]}
    assert content["subject"]["selection"]["tags"] == ["t"]
    assert content["subject"]["pipelines"] == ["x"]


def test_a_parameter_that_shows_a_secret_is_withheld(tmp_path: Path) -> None:
    secret = {"password": "lovelace1", "hosts": ["postgres://ada:lovelace1@db"], "depth": 4}
    record, _ = record_of(tmp_path / "a", factor=secret)
    record._run = {**RUN, "runtime_params": {"factor": secret}}
    seal = record.seal("completed")
    check_seal(seal)
    check_consistent(seal["content"])
    withheld = seal["content"]["parameters"]["factor"]
    assert withheld == seal["occasion"]["runtime_params"]["factor"]
    assert withheld["depth"] == 4 and withheld["password"] == "[withheld: password or key]"
    assert "lovelace1" not in json.dumps(seal)
    assert "hosts, password were withheld" in str(not_executable(seal["content"], code=False))


def test_the_occasion_says_where_and_how_long(tmp_path: Path) -> None:
    occasion = seal_of(tmp_path / "a")["occasion"]
    where = occasion["datasets"]["rows"]
    path = tmp_path / "a" / where["path"]
    assert path.parent.name == where["version"] and where["file_sha256"] == file_hash(path)
    assert set(occasion["seconds_by_step"]) == {"step"}
    assert occasion["run"] == RUN["run_id"] and occasion["error"] is None
    assert occasion["libraries"]["numpy"] == numpy.__version__


def test_the_first_report_of_an_error_names_its_node(tmp_path: Path) -> None:
    record, _ = record_of(tmp_path / "a")
    record.fail(ValueError("bad"), node(print, None, "x", name="step"))
    record.fail(RuntimeError("so the run stopped"))
    error = record.seal("failed")["occasion"]["error"]
    assert error == {"step": "step", "name": "ValueError", "message": "bad"}


def test_a_run_without_hooks_is_looked_at_when_it_has_ended(tmp_path: Path) -> None:
    one = seal_of(tmp_path / "a")
    catalog = catalog_of(tmp_path / "a")
    step = node(
        module_of(tmp_path, SOURCE).double, ["rows", "params:factor"], "doubled", name="step"
    )
    silent = RunRecord(tmp_path / "a", policy=POLICY)
    silent.start(RUN, Pipeline([step]), catalog)
    assert silent.seal("completed")["content"]["steps"] == one["content"]["steps"]


def test_a_node_is_told_what_it_was_given(tmp_path: Path) -> None:
    record, _ = record_of(tmp_path / "a")
    given = record.given_to(node(print, "rows", None, name="step"))
    assert list(given["versions"]) == list(given["paths"]) == ["rows"]
    assert Path(given["paths"]["rows"]).is_file()
    other = record.given_to(node(print, "rows", None, name="other"))
    assert other == {"versions": {}, "paths": {}}


def test_the_gates_a_node_was_told_belong_to_what_it_read(tmp_path: Path) -> None:
    def told(env: str, limit: float) -> str:
        policy = {"gates": {"AUC": {"min": limit}}}
        record, step = RunRecord(tmp_path, env=env, policy=policy), node(print, RUN_CONTEXT, None)
        record.start({}, Pipeline([step]), DataCatalog())
        record.add("read", RUN_CONTEXT, step)
        return str(record.seal("completed")["content"]["steps"][step.name]["read"][RUN_CONTEXT])

    assert told("ci", 0.7) == told("ci", 0.7)
    assert len({told("ci", 0.7), told("ci", 0.8), told("base", 0.7)}) == 3


# Keeping


def test_a_seal_is_kept_with_the_data(tmp_path: Path) -> None:
    record, catalog = record_of(tmp_path / "a")
    said = keep_seal(record, "completed", catalog)
    (kept,) = (tmp_path / "a/seal.json").glob("*/seal.json")
    seal = json.loads(kept.read_text())
    check_seal(seal)
    assert seal["digest"][:12] in said and "kedro seal show" in said and "--env ci" in said
    assert not kept.with_name("patch.diff").exists()


def test_the_patch_of_a_dirty_tree_is_kept_beside_the_seal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched: Callable[..., Any] = lambda *_, **__: ({"commit": "c", "dirty": "d"}, b"diff\n")  # noqa: E731
    monkeypatch.setattr("fin_kedro.seals.sealing.code_state", patched)
    record, catalog = record_of(tmp_path / "a")
    keep_seal(record, "completed", catalog)
    (kept,) = (tmp_path / "a/seal.json").glob("*/seal.json")
    assert kept.with_name("patch.diff").read_bytes() == b"diff\n"


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_the_ledger_says_which_seal_a_run_had(tmp_path: Path, outcome: str) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    catalog = catalog_of(tmp_path)
    for space in ("credit", "fraud"):  # both workflows name one ledger: one entry
        catalog[f"params:{space}.release"] = {"ledger": str(tmp_path / "ledger.sqlite")}
    steps = [node(print, None, f"{s}.a", name="a", namespace=s) for s in ("credit", "fraud")]
    record = RunRecord(tmp_path, policy=POLICY)
    record.start(RUN, Pipeline(steps), catalog)
    keep_seal(record, outcome, catalog)
    (entry,) = ledger.entries()
    (kept,) = (tmp_path / "seal.json").glob("*/seal.json")
    assert entry.event["event"] == "run_sealed" and entry.event["run"] == RUN["run_id"]
    assert entry.event["seal"] == json.loads(kept.read_text())["digest"]
    assert entry.event["outcome"] == outcome
    assert model_states(ledger) == []
    beside = json.loads(kept.with_name("ledger.json").read_text())
    assert list(beside.values()) == [entry.head]  # its own entry, and what was there before
    assert json.loads(kept.read_text())["occasion"]["ledgers"] == {}


def test_a_run_that_could_not_be_signed_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIN_KEDRO_SIGNING_KEY", str(tmp_path / "rows.json"))
    (tmp_path / "rows.json").touch()
    catalog = catalog_of(tmp_path)
    catalog["params:credit.release"] = {"ledger": str(tmp_path / "ledger.sqlite")}
    step = node(print, None, "credit.a", name="a", namespace="credit")
    with pytest.raises(SigningError, match="holds no Ed25519 private key"):
        RunRecord(tmp_path, policy=POLICY).start(RUN, Pipeline([step]), catalog)


# States of datasets


class OwnForm:
    """A dataset that says itself what of its file is content."""

    def __init__(self, path: Path, said: str | None) -> None:
        self._filepath, self._said = path, said

    def content_hash(self) -> str | None:
        return self._said


def test_a_dataset_may_say_itself_what_is_content(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1")
    states = DatasetStates(tmp_path)
    own, other = (states.of(OwnForm(tmp_path / "a.json", said)) for said in ("mine", None))
    assert own and own.content == "mine" and own.occasion["form"] == "own"
    other = DatasetStates(tmp_path).of(OwnForm(tmp_path / "a.json", None))
    assert other and other.content == content_hash(tmp_path / "a.json")
    assert "form" not in other.occasion


def test_what_is_no_file_has_no_state_and_what_is_far_away_says_so(tmp_path: Path) -> None:
    catalog = DataCatalog.from_config(
        {"far": {"type": "json.JSONDataset", "filepath": "memory://x/a.json"}}
    )
    catalog["m"] = 1
    states = DatasetStates(tmp_path)
    assert states.of(catalog.get("m")) is None
    assert states.of(OwnForm(tmp_path / "absent.json", None)) is None
    far = states.of(catalog.get("far"))
    assert far and far.content == REMOTE


def test_a_file_is_hashed_once_and_again_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(
        dataset_state, "content_hash", lambda p: (read.append(p), content_hash(p))[1]
    )
    path, states = tmp_path / "a.json", DatasetStates(tmp_path)
    path.write_text("[1]")
    first = states.of(OwnForm(path, None))
    again = states.of(OwnForm(path, None))
    assert first and again and first.content == again.content and len(read) == 1
    path.write_text("[1, 2]")
    changed = states.of(OwnForm(path, None))
    assert changed and changed.content == json_hash([1, 2]) and len(read) == 2


def test_versions_are_hashed_beside_the_run(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    catalog = catalog_of(tmp_path)
    catalog.save("rows", [1])
    begun = threading.Event()
    with ThreadPoolExecutor(1) as helper:
        helper.submit(begun.wait)
        state = DatasetStates(tmp_path, helper).of(catalog.get("rows"))
        assert state and state.version  # known at once, before anything is hashed
        begun.set()
        assert state.content == json_hash([1])

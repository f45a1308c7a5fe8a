"""Hooks: threads limited and given back, nodes told the run's context, progress shown."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ibis
import numpy as np  # noqa: F401  loads the BLAS whose threads are limited
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from threadpoolctl import threadpool_info, threadpool_limits

from fin_kedro import hooks as hooks_module
from fin_kedro.hooks import ProgressHooks, SealHooks, ThreadHooks, WholeVersionHooks
from fin_kedro.project.run_locks import RunLockError, RunLocks
from fin_kedro.seals.seal import check_seal
from fin_kedro.seals.sealing import RUN_CONTEXT
from fin_kedro.settings import HOOKS


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("end", ["after_pipeline_run", "on_pipeline_error"])
@pytest.mark.parametrize(("asked", "before"), [(None, 2), ("2", 1)])
def test_numeric_libraries_use_the_threads_that_are_asked_for_during_a_run(
    end: str, asked: str | None, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIN_KEDRO_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("FIN_KEDRO_THREADS", asked)
    with threadpool_limits(before, user_api="blas"):
        hooks = ThreadHooks()
        hooks.before_pipeline_run()
        assert blas_threads() == {int(asked or 1)}
        getattr(hooks, end)()
        assert blas_threads() == {before}


def seal_hooks(root: Path, env: str | None = "ci") -> SealHooks:
    hooks, gates = SealHooks(), {"policy": {"gates": {"AUC": {"min": 0.7}}}}
    hooks.after_context_created(SimpleNamespace(env=env, project_path=root, config_loader=gates))  # type: ignore[arg-type]
    return hooks


def test_a_node_that_asks_is_told_its_context(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("1")
    config = {"a": {"type": "json.JSONDataset", "filepath": str(tmp_path / "a.json")}}
    catalog = DataCatalog.from_config(config)
    step = node(lambda a, c: None, ["a", RUN_CONTEXT], None, name="asks")
    hooks = seal_hooks(tmp_path)
    hooks.before_pipeline_run(run_params={}, pipeline=Pipeline([step]), catalog=catalog)
    hooks.after_dataset_loaded("a", step)
    told: Any = hooks.before_node_run(step)
    assert told[RUN_CONTEXT]["env"] == "ci"
    assert told[RUN_CONTEXT]["gates"] == {"AUC": {"min": 0.7}}
    assert told[RUN_CONTEXT]["paths"] == {"a": str(tmp_path / "a.json")}


@pytest.mark.parametrize(
    ("namespace", "limit"), [(None, 0.7), ("credit", 0.7), ("fraud", 0.8), ("fraud.weekly", 0.8)]
)
def test_a_node_is_told_the_gates_of_its_workflow(
    tmp_path: Path, namespace: str | None, limit: float
) -> None:
    own = {"fraud": {"gates": {"AUC": {"min": 0.8}}}}
    policy = {"policy": {"gates": {"AUC": {"min": 0.7}}, "workflows": own}}
    hooks = SealHooks()
    hooks.after_context_created(
        SimpleNamespace(env=None, project_path=tmp_path, config_loader=policy)  # type: ignore[arg-type]
    )
    step = node(lambda context: None, RUN_CONTEXT, None, name="asks", namespace=namespace)
    hooks.before_pipeline_run(run_params={}, pipeline=Pipeline([step]), catalog=DataCatalog())
    told: Any = hooks.before_node_run(step)
    assert told[RUN_CONTEXT]["gates"] == {"AUC": {"min": limit}}


def test_a_node_that_does_not_ask_is_left_alone(tmp_path: Path) -> None:
    assert seal_hooks(tmp_path).before_node_run(node(print, "a", None, name="quiet")) is None


def sealed_run(root: Path, error: Exception | None = None) -> tuple[SealHooks, DataCatalog]:
    """One node, told to the hooks as Kedro tells it, up to the end of the run."""
    (root / "a.json").write_text("1")
    files = {"a": root / "a.json", "b": root / "b.json", "seal": root / "seal.json"}
    config = {name: {"type": "json.JSONDataset", "filepath": str(p)} for name, p in files.items()}
    catalog = DataCatalog.from_config(config)
    step, hooks = node(lambda a: a, "a", "b", name="step"), seal_hooks(root)
    hooks.before_pipeline_run(
        run_params={"run_id": "r"}, pipeline=Pipeline([step]), catalog=catalog
    )
    hooks.after_dataset_loaded("a", step)
    hooks.before_node_run(step)
    if error:
        hooks.on_node_error(error, step)
        return hooks, catalog
    hooks.after_node_run(step)
    hooks.before_dataset_saved(step)
    catalog.save("b", 2)
    hooks.after_dataset_saved("b", step)
    return hooks, catalog


def test_a_run_that_ends_is_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hooks, catalog = sealed_run(tmp_path)
    hooks.after_pipeline_run(catalog=catalog)
    seal = catalog.load("seal")
    check_seal(seal)
    assert seal["content"]["outcome"] == "completed"
    assert set(seal["content"]["data"]["written"]) == {"b"}
    assert seal["digest"][:12] in capsys.readouterr().err


def test_a_run_that_fails_is_sealed_as_failed(tmp_path: Path) -> None:
    error = ValueError("too few rows")
    hooks, catalog = sealed_run(tmp_path, error)
    hooks.on_pipeline_error(error=error, catalog=catalog)
    seal = catalog.load("seal")
    assert seal["content"]["outcome"] == "failed"
    assert set(seal["content"]["data"]["read"]) == {"a"}
    assert seal["occasion"]["error"]["step"] == "step"


def test_a_seal_that_cannot_be_kept_hides_no_error(tmp_path: Path) -> None:
    error = ValueError("too few rows")
    hooks, catalog = sealed_run(tmp_path, error)
    (tmp_path / "seal.json").mkdir()
    hooks.on_pipeline_error(error=error, catalog=catalog)
    assert list((tmp_path / "seal.json").iterdir()) == []


def test_each_node_is_shown_with_its_place_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = node(print, "a", None, name="one"), node(print, "a", None, name="two")
    hooks = ProgressHooks()
    hooks.before_pipeline_run(run_params={}, pipeline=Pipeline([first, second]))
    for step in (first, second):
        hooks.before_node_run(step)
        hooks.after_node_run(step, outputs={})
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["1/2", "one"], ["2/2", "two"]]
    assert all(line.endswith(" s") for line in lines)


def test_a_table_is_computed_when_it_is_saved_and_that_is_the_nodes_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = node(lambda: None, None, ["table", "record"], name="computes")
    hooks = ProgressHooks()
    hooks.before_pipeline_run(run_params={}, pipeline=Pipeline([step]))
    hooks.before_node_run(step)
    hooks.after_node_run(step, outputs={"table": ibis.memtable({"a": [1]}), "record": {}})
    assert capsys.readouterr().err == ""
    for name in ("record", "table"):
        hooks.before_dataset_saved(name, step)
        time.sleep(0.12 if name == "table" else 0)
        hooks.after_dataset_saved(name, step)
    (line,) = capsys.readouterr().err.splitlines()
    assert float(line.split()[-2]) >= 0.1


def test_the_project_uses_them_all_and_versions_are_whole_first() -> None:
    kinds = [type(hook) for hook in HOOKS]
    assert set(kinds) == {WholeVersionHooks, ThreadHooks, SealHooks, ProgressHooks}
    assert kinds[0] is WholeVersionHooks


def test_a_context_that_is_opened_while_a_run_goes_on_leaves_the_run_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report or a cell may open one; a run that was interrupted gives its lock back."""
    for name in ("tell_plainly", "spill_into", "close_killed_runs"):
        monkeypatch.setattr(hooks_module, name, lambda *_: None)
    hooks = WholeVersionHooks()
    conf = {"globals": {"data": "data"}, "mlflow": {}}
    context: Any = SimpleNamespace(config_loader=conf, project_path=tmp_path)
    steps = Pipeline([node(lambda: 1, None, "one", name="make", namespace="credit")])

    def begin(run: str) -> None:
        steps_of_hook = hooks.before_pipeline_run({"run_id": run}, steps, DataCatalog())
        next(steps_of_hook)
        with pytest.raises(StopIteration):
            steps_of_hook.send([])

    hooks.after_context_created(context)
    begin("first")
    hooks.after_context_created(context)
    with pytest.raises(RunLockError, match="run first"):
        RunLocks(tmp_path / "data").take(["credit"], "other", wait=False)
    begin("second, after the first was interrupted")
    hooks.after_pipeline_run()
    RunLocks(tmp_path / "data").take(["credit"], "other", wait=False)

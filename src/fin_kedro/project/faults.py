"""What a disk and a killed process may do to a run: said in a sentence, and set right later."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

from fin_kedro.governance.signing import SigningError
from fin_kedro.storage.whole_versions import (
    StorageError,
    free_space,
    is_forbidden,
    is_full,
    nearest_folder,
)

PROCESS = "fin_kedro.process"

# Errors of MLflow's tables name no place: it is the project's data folder, once that is known.
_place = {"data": Path()}


def explain(error: BaseException) -> str | None:
    """Say what a full disk or a forbidden folder did; None for errors of another kind."""
    for found in _chain(error):
        if isinstance(found, StorageError | SigningError):
            return str(found)
    if not is_full(error) and not is_forbidden(error):
        return None
    last = _chain(error)[-1]
    where = nearest_folder(Path(str(getattr(last, "filename", None) or _place["data"])))
    kept = "What was saved before is whole"
    if is_full(error):
        return f"the disk is full ({last}); {free_space(where)}. {kept}: make room, then run again."
    return (
        f"{where} may not be written ({last}). {kept}: let this user write there, or name another "
        "folder (`data` in conf/<env>/globals.yml), then run again."
    )


def _chain(error: BaseException) -> list[BaseException]:
    found, chain = error, [error]
    while (following := found.__cause__ or found.__context__) is not None:
        chain.append(following)
        found = following
    return chain


def tell_plainly(data: Path) -> None:
    """From now on a full disk or a forbidden folder ends this process with a sentence.

    A traceback would say where in MLflow or SQLAlchemy it was found; FIN_KEDRO_TRACEBACK=1 shows
    it. `data`: the folder of the project's data, which such errors do not name.
    """
    _place["data"] = data
    if os.environ.get("FIN_KEDRO_TRACEBACK") or getattr(sys.excepthook, "of_faults", False):
        return
    default = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        sentence = explain(error)
        if sentence is None:
            default(kind, error, traceback)
            return
        print(f"\nThe run stopped: {sentence}", file=sys.stderr)
        _end_mlflow_run()

    hook.of_faults = True  # type: ignore[attr-defined]
    sys.excepthook = hook
    logging.getLogger("mlflow.store.db.utils").addFilter(_is_no_fault)


def _is_no_fault(record: logging.LogRecord) -> bool:
    """MLflow also logs the whole statement that found no room."""
    words = RuntimeError(record.getMessage())
    return not (is_full(words) or is_forbidden(words))


def _end_mlflow_run() -> None:
    """MLflow's own exit would call the run finished."""
    if mlflow := sys.modules.get("mlflow"):
        with contextlib.suppress(Exception):
            mlflow.end_run("FAILED")


def close_killed_runs() -> list[str]:
    """Let MLflow say KILLED of runs whose process died without a word; return their ids.

    Each run is tagged with its process; only processes of this machine can be judged.
    """
    import mlflow

    active = mlflow.active_run()
    if active is None:
        return []
    client, own = mlflow.MlflowClient(), _this_process()
    client.set_tag(active.info.run_id, PROCESS, own)
    running = client.search_runs(
        [active.info.experiment_id],
        f"attributes.status = 'RUNNING' and tags.`{PROCESS}` != '{own}'",
    )
    killed = [run.info.run_id for run in running if _is_dead(run.data.tags[PROCESS])]
    for run_id in killed:
        client.set_terminated(run_id, "KILLED")
    return killed


def _this_process() -> str:
    import psutil

    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def _is_dead(described: str) -> bool:
    """Whether a process of this machine is gone; its number may be another's by now."""
    import psutil

    host, pid, began = described.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(began)) > 1
    except psutil.NoSuchProcess:
        return True

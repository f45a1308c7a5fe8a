"""An executed notebook as a run in MLflow: its seal, its patch and the notebook itself.

Importing MLflow takes seconds, so it is done only where somebody asks for it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fin_kedro.project.config import project_config
from fin_kedro.seals.seal import PATCH
from fin_kedro.storage.mlflow_tables import prepare_tables

STATUS = {"completed": "FINISHED", "failed": "FAILED"}


@contextlib.contextmanager
def notebook_run(project: Path, env: str | None, name: str) -> Iterator[NotebookRun]:
    """A run of the project's experiment; it is called FAILED when the block raises."""
    import mlflow

    config = project_config(project, env)["mlflow"]
    prepare_tables(config)
    client = mlflow.MlflowClient(str(config["server"]["mlflow_tracking_uri"]))
    made = client.create_run(_experiment(client, config), run_name=name)
    run = NotebookRun(client, made.info.run_id)
    try:
        yield run
    except BaseException:
        run.status = "FAILED"
        raise
    finally:
        client.set_terminated(run.id, run.status)


def _experiment(client: Any, config: Mapping[str, Any]) -> str:
    wanted = config["tracking"]["experiment"]
    found = client.get_experiment_by_name(wanted["name"])
    if found is not None:
        return str(found.experiment_id)
    return str(client.create_experiment(wanted["name"], **wanted["create_experiment_kwargs"]))


class NotebookRun:
    """One run in MLflow that is open; ``id`` is what MLflow calls it."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self.id, self.status = client, run_id, "FINISHED"

    def log(
        self,
        seal: Mapping[str, Any],
        notebook: str,
        *,
        patch: bytes | None,
        anchors: Mapping[str, str],
    ) -> None:
        """Log what was executed; ``anchors``: tags that name the ledger's head."""
        from mlflow.entities import RunTag

        content = seal["content"]
        read = {f"data.{name}": digest for name, digest in content["data"]["read"].items()}
        tags = {"seal": seal["digest"], **read, **anchors}
        self._client.log_batch(self.id, tags=[RunTag(n, str(v)) for n, v in tags.items()])
        self._client.log_dict(self.id, dict(seal), "seal.json")
        with tempfile.TemporaryDirectory() as folder:
            files = {Path(content["subject"]["notebook"]).name: notebook.encode()}
            files |= {PATCH: patch} if patch else {}
            for name, data in files.items():
                (Path(folder) / name).write_bytes(data)
                self._client.log_artifact(self.id, str(Path(folder) / name))
        self.status = STATUS[content["outcome"]]

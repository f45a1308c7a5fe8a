"""The workflows that pipelines are made of: those of the environment that Kedro has opened."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework import project as kedro_project
from kedro.framework.context import KedroContext

from fin_kedro.project.commands import project_folder
from fin_kedro.project.config import ProjectConfigLoader, project_config
from fin_kedro.project.workflows import Workflow

# Kedro asks for pipelines without saying of which environment, but opens a context before.
_open: dict[str, ProjectConfigLoader] = {}


class ProjectContext(KedroContext):
    """Kedro's context; pipelines are those of its environment from here on.

    Raises:
        ParameterError: conf or the command line says what no schema knows.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        use(self.config_loader)
        # before any hook: MLflow's opens its tables, and a refused run must leave nothing behind
        for name in ("parameters", "policy"):
            with suppress(MissingConfigException):
                self.config_loader[name]


def use(loader: Any) -> None:
    """Let the pipelines be those of this conf.

    Raises:
        WorkflowError: a declaration is not as it should be.
    """
    before = _open["loader"].workflows if "loader" in _open else None
    _open["loader"] = loader
    if before != loader.workflows and kedro_project.PACKAGE_NAME:
        # registered already, of another environment or before one was opened: once more
        kedro_project.pipelines.configure(f"{kedro_project.PACKAGE_NAME}.pipeline_registry")


def open_workflows() -> tuple[Workflow, ...]:
    """The workflows in force; before a context was opened, those of KEDRO_ENV here.

    `kedro registry list` opens none and has no option for the environment.
    """
    if "loader" not in _open:
        return project_config(project_folder(), os.environ.get("KEDRO_ENV")).workflows
    return _open["loader"].workflows

"""The folder in which `kedro verify --all` leaves its badge, its table and executed notebooks."""

from __future__ import annotations

from pathlib import Path

from fin_kedro.project.config import data_folder, project_config

FOLDER = "08_reporting/verify"


def results_folder(project: Path, env: str | None = None) -> Path:
    """The folder, under the one that conf's globals name for data."""
    return data_folder(project_config(project, env), project) / FOLDER

"""What the project's commands share: plain errors, the project's folder, the conf environment."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kedro.utils import find_kedro_project

env_choice = click.option("--env", "-e", default=None, help="conf environment (default: local)")


def plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Refusals are sentences for people, not tracebacks."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (RuntimeError, ValueError, FileNotFoundError) as error:
            click.secho(f"{type(error).__name__}: {error}", fg="red", err=True)
            sys.exit(1)

    return wrapped


def project_folder() -> Path:
    """The Kedro project that a command is typed in."""
    project = find_kedro_project(Path.cwd())
    if project is None:
        raise FileNotFoundError("no Kedro project here or above; change to the project's folder.")
    return Path(project)

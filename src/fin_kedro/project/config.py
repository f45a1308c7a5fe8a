"""The project's configuration loader: Kedro's, with policy files and the resolver `project`."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import OmegaConf

# Kedro 1.7 still calls omegaconf's old name; nothing a user of this project could mend.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")

PATTERNS = {
    "policy": ["policy*", "policy*/**"],
    "mlflow": ["mlflow*", "mlflow*/**"],
    "verification": ["verification*", "verification*/**"],
    # Policy is read by nodes too, and is recorded with a run, as its parameters are.
    "parameters": ["parameters*", "parameters*/**", "**/parameters*", "policy*"],
}


# All loaders share their resolvers: whose project is meant says the loader that reads, by thread.
_place = threading.local()

# omegaconf is renaming this function; take whichever name it has.
_register = getattr(OmegaConf, "register_resolver", None) or OmegaConf.register_new_resolver


class ProjectConfigLoader(OmegaConfigLoader):
    """OmegaConfigLoader in which ``${project:some/path}`` is that path inside the project.

    Settings such as MLflow's tracking address need absolute paths, wherever a command is typed.
    """

    def __init__(self, conf_source: str | Path, *args: Any, **kwargs: Any) -> None:
        self._root = _place.root = Path(conf_source).resolve().parent
        _register("project", lambda path: (_place.root / path).as_posix(), replace=True)
        kwargs["config_patterns"] = {**PATTERNS, **(kwargs.get("config_patterns") or {})}
        # An environment states what differs, not every knob again.
        kwargs["merge_strategy"] = {
            "parameters": "soft",
            "policy": "soft",
            **(kwargs.get("merge_strategy") or {}),
        }
        super().__init__(conf_source, *args, **kwargs)

    def __getitem__(self, key: str) -> Any:
        """Read a part of conf; ``${project:...}`` in it is this loader's project."""
        _place.root = self._root
        return super().__getitem__(key)


def project_config(project_path: str | Path, env: str | None = None) -> ProjectConfigLoader:
    """Open the configuration as `kedro run --env` reads it, without a session."""
    return ProjectConfigLoader(
        Path(project_path) / "conf", env=env, base_env="base", default_run_env="local"
    )


def data_folder(config: Any, project_path: str | Path) -> Path:
    """Where an environment keeps its results: ``data`` in globals.yml."""
    try:
        named = config["globals"].get("data", "data")
    except MissingConfigException:
        named = "data"
    return Path(project_path) / named

"""The project's configuration loader: Kedro's, with policy files, workflows and two resolvers."""

from __future__ import annotations

import threading
import warnings
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import OmegaConf

from fin_kedro.project.policy import policy_of
from fin_kedro.project.templates import entries_for, with_defaults
from fin_kedro.project.workflows import Workflow, declared_workflows

# Kedro 1.7 still calls omegaconf's old name; nothing a user of this project could mend.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")

PATTERNS = {
    "policy": ["policy*", "policy*/**"],
    "mlflow": ["mlflow*", "mlflow*/**"],
    "verification": ["verification*", "verification*/**"],
    "workflows": ["workflows*", "workflows*/**"],
    # Policy is read by nodes too, and is recorded with a run, as its parameters are.
    "parameters": ["parameters*", "parameters*/**", "**/parameters*", "policy*"],
}


# All loaders share their resolvers: whose project is meant says the loader that reads, by thread.
_reading = threading.local()

# omegaconf is renaming this function; take whichever name it has.
_register = getattr(OmegaConf, "register_resolver", None) or OmegaConf.register_new_resolver


class ProjectConfigLoader(OmegaConfigLoader):
    """OmegaConfigLoader that knows the project's folder and its workflows.

    ``${project:some/path}`` is that path inside the project: settings such as MLflow's tracking
    address need absolute paths, wherever a command is typed. ``${pipelines:release}`` lists that
    pipeline of every workflow. Catalog, parameters and policy are written once for every workflow
    of a kind (see `fin_kedro.project.templates`). Both are checked by their schema whenever they
    are read, whoever reads them (see `fin_kedro.parameters.check`); ``checked`` False leaves
    that out, for the conf of another time. A project that declares no workflow has its own schema.
    """

    def __init__(
        self, conf_source: str | Path, *args: Any, checked: bool = True, **kwargs: Any
    ) -> None:
        self._checked = checked
        self._accepted: dict[str, Any] = {}
        self._root = Path(conf_source).resolve().parent
        self._workflows: tuple[Workflow, ...] | None = None
        _reading.loader = self
        _register("project", _in_project, replace=True)
        _register("pipelines", _of_each_workflow, replace=True)
        kwargs["config_patterns"] = {**PATTERNS, **(kwargs.get("config_patterns") or {})}
        # An environment states what differs, not every knob again.
        kwargs["merge_strategy"] = {
            "parameters": "soft",
            "policy": "soft",
            "workflows": "soft",
            **(kwargs.get("merge_strategy") or {}),
        }
        super().__init__(conf_source, *args, **kwargs)

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        """The workflows that this environment declares."""
        if self._workflows is None:
            self._workflows = declared_workflows(self)
        return self._workflows

    def __getitem__(self, key: str) -> Any:
        """Read a part of conf, written out for each workflow; resolvers mean this loader's."""
        _reading.loader = self
        self._register_globals_resolver()  # Kedro does so once, and the last loader made wins
        found = super().__getitem__(key)
        if key == "catalog":
            return entries_for(found, self.workflows)
        if key == "parameters":
            found = with_defaults(found, self.workflows)
        if key in ("parameters", "policy"):
            if found.get("workflows"):
                own = with_defaults(found["workflows"], self.workflows)
                found = {**found, "workflows": own}
            self._check(key, found)
        return found

    def _check_duplicates(self, key: str, config_per_file: dict[Path, Any]) -> None:
        """Refuse a setting that two files of one environment state.

        Of a policy, as Kedro does of parameters, the settings are compared down to the last: each
        workflow may have a file with its own part of ``workflows``.
        """
        super()._check_duplicates("parameters" if key == "policy" else key, config_per_file)

    def _check(self, key: str, found: dict[str, Any]) -> None:
        """Refuse what no schema knows; conf is read several times in a run, and judged once."""
        if not self._checked or not self.workflows or self._accepted.get(key) == found:
            return
        from fin_kedro.parameters import check  # here: with its schema it takes a tenth of a second

        if key == "parameters":
            check.check_parameters(found, self)
        else:
            check.check_policy(found, partial(policy_of, found), self)
        self._accepted[key] = deepcopy(found)


def _in_project(path: str) -> str:
    """``${project:path}``: a path inside the project, absolute."""
    root: Path = _reading.loader._root
    return (root / path).as_posix()


def _of_each_workflow(stage: str) -> list[str]:
    """``${pipelines:stage}``: the pipelines of that stage, of every workflow."""
    return [f"{workflow}_{stage}" for workflow in _reading.loader.workflows]


def project_config(
    project_path: str | Path, env: str | None = None, *, checked: bool = True
) -> ProjectConfigLoader:
    """Open the configuration as `kedro run --env` reads it, without a session."""
    return ProjectConfigLoader(
        Path(project_path) / "conf",
        env=env,
        base_env="base",
        default_run_env="local",
        checked=checked,
    )


def data_folder(config: Any, project_path: str | Path) -> Path:
    """Where an environment keeps its results: ``data`` in globals.yml."""
    try:
        named = config["globals"].get("data", "data")
    except MissingConfigException:
        named = "data"
    return Path(project_path) / named

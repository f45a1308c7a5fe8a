"""Kedro's settings for this project."""

from fin_kedro.hooks import ProgressHooks, SealHooks, ThreadHooks, WholeVersionHooks
from fin_kedro.project.config import ProjectConfigLoader
from fin_kedro.project.context import ProjectContext

CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
CONTEXT_CLASS = ProjectContext
HOOKS = (WholeVersionHooks(), ThreadHooks(), SealHooks(), ProgressHooks())
# Kedro-Viz counts rows of every dataset after each load; kedro-telemetry sends usage home.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz", "kedro-telemetry")

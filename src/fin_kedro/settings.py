"""Kedro's settings for this project."""

from fin_kedro.hooks import ProgressHooks, SealHooks, ThreadHooks, WholeVersionHooks
from fin_kedro.project.config import ProjectConfigLoader

CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
HOOKS = (WholeVersionHooks(), ThreadHooks(), SealHooks(), ProgressHooks())
# Kedro-Viz counts rows of every dataset after each load; kedro-telemetry sends usage home.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz", "kedro-telemetry")

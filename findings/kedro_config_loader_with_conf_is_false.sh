#!/usr/bin/env bash
# kedro 1.7.0: an OmegaConfigLoader that reads conf well is false in a condition, since it is a mapping whose
# parts are read on demand and never kept in it.
#
# Seen: bool(loader) is False and len(loader) is 0, while loader["parameters"] gives the parameters.
# What it means: `loader or default` silently takes the default, here another environment's conf. Write
# `default if loader is None else loader`.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install kedro==1.7.0
mkdir -p "$folder/conf/base" "$folder/conf/local"
printf 'limit: 3\n' >"$folder/conf/base/parameters.yml"
cd "$folder"
KEDRO_DISABLE_TELEMETRY=1 DO_NOT_TRACK=true "$folder/venv/bin/python" - <<'P'
from kedro.config import OmegaConfigLoader

loader = OmegaConfigLoader("conf", base_env="base", default_run_env="local")
print(loader["parameters"], bool(loader), len(loader))
assert loader["parameters"] == {"limit": 3}
assert not loader and len(loader) == 0
P

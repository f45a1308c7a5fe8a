#!/usr/bin/env bash
# kedro 1.7.0: a project's cli.py that replaces `run` (as its docs describe) makes `kedro --help`
# list `run` twice, under the global and under the project's commands; the project's one answers.
#
# Seen: two lines that begin with "run" in `kedro --help`, and `kedro run` prints "ours".
# What it means: a newcomer cannot tell which `run` is typed. Setting `hidden = True` on Kedro's own
# command object leaves one line, and the project's command still answers.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install kedro==1.7.0
export KEDRO_DISABLE_TELEMETRY=1 DO_NOT_TRACK=true COLUMNS=80
mkdir -p "$folder/project/src/tiny" "$folder/project/conf/base" "$folder/project/conf/local"
cd "$folder/project"
cat >pyproject.toml <<'T'
[tool.kedro]
package_name = "tiny"
project_name = "tiny"
kedro_init_version = "1.7.0"
source_dir = "src"
T
: >src/tiny/__init__.py
: >src/tiny/settings.py
cat >src/tiny/pipeline_registry.py <<'T'
def register_pipelines():
    return {}
T
cat >src/tiny/cli.py <<'T'
import click


@click.group()
def cli():
    """Commands of the project."""


@cli.command()
def run():
    """Run it our way."""
    click.echo("ours")
T
seen="$("$folder/venv/bin/kedro" --help 2>/dev/null | grep -cE '^ +run( |$)')"
said="$("$folder/venv/bin/kedro" run 2>/dev/null | tail -n 1)"
echo "lines for run: $seen; kedro run says: $said"
[[ "$seen" == 2 && "$said" == ours ]]

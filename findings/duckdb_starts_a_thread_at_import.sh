#!/usr/bin/env bash
# duckdb 1.5.6 (Linux): `import duckdb` alone starts a thread, before any connection is made.
#
# Seen: 1 thread before the import, 2 or more after it.
# What it means: a process that is to fork workers (a server of warm kernels or of commands) must not have
# imported duckdb; a forked child of one died at its end in our trials.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install duckdb==1.5.6
"$folder/venv/bin/python" - <<'P'
import os

before = len(os.listdir("/proc/self/task"))
import duckdb

after = len(os.listdir("/proc/self/task"))
print(f"duckdb {duckdb.__version__}: {before} thread before the import, {after} after")
assert before == 1 and after > 1
P

#!/usr/bin/env bash
# duckdb 1.5.6: TRY_CAST of the text '1.5' to BIGINT is 2, not NULL; '2.5' is 3, '1e3' is 1000, '1_000' is 1000.
#
# Seen: the four values above; 'x' is NULL.
# What it means: "read the cells as text, cast, and count the NULLs" does not find cells that are no whole
# number; a contract that says integer has to look at the text's form first.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install duckdb==1.5.6
"$folder/venv/bin/python" - <<'P'
import duckdb

texts = ["1.5", "2.5", "1e3", "1_000", "x"]
found = {t: duckdb.execute("SELECT TRY_CAST(? AS BIGINT)", [t]).fetchone()[0] for t in texts}
print(f"duckdb {duckdb.__version__}: {found}")
assert found == {"1.5": 2, "2.5": 3, "1e3": 1000, "1_000": 1000, "x": None}
P

#!/usr/bin/env bash
# duckdb 1.5.6: reading ONE file whose folder is called `month=5` replaces the file's own column `month`.
#
# Seen: the file holds the months 3 and 4; read_csv gives 5 and 5, read_parquet of one row with 3 gives 5; with
# hive_partitioning=false both give what the file holds. No warning.
# What it means: a bank's delivery that lies under a folder with an equals sign is trained on the folder's
# name. We read every file with hive_partitioning=false.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install duckdb==1.5.6
cd "$folder"
mkdir 'month=5'
printf 'id,month\n1,3\n2,4\n' > 'month=5/rows.csv'
"$folder/venv/bin/python" - <<'P'
import duckdb

duckdb.sql("COPY (SELECT 1 AS id, 3 AS month) TO 'month=5/rows.parquet'")


def months(reader, more=""):
    query = f"SELECT month FROM {reader}('month=5/rows.{reader[5:]}'{more}) ORDER BY id"
    return [int(row[0]) for row in duckdb.sql(query).fetchall()]


found = [months("read_csv"), months("read_parquet")]
off = ", hive_partitioning=false"
right = [months("read_csv", off), months("read_parquet", off)]
print(f"duckdb {duckdb.__version__}: by default {found}, without hive partitioning {right}")
assert found == [[5, 5], [5]] and right == [[3, 4], [3]]
P

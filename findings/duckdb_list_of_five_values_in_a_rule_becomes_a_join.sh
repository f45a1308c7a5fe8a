#!/usr/bin/env bash
# duckdb 1.5.6: in a filter joined by OR, `a NOT IN (…)` stays a comparison up to four values; from five on each
# such list is planned as a join of its own (MARK). list_contains([…], a) never is.
#
# Seen: joins in the plan of two such rules: 0 for four values, 2 for five, 2 for seventy; 0 with list_contains.
# What it means: a rule of allowed codes in each of many columns is a chain of joins that carries the whole row,
# so its cost grows with the square of the columns; the same rule by list_contains grows with the columns.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install duckdb==1.5.6
"$folder/venv/bin/python" - <<'P'
import duckdb

engine = duckdb.connect()
engine.execute("CREATE TABLE grades AS SELECT range % 10 AS a, range % 7 AS b FROM range(1000)")


def joins(rule: str) -> int:
    query = f"EXPLAIN SELECT * FROM grades WHERE {rule.format('a')} OR {rule.format('b')}"
    return engine.execute(query).fetchall()[0][1].count("JOIN")


found = {}
for count in (4, 5, 70):
    codes = ", ".join(map(str, range(count)))
    found[count] = (joins(f"{{}} NOT IN ({codes})"), joins(f"NOT list_contains([{codes}], {{}})"))
print(f"duckdb {duckdb.__version__}: values: (joins by NOT IN, joins by list_contains) {found}")
assert found == {4: (0, 0), 5: (2, 0), 70: (2, 0)}
P

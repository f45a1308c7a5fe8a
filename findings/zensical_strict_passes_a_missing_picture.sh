#!/usr/bin/env bash
# zensical 0.0.73: `zensical build --strict` ends with status 0 when a page shows a picture whose file
# is not there, and when a link leads to a file outside docs_dir that is not there.
#
# Seen: exit status 0, and the page with <img src> to a file that the site does not have.
# What it means: a site of evidence needs a link check of its own over the built pages.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install zensical==0.0.73
mkdir -p "$folder/site/docs"
cd "$folder/site"
printf '[project]\nsite_name = "Tiny"\ndocs_dir = "docs"\nsite_dir = "built"\n' >zensical.toml
printf '# Tiny\n\n![a picture](missing.png)\n\n[a module](../src/missing.py)\n' >docs/index.md
status=0
"$folder/venv/bin/zensical" build --strict >"$folder/log" 2>&1 || status=$?
echo "exit status $status"
grep -o '<img[^>]*missing.png[^>]*>' built/index.html
[[ "$status" == 0 && ! -e built/missing.png ]]

"""docs/dependencies.md: what we depend on, and under which licences.

    build/tools/bin/python .ci/dependencies.py --write    write the page's generated parts anew
    build/tools/bin/python .ci/dependencies.py            check licences, and that page

Facts come from the metadata of what is installed, and the tools' Python sees both environments;
only WHY, BY_HAND and ACCEPTED are written here.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK, TOOLS_LOCK = LOCKS = ("requirements.lock", ".ci/tools.lock")
PAGE = ROOT / "docs" / "dependencies.md"
ENTRY = re.compile(r"^([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
BEGIN, END = "<!-- {} begins: made by the command above -->", "<!-- {} ends -->"

WHY = {
    "bentoml": "packages an approved model and serves it over HTTP",
    "catboost": "the champion: boosted trees with categoricals, missing values, monotone signs",
    "confluent-kafka": "transactions and labels from Kafka; its mock cluster serves the tests",
    "cryptography": "Ed25519: the ledger's entries are signed",
    "duckdb": "the embedded engine that table nodes run on",
    "editables": "asked for by hatchling for the editable install",
    "fairlearn": "fairness metrics by protected attribute",
    "hatchling": "builds fin_kedro itself, without fetching anything",
    "httptools": "fast HTTP parsing under uvicorn (BentoML picks it up)",
    "httpx": "HTTP client of the service tests",
    "hypothesis": "property tests of the statistics",
    "ibis-framework": "tables as expressions: one definition on DuckDB, Spark and in ONNX",
    "import-linter": "holds the import layers",
    "ipykernel": "the kernel that notebooks run on",
    "ipython": "what the sealed kernel's banner, `%seal` and honesty stand on",
    "jupyter-client": "starts kernels; our provisioner of warm ones plugs into it",
    "jupyterlab": "where notebooks are written",
    "kedro": "pipelines, catalog, configuration, command line",
    "kedro-datasets": "Parquet, JSON, Ibis, matplotlib datasets of the catalog",
    "kedro-mlflow": "parameters, metrics and artefacts of each run into MLflow",
    "kedro-viz": "the picture of the pipelines",
    "lmdb": "a candidate that the online store is measured against (make bench)",
    "matplotlib": "pictures in notebooks and reports",
    "mlflow": "experiment record and model registry (SQLite)",
    "msgspec": "fast, strict JSON on the scoring path",
    "nbclient": "executes notebooks; papermill's engine and ours stand on it",
    "mkdocstrings-python": "pages of the reference from docstrings, read and not imported",
    "mypy": "type checks",
    "nbconvert": "the validation report as one HTML file",
    "nbdev": "turns notebook cells into modules",
    "numba": "one hand-written pass, which shows how fast a feature engine could be (make bench)",
    "numpy": "arrays",
    "onnx": "writes the one graph per model",
    "onnxruntime": "runs that graph in the service",
    "open-data-contract-standard": "reads the data contracts",
    "packaging": "markers and versions of the lock: its checks, and the kernel that compares it",
    "pandas": "frames at the edges of the pipelines",
    "pandas-stubs": "types for pandas",
    "pandera": "validates datasets at the catalog",
    "papermill": "runs validation notebooks with parameters",
    "pip-licenses": "a second opinion on licences: build/tools/bin/pip-licenses --from=mixed",
    "polars": "a feature engine ours is measured against (make bench)",
    "pyarrow": "Parquet",
    "pydantic": "the service's request model, parameter validation",
    "pyspark": "the distributed engine behind --env spark",
    "pytest": "tests",
    "pytest-xdist": "tests on two processes",
    "pyyaml": "reads configuration",
    "redis": "client of the online store for a fleet of scorers",
    "rich": "progress bars and tables on the command line",
    "rocrate": "a sealed run as an RO-Crate, the research world's form of a package of evidence",
    "ruff": "style and formatting",
    "scikit-learn": "metrics, logistic regression of the scorecard",
    "scipy": "statistics",
    "sqlglot": "SQL under Ibis; named here only to hold its version",
    "threadpoolctl": "one BLAS thread, for equal results",
    "types-pyyaml": "types for PyYAML",
    "uv": "installs and compiles the lock",
    "uvloop": "fast event loop under uvicorn",
    "zensical": "docs as a site, with strict links (make docs)",
}
# no licence in the installed metadata, or not installed here: read from their wheels
BY_HAND = {
    "appnope": "BSD-2-Clause",
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "cookiecutter": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "huey": "MIT",
    "overrides": "Apache-2.0",
    "pywin32": "PSF-2.0",
    "pywinpty": "MIT",
    "waitress": "ZPL-2.1",
    "scipy": "BSD-3-Clause",
    "skops": "MIT",
    "matplotlib": "PSF-2.0",
}
# would be refused by the rule below; each with the reason why it binds our users no harder
ACCEPTED = {
    "lmdb": "OpenLDAP Public License 2.8: permissive, as BSD; used by a benchmark only",
    "text-unidecode": "Artistic-1.0 or GPL-2.0+ at our choice: we choose Artistic-1.0",
}
PERMISSIVE = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|HPND|0?BSD|ISC|ISCL|Apache|PSF|Python Software Foundation|Python-2\.0"
    r"|Zlib|CC0|Unlicense|Public Domain|ZPL|Zope|CNRI)",
    re.IGNORECASE,
)
# binds only changes to their own files, which we do not make
FILE_LEVEL = re.compile(r"\b(MPL|Mozilla)", re.IGNORECASE)
HARD = re.compile(
    r"GPL|General Public|Affero|\b(EPL|EUPL|CDDL|SSPL|BUSL|OSL|RPL|CPAL)\b|Eclipse|Server Side"
    r"|Business Source|Commons Clause|Proprietary|NonCommercial|-NC-|-SA-|ShareAlike|Artistic",
    re.IGNORECASE,
)


def _fields(name: str) -> Message:
    """The metadata of an installed distribution; it is a mail message underneath."""
    return cast("Message", metadata.metadata(name))


def licence(name: str) -> str:
    """The licence of an installed distribution, in its own words; "" when unknown."""
    if name in BY_HAND:
        return BY_HAND[name]
    try:
        info = _fields(name)
    except metadata.PackageNotFoundError:
        return ""
    if info.get("License-Expression"):
        return str(info["License-Expression"])
    prefix = "License :: "
    classifiers = [c for c in info.get_all("Classifier", []) if c.startswith(prefix)]
    words = [c.rpartition(" :: ")[2] for c in classifiers if not c.endswith("OSI Approved")]
    field = str(info.get("License") or "").strip().splitlines()
    return " and ".join(words) or (field[0][:60] if field and field[0] != "UNKNOWN" else "")


def verdict(text: str) -> str:
    """`permissive`, `file-level`, `hard` or `unknown`; of alternatives the mildest counts."""
    order = ["permissive", "file-level", "hard", "unknown"]
    if not text:
        return "unknown"
    bare = short(text.strip())
    if bare.startswith("(") and len(_split(bare, r"\s")) == 1:
        bare = bare[1:-1]
    for word, pick in ((r"\s+AND\s+|,|;|/", max), (r"\s+OR\s+", min)):
        parts = _split(bare, word)
        if len(parts) > 1:
            return pick((verdict(part) for part in parts), key=order.index)
    if HARD.search(bare):
        return "hard"
    if FILE_LEVEL.search(bare):
        return "file-level"
    return "permissive" if PERMISSIVE.search(bare) else "unknown"


def _split(text: str, separator: str) -> list[str]:
    """`text` cut at `separator` (a pattern) outside brackets."""
    depth, begin, parts = 0, 0, []
    for hit in re.finditer(rf"[()]|{separator}", text, re.IGNORECASE):
        if hit.group() in "()":
            depth += 1 if hit.group() == "(" else -1
        elif depth == 0:
            parts.append(text[begin : hit.start()])
            begin = hit.end()
    return [*parts, text[begin:]]


def locked(root: Path, locks: Sequence[str] = LOCKS) -> dict[str, str]:
    """Version in the locks by canonical name; the installed one where there are several."""
    versions: dict[str, str] = {}
    text = "".join((root / lock).read_text("utf-8") for lock in locks)
    for name, version in ENTRY.findall(text):
        key = canonicalize_name(name)
        versions[key] = version if versions.get(key, version) == version else _installed(key)
    return versions


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "?"


def direct(root: Path, locks: Sequence[str] = LOCKS) -> list[str]:
    """Canonical names that pyproject.toml asks for, for what stands in `locks`."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    asked = {
        LOCK: [*project["project"]["dependencies"], *groups["dev"]],
        TOOLS_LOCK: groups["tools"],
    }
    texts = [text for lock in locks for text in asked[lock]]
    return sorted({canonicalize_name(Requirement(text).name) for text in texts})


def problems(root: Path, locks: Sequence[str] = LOCKS) -> Iterator[str]:
    """Licences that bind harder than Apache-2.0 or are unknown; direct ones without a reason.

    `locks` are those whose distributions this Python sees.
    """
    for name in locked(root, locks):
        text = licence(name)
        found = verdict(text)
        if found in {"hard", "unknown"} and name not in ACCEPTED:
            yield f"{name}: licence {text or 'not stated'!r} is {found}"
    for name in direct(root):
        if name not in WHY:
            yield f"{name}: no reason in WHY of .ci/dependencies.py"


def keeper(name: str) -> str:
    """Who keeps a distribution, from its metadata, without addresses."""
    info = _fields(name)
    fields = ("Maintainer", "Author", "Maintainer-email", "Author-email")
    text = next((str(info[field]) for field in fields if info.get(field)), "")
    bare = re.sub(r"\s*<[^>]*>", "", text).replace('"', "").replace("|", " ")
    bare = re.sub(r"\S+@\S+", "", bare)
    names = [part.strip() for part in bare.split(",") if part.strip()]
    home = str(info.get("Home-page") or "").rstrip("/").split("/")[3:4]
    return ", ".join(names[:2]) + (" and others" if names[2:] else "") or "".join(home) or "-"


def weight(name: str) -> str:
    """Installed size in MiB, without bytecode."""
    files = metadata.files(name) or []
    size = sum(f.size or 0 for f in files if f.suffix != ".pyc")
    return f"{size / 2**20:.1f}"


def short(text: str) -> str:
    """Common long names of licences under their SPDX names."""
    for pattern, name in (
        (r"Apache( Software)? License.*|Apache 2\.0|Apache License,.*|Apache", "Apache-2.0"),
        (r"MIT License", "MIT"),
        (r"(3-Clause )?BSD License|BSD 3-Clause.*", "BSD"),
        (r"ISC License \(ISCL\)", "ISC"),
        (r"Mozilla Public License 2\.0 \(MPL 2\.0\)", "MPL-2.0"),
        (r"Python Software Foundation License", "PSF-2.0"),
    ):
        if re.fullmatch(pattern, text):
            return name
    return text


def direct_table(root: Path, lock: str) -> str:
    versions = locked(root, [lock])
    rows = ["| package | version | MiB | licence | kept by | why |", "|---|---|---:|---|---|---|"]
    for name in direct(root, [lock]):
        cells = [name, versions[name], weight(name), short(licence(name)), keeper(name), WHY[name]]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def licence_table(root: Path) -> str:
    groups: dict[str, list[str]] = {}
    for name in locked(root):
        groups.setdefault(short(licence(name)), []).append(name)
    rows = ["| licence | number | packages |", "|---|---:|---|"]
    for text, names in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        rows.append(f"| {text} | {len(names)} | {', '.join(sorted(names))} |")
    return "\n".join(rows)


def with_part(page: str, name: str, body: str) -> str:
    """`page` with the generated part `name` replaced."""
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    if not rest or not after:
        raise SystemExit(f"{PAGE.name}: no {begin!r} ... {end!r} to write between")
    return f"{before}{begin}\n{body}\n{end}{after}"


def out_of_step(root: Path, page: str) -> Iterator[str]:
    """Direct versions and package names that the page does not show.

    Weights are left out: they differ by platform.
    """
    versions = locked(root)
    for name in direct(root):
        if f"| {name} | {versions[name]} |" not in page:
            yield f"docs/dependencies.md does not show {name} {versions[name]}"
    listed = page.partition(BEGIN.format("licences"))[2]
    known = set(re.findall(r"[\w.\-]+", listed))
    for name in versions:
        if name not in known:
            yield f"docs/dependencies.md lists no licence of {name}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/dependencies.md anew")
    page = PAGE.read_text("utf-8")
    if parser.parse_args().write:
        page = with_part(page, "direct", direct_table(ROOT, LOCK))
        page = with_part(page, "tools", direct_table(ROOT, TOOLS_LOCK))
        PAGE.write_text(with_part(page, "licences", licence_table(ROOT)), "utf-8")
        page = PAGE.read_text("utf-8")
    found = [*problems(ROOT), *out_of_step(ROOT, page)]
    for line in found:
        print(line)
    if found:
        print("Next: replace the package, or accept it with a reason in .ci/dependencies.py;")
        print("      then build/tools/bin/python .ci/dependencies.py --write")
        return 1
    print(f"{len(locked(ROOT))} locked packages bind users no harder than Apache-2.0.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

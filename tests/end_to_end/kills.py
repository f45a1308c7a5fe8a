"""Kill runs at random instants, and look at what is left: the kill table of docs/measurements.md.

    python -m tests.end_to_end.kills --instants 100 --seed 12 --on fresh
    python -m tests.end_to_end.kills --instants 100 --seed 12 --on used

Each instant lies between the start of the process and the end of an undisturbed run. After it:
no version is half there, ledger and MLflow's tables are whole, no process of the run is left, and
the next run succeeds. On `fresh` every kill meets a new copy of the project, in which nothing has
run; on `used` all meet the same one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.package import read_package
from fin_kedro.seals.seal import check_seal, read_seal
from fin_kedro.storage.canonical import content_hash

RUN = ("run", "--env", "ci", "--pipelines", "credit")
# They also name the occasion: the run, its times, the model's version.
OCCASIONS = {"validation_record.json", "model_validation.ipynb", "model_validation.html"}
SEAL = "seal.json"
GRACE = 20  # seconds in which a kernel whose parent is gone must end; it looks once a second


def visible(data: Path) -> Iterator[tuple[str, Path]]:
    """Every version that a catalog finds: ``<name>/<version>/<name>``, by the name's path."""
    for path in sorted(data.rglob("*")):
        folder = path.parents[1]
        inside = folder.relative_to(data).parts if folder.is_relative_to(data) else ()
        if inside and path.name == folder.name and not {"01_raw", "mlflow"} & set(inside):
            yield folder.relative_to(data).as_posix(), path


def is_content(name: str) -> bool:
    """Whether two runs of the same must give the same file."""
    return Path(name).name not in {SEAL, *OCCASIONS}


def contents(data: Path) -> dict[str, str]:
    """Content of the datasets of a run that nobody disturbed."""
    return {name: content_hash(path) for name, path in visible(data) if is_content(name)}


def check_versions(data: Path, undisturbed: dict[str, str], known: set[Path]) -> list[str]:
    """All that is visible is what an undisturbed run makes; return names, remember paths."""
    names = []
    for name, path in visible(data):
        names.append(name)
        if path in known:
            continue
        assert not any(part.startswith(".") for part in path.relative_to(data).parts)
        if is_content(name):
            assert content_hash(path) == undisturbed[name], path
        elif path.suffix == ".html":
            assert path.read_text("utf-8").rstrip().endswith("</html>")
        else:
            json.loads(path.read_text("utf-8"))
        known.add(path)
    return names


def check_ledger(path: Path) -> int:
    """The ledger is whole, and so is what it speaks of; return how many entries it has."""
    ledger = Ledger(path)
    ledger.verify()
    for entry in ledger.entries(event="registered"):
        read_package(ledger.resolve(entry.event["package"]), expected_digest=entry.event["digest"])
    return len(ledger.entries())


def check_database(path: Path) -> None:
    """MLflow's tables are whole, or not there."""
    if path.exists():
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        connection.close()
        assert {"runs", "registered_models", "alembic_version"} <= names
        assert not {name for name in names if name.startswith("_alembic_tmp_")}


def seals(data: Path) -> dict[str, str]:
    """Outcome by run."""
    found = {}
    for path in data.glob(f"08_reporting/{SEAL}/*/{SEAL}"):
        seal = read_seal(path)
        check_seal(seal)
        found[path.parent.name] = seal["content"]["outcome"]
    return found


def processes_of(project: Path) -> list[psutil.Process]:
    """Processes that work in a project, or were started for it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = [process.cwd(), process.environ().get("PYTHONPATH", ""), *process.cmdline()]
            if process.pid != os.getpid() and any(project.as_posix() in word for word in words):
                found.append(process)
    return found


def check_no_process(project: Path) -> None:
    """What the killed run had started has ended by itself."""
    _, left = psutil.wait_procs(processes_of(project), timeout=GRACE)
    assert not left, [process.cmdline() for process in left]


def _command(project: Path) -> tuple[list[str], dict[str, str]]:
    from tests.conftest import OWN, QUIET

    inherited = {name: value for name, value in os.environ.items() if name not in OWN}
    environment = {**inherited, **QUIET, "PYTHONPATH": str(project / "src")}
    return [sys.executable, "-m", "kedro", *RUN], environment


def killed(project: Path, seconds: float) -> bool:
    """Kill a run so long after its process has started; False when it had ended before."""
    command, environment = _command(project)
    process = subprocess.Popen(
        command, cwd=project, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    return process.wait() == -9


def finished(project: Path) -> str:
    """Run to the end; return what it says when it fails, "" when it succeeds."""
    command, environment = _command(project)
    ended = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    return ended.stderr[-2000:] or "failed" if ended.returncode else ""


def reached(data: Path) -> str:
    """How far a killed run came, in the words of the table."""
    if any(seals(data).values()):
        return "sealed, at its end"
    if any(data.glob("06_models/credit/package/2*")):
        return "a candidate is registered"
    if any(name.startswith("02_") for name, _ in visible(data)):
        return "nodes"
    return "tables of MLflow" if any(data.glob("mlflow/*")) else "start, imports"


def _instants(arguments: argparse.Namespace, scratch: Path) -> Iterator[dict[str, object]]:
    from tests.conftest import copy_project

    draw = random.Random(arguments.seed)
    origin = copy_project(scratch / "undisturbed")
    clean = scratch / "clean"
    shutil.copytree(origin, clean)
    finished(origin)  # compiles what is imported
    began = time.monotonic()
    assert not (said := finished(origin)), said
    length, undisturbed = time.monotonic() - began, contents(origin / "data")
    project, known = origin, {path for _, path in visible(origin / "data")}
    for number in range(arguments.instants):
        if arguments.on == "fresh":
            project, known = scratch / f"fresh-{number}", set()
            shutil.copytree(clean, project)
        data, instant = project / "data", draw.uniform(0, length)
        entries = check_ledger(data / "governance/ledger.sqlite")
        row: dict[str, object] = {"instant": round(instant, 2), "of": round(length, 2)}
        row["killed"] = killed(project, instant)
        row["reached"] = reached(data) if arguments.on == "fresh" else "used"
        try:
            check_no_process(project)
            check_versions(data, undisturbed, known)
            assert check_ledger(data / "governance/ledger.sqlite") >= entries
            check_database(data / "mlflow/mlflow.db")
            assert not (said := finished(project)), said
            check_versions(data, undisturbed, known)
            assert seals(data)[max(seals(data))] == "completed"
            check_ledger(data / "governance/ledger.sqlite")
        except AssertionError as error:
            row["fault"] = str(error) or repr(error)
        yield row
        if arguments.on == "fresh" and "fault" not in row:
            shutil.rmtree(project)


def main() -> None:
    """Kill, print a line for each instant and a table at the end; fail where anything was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--on", choices=["fresh", "used"], default="fresh")
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="fin-kedro-kills-"))
    rows = []
    for row in _instants(arguments, scratch):
        rows.append(row)
        print(json.dumps(row), flush=True)
    faults = [row for row in rows if "fault" in row]
    print("| reached when it was killed | instants | next run failed, or anything half |")
    print("|---|---|---|")
    for place, count in sorted(Counter(str(r["reached"]) for r in rows).items()):
        wrong = sum(r["reached"] == place for r in faults)
        print(f"| {arguments.on}: {place} | {count} | {wrong} |")
    if faults:
        sys.exit(f"{len(faults)} of {len(rows)} left something; see {scratch}")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()

"""The commands of the Makefile, and when .venv is built anew. Nothing is installed here."""

from __future__ import annotations

import fcntl
import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {"help", "run", "test", "check", "format", "docs", "lab", "lock", "bench", "clean"}
WITH_TOOLS = {"check", "format", "docs", "bench"}


def load(name: str) -> ModuleType:
    """A script of .ci as a module; one may import another, as they do when they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / ".ci"))
        return importlib.import_module(name)


environment, tools, lock = load("environment"), load("tools"), load("lock")
VERSION = ".".join(map(str, sys.version_info[:3]))


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with an up-to-date .venv, as far as its stamp says."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.ruff]\nline = 1\n')
    (tmp_path / "requirements.lock").write_text(
        "uv==1.0 \\\n    --hash=sha256:aa\nb==2 \\\n    --h\n"
    )
    kernel = tmp_path / environment.KERNEL
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text("{}")
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    stamp(tmp_path)
    return tmp_path


def stamp(root: Path) -> None:
    text = json.dumps(environment.digest(root, VERSION))
    (root / ".venv" / environment.STAMP).write_text(text)


def test_help_lists_each_command_once() -> None:
    done = make("help")
    assert done.returncode == 0
    assert set(re.findall(r"^  make (\w+)", done.stdout, re.MULTILINE)) == TARGETS
    assert make().stdout == done.stdout


def test_every_command_but_help_and_clean_builds_the_environment_first() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    for target in TARGETS - {"help", "clean"}:
        first = "environment tools" if target in WITH_TOOLS else "environment"
        assert re.search(rf"^{target}: {first} ## ", text, re.MULTILINE), target
    assert re.search(r"^tools: environment$", text, re.MULTILINE)


def test_what_a_run_installs_is_no_more_than_before_there_were_two_locks() -> None:
    own, beside = lock.locked(ROOT, environment.LOCK), lock.locked(ROOT, environment.TOOLS_LOCK)
    assert len(own) < 294
    tools_only = {"import-linter", "lmdb", "mypy", "numba", "polars", "ruff", "zensical"}
    assert tools_only <= set(beside) - set(own)
    assert {"pytest", "hypothesis", "uv", "hatchling"} <= set(own) - set(beside)


def test_the_tools_are_resolved_without_what_the_first_lock_has_everywhere(root: Path) -> None:
    (root / "requirements.lock").write_text(
        "b[x]==2 \\\n    --hash=sha256:aa\nc==1 ; os_name == 'nt' \\\n    --hash=sha256:bb\n"
    )
    asked = environment.tool_requirements(root)
    assert asked[:4] == ["--group", "pyproject.toml:tools", "--constraints", "requirements.lock"]
    assert asked[4:] == ["--no-emit-package", "b"]


@pytest.mark.parametrize("python", ["", "no-such-python", "false"])
def test_without_a_fitting_python_the_error_says_what_to_do(python: str) -> None:
    done = make("environment", f"PYTHON={python}")
    assert done.returncode != 0
    assert "Error: " in done.stderr
    assert "make PYTHON=" in done.stderr
    assert "Traceback" not in done.stderr


def test_telemetry_is_off() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    for name in ("DO_NOT_TRACK := true", "MLFLOW_DISABLE_TELEMETRY := true", "KEDRO_DISABLE"):
        assert f"export {name}" in text
    assert "consent: false" in (ROOT / ".telemetry").read_text("utf-8")


def test_an_up_to_date_environment_is_left_alone(root: Path) -> None:
    assert environment.stale(root, VERSION) == []
    assert environment.ensure(root, chosen=False, builder=_never) == []


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("built although nothing changed")


def built(root: Path, *, chosen: bool = False) -> tuple[list[str], list[bool]]:
    """Reasons for a build, and whether it began from scratch."""
    scratches: list[bool] = []

    def builder(_: Path, __: str, *, scratch: bool) -> None:
        scratches.append(scratch)

    return environment.ensure(root, chosen=chosen, builder=builder), scratches


def test_a_changed_lock_refreshes(root: Path) -> None:
    (root / "requirements.lock").write_text("uv==1.1 \\\n    --hash=sha256:bb\n")
    assert built(root) == (["requirements.lock"], [False])


def test_pyproject_counts_only_where_the_installation_rests_on_it(root: Path) -> None:
    path = root / "pyproject.toml"
    path.write_text(path.read_text().replace("line = 1", "line = 2"))
    assert built(root) == ([], [])
    path.write_text(path.read_text().replace('"x"', '"y"'))
    assert built(root) == (["pyproject.toml"], [False])


def test_a_changed_kernel_specification_refreshes(root: Path) -> None:
    (root / environment.KERNEL / "kernel.json").write_text('{"a": 1}')
    assert built(root) == (["the kernel specification"], [False])


def test_an_interrupted_build_begins_from_scratch(root: Path) -> None:
    (root / ".venv" / environment.BUILDING).touch()
    assert built(root) == (["no finished installation"], [True])


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_broken_stamp_is_no_stamp(root: Path, text: str) -> None:
    (root / ".venv" / environment.STAMP).write_text(text)
    assert built(root)[0] == ["no finished installation"]


@pytest.fixture
def with_tools(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose tools are up to date, as far as their stamp says; building is only noted."""
    (root / ".ci").mkdir()
    (root / environment.TOOLS_LOCK).write_text("a==1 \\\n    --hash=sha256:aa\n")
    (root / tools.FOLDER).mkdir(parents=True)
    (root / tools.FOLDER / tools.STAMP).write_text(json.dumps(tools.digest(root)))
    monkeypatch.setattr(tools, "build", lambda _: None)
    return root


def test_up_to_date_tools_are_left_alone(with_tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "build", _never)
    assert tools.ensure(with_tools) == []


def test_tools_are_built_anew_when_their_lock_or_the_python_changes(
    with_tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (with_tools / environment.TOOLS_LOCK).write_text("a==2 \\\n    --hash=sha256:bb\n")
    assert tools.ensure(with_tools) == ["tools.lock"]
    monkeypatch.setattr(tools, "venv_version", lambda _: "3.11.0")
    assert tools.ensure(with_tools) == ["the Python of .venv", "tools.lock"]


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_tools_without_a_finished_installation_are_built(
    with_tools: Path, text: str | None
) -> None:
    path = with_tools / tools.FOLDER / tools.STAMP
    path.unlink() if text is None else path.write_text(text)
    assert tools.ensure(with_tools) == ["no finished installation"]


def test_a_changed_tool_leaves_the_environment_of_a_run_alone(with_tools: Path) -> None:
    (with_tools / environment.TOOLS_LOCK).write_text("a==2 \\\n    --hash=sha256:bb\n")
    assert built(with_tools) == ([], [])


def test_a_missing_environment_is_built(root: Path) -> None:
    (root / ".venv/bin/python").unlink()
    assert built(root)[1] == [True]


def test_a_moved_checkout_begins_from_scratch(root: Path) -> None:
    path = root / ".venv" / environment.STAMP
    path.write_text(path.read_text().replace(str(root), "elsewhere"))
    assert built(root) == (["the place of the checkout"], [True])


def test_another_python_counts_only_when_it_was_chosen(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sys.version_info[:2]
    other = f"{first}.{second + 1 if second < 13 else second - 1}.0"
    monkeypatch.setattr(environment, "own_version", lambda: other)
    assert built(root) == ([], [])
    reasons, scratches = built(root, chosen=True)
    assert scratches == [True]
    assert "Python" in reasons


def test_a_second_make_waits(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    with (root / "pyproject.toml").open("rb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        waiting = threading.Thread(target=lambda: built(root))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        fcntl.flock(first, fcntl.LOCK_UN)
        waiting.join(10)
    assert not waiting.is_alive()
    assert "Another make is building .venv" in capsys.readouterr().out


def test_a_folder_that_is_no_environment_is_not_removed(root: Path) -> None:
    with pytest.raises(environment.BuildError, match="not a virtual environment"):
        environment.create(root, root / "log")
    assert (root / ".venv/bin/python").exists()


def test_uv_comes_from_its_hashed_block() -> None:
    text = environment.block((ROOT / "requirements.lock").read_text("utf-8"), "uv")
    assert text.startswith("uv==")
    assert text.count("--hash=sha256:") > 5
    assert "uvicorn" not in text.partition("# via")[0]
    with pytest.raises(environment.BuildError, match="make lock"):
        environment.block("a==1\n", "uv")


def test_settings_of_pip_reach_uv_unless_uv_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listed:
        stdout = "global.index-url='one'\n:env:.find-links='two three'\nglobal.timeout='5'\n"

    monkeypatch.setattr(environment.subprocess, "run", lambda *_, **__: Listed)
    env = environment.uv_environment(Path("python"), {"UV_DEFAULT_INDEX": "mine"})
    assert env["UV_DEFAULT_INDEX"] == "mine"
    assert env["UV_FIND_LINKS"] == "two,three"


def test_clean_keeps_raw_data_and_the_ledger_and_removes_the_rest(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    kept = ["data/01_raw/a.parquet/v/a.parquet", "data/governance/ledger.sqlite", "src/a.py"]
    gone = [".venv/bin/python", "data/02_clean/b", "data/mlflow/m.db", "src/__pycache__/a.pyc"]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    subprocess.run([str(tmp_path / ".ci/clean")], check=True, capture_output=True)
    assert [name for name in kept + gone if (tmp_path / name).exists()] == kept

"""The bento: the right content, the same bytes again, and no more than scoring needs."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import py_compile
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from fin_kedro.governance.ledger import Ledger
from fin_kedro.governance.package import PackageError
from fin_kedro.serving import release as release_module
from fin_kedro.serving.bento_files import write_list
from fin_kedro.serving.release import (
    ReleasedBento,
    ReleaseError,
    build_bento,
    locked_requirements,
    requirement_closure,
)
from fin_kedro.serving.release_check import check_bento
from fin_kedro.serving.web import released_package

from .conftest import ROOT, build_tiny, clean_environment, release_record
from .tiny_package import write_tiny

# Loaded by .pth files of the environment, or by BentoML only where they are installed.
PATHS_OF_THIS_MACHINE = {"fin-kedro", "setuptools"}
LOCK = """\
# a comment
numpy==2.4.6 ; python_full_version < '3.14' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via onnxruntime
catboost==1.2.10 \\
    --hash=sha256:cc
"""


def test_what_a_bento_holds(bento: ReleasedBento) -> None:
    source = bento.path / "src"
    assert json.loads((source / "release.json").read_text())["version"] == "7"
    assert {p.name for p in (source / "package").iterdir()} == {
        "model.onnx",
        "contract.json",
        "decision.json",
        "golden.json",
        "package.json",
    }
    parts = {p.name for p in (source / "fin_kedro").iterdir()} - {"__pycache__"}
    assert parts == {"__init__.py", "contracts", "governance", "serving"}
    serving = {p.name for p in (source / "fin_kedro" / "serving").glob("*")}
    assert not {"release.py", "live.py", "online"} & serving
    assert (bento.home / "bentos" / "credit" / "latest").read_text() == bento.path.name
    assert bento.size < 2_000_000


def test_a_live_bento_holds_its_statistics_and_store_besides(live_bento: ReleasedBento) -> None:
    ours = live_bento.path / "src" / "fin_kedro"
    found = {p.relative_to(ours).as_posix() for p in ours.rglob("*.py")}
    assert {"features/fraud_statistics.py", "serving/live.py", "online/log_store.py"} <= found
    assert "online/redis_store.py" in found  # chosen by the address only
    assert not {"features/expressions.py", "contracts/tables.py", "online/kafka.py"} & found
    assert "redis" in required(live_bento)
    assert live_bento.size < 2_000_000


def required(bento: ReleasedBento) -> set[str]:
    """Names of the distributions that a bento installs."""
    text = (bento.path / "env" / "python" / "requirements.txt").read_text()
    return {line.split("==")[0] for line in text.splitlines() if line and not line[0].isspace()}


def test_requirements_are_hashed_and_few(bento: ReleasedBento) -> None:
    text = (bento.path / "env" / "python" / "requirements.txt").read_text()
    names = required(bento)
    assert {"bentoml", "onnxruntime", "numpy", "pydantic", "uvloop", "httptools"} <= names
    assert not {"kedro", "mlflow", "catboost", "pandas", "duckdb", "scikit-learn"} & names
    assert text.count("==") == len(names)
    assert all(f"{name}==" in text for name in names)
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_the_dockerfile_installs_no_compilers(bento: ReleasedBento) -> None:
    text = (bento.path / "env" / "docker" / "Dockerfile").read_text()
    assert f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim" in text
    assert "build-essential" not in text
    assert "git" not in text
    assert "ENV BENTOML_DO_NOT_TRACK" in text
    assert "ENV BENTOML_HOST" in text


def test_the_same_inputs_give_the_same_bytes(bento: ReleasedBento, tmp_path: Path) -> None:
    again = build_tiny(tmp_path)
    assert (again.tag, again.digest, again.size) == (bento.tag, bento.digest, bento.size)


def test_building_again_returns_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_tiny(tmp_path)
    monkeypatch.setattr(release_module, "_run_build", None)
    assert build_tiny(tmp_path) == first
    with pytest.raises(ReleaseError, match=r"another approved_by.*approve a new version"):
        build_tiny(tmp_path, approved_by="somebody else")


def test_only_the_approved_package_is_built(tmp_path: Path) -> None:
    write_tiny(tmp_path / "package")
    with pytest.raises(PackageError, match="is not the approved one"):
        build_bento(
            package_dir=tmp_path / "package",
            release=release_record("0" * 64),
            service_dir=ROOT / "bentos" / "static",
            output_dir=tmp_path / "out",
            lock=ROOT / "requirements.lock",
        )
    assert not (tmp_path / "out").exists()


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    digest = write_tiny(tmp_path / "package")
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "bentofile.yaml").write_text('service: "service:Credit"\n')
    (tmp_path / "service" / "service.py").write_text("raise RuntimeError('a broken service')\n")
    with pytest.raises(ReleaseError, match="a broken service"):
        build_bento(
            package_dir=tmp_path / "package",
            release=release_record(digest),
            service_dir=tmp_path / "service",
            output_dir=tmp_path / "out",
            lock=ROOT / "requirements.lock",
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["bento", "live_bento"])
def test_the_bento_serves_from_its_own_code_and_what_it_installs(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    bento: ReleasedBento = request.getfixturevalue(name)
    script = (
        "import json, sys, bentoml; found = bentoml.load(sys.argv[1]); import fin_kedro\n"
        "if hasattr(found.inner, 'application'): found()\n"
        "print(json.dumps([fin_kedro.__file__, sorted({m.split('.')[0] for m in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(bento.path)],
        cwd=tmp_path,
        env={**clean_environment(tmp_path / "home"), "FIN_KEDRO_STORE": "memory:"},
        capture_output=True,
        text=True,
        check=True,
    )
    origin, modules = json.loads(done.stdout.splitlines()[-1])
    assert Path(origin).is_relative_to(bento.path)
    heavy = {
        "catboost",
        "duckdb",
        "ibis",
        "kedro",
        "mlflow",
        "onnx",
        "pandas",
        "pandera",
        "pyarrow",
        "scipy",
        "sklearn",
    }
    assert not heavy & set(modules)
    packages = packages_distributions()
    loaded = {canonicalize_name(d) for m in modules for d in packages.get(m, ())}
    assert loaded <= required(bento) | PATHS_OF_THIS_MACHINE


def test_the_closure_follows_requirements() -> None:
    found = requirement_closure(["pydantic"])
    assert {"pydantic", "pydantic-core", "typing-extensions", "annotated-types"} <= found
    assert "bentoml" not in found


def test_a_lock_is_cut_to_what_is_needed() -> None:
    found = locked_requirements(LOCK, roots=["numpy"])
    assert found == (
        "numpy==2.4.6 ; python_full_version < '3.14' \\\n"
        "    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    )


def test_a_lock_without_a_needed_distribution_is_an_error() -> None:
    with pytest.raises(ReleaseError, match=r"lacks .*pydantic.*make lock"):
        locked_requirements(LOCK, roots=["pydantic"])


def test_the_command_names_store_and_tag(bento: ReleasedBento) -> None:
    assert bento.command.endswith(f"bentoml serve {bento.tag}")
    assert "BENTOML_HOME=" in bento.command


# Attacks on a released bento: files are altered after its release


def _append(name: str, text: str = "\n# changed") -> Callable[[Path], object]:
    return lambda bento: (bento / name).write_text((bento / name).read_text() + text)


def _other_threshold(bento: Path) -> None:
    """A changed threshold with a new manifest, release record and list of files."""
    package = bento / "src/package"
    decision = json.loads((package / "decision.json").read_text()) | {"threshold": 0.9}
    shutil.rmtree(package)
    digest = write_tiny(package, decision=decision)
    record = json.loads((bento / "src/release.json").read_text())
    (bento / "src/release.json").write_text(json.dumps(record | {"digest": digest}))
    write_list(bento)


def _compiled_beside(bento: Path) -> None:
    """Compiled code of another source, dressed as that of the scorer: Python would run it."""
    source = bento / "src/fin_kedro/serving/scorer.py"
    other = bento.parent / "other.py"
    other.write_text("raise SystemExit('owned')")
    target = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(other), cfile=str(target), doraise=True)
    header = target.read_bytes()[:8] + struct.pack(
        "<II", int(source.stat().st_mtime), source.stat().st_size
    )
    target.write_bytes(header + target.read_bytes()[16:])


ATTACKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "altered scorer code": (_append("src/fin_kedro/serving/scorer.py"), "scorer.py"),
    "altered service": (_append("src/service.py"), r"src/service\.py"),
    "altered bento.yaml": (_append("bento.yaml"), r"bento\.yaml"),
    "added code": (lambda b: (b / "src/numpy.py").write_text("1"), r"src/numpy\.py"),
    "release record gone": (lambda b: (b / "src/release.json").unlink(), r"release\.json is miss"),
    "list of files gone": (lambda b: (b / "src/files.json").unlink(), r"files\.json lists no"),
    "changed threshold, all written anew": (_other_threshold, ""),
    "compiled code beside": (_compiled_beside, ""),
}


@pytest.fixture(scope="module")
def releases(bento: ReleasedBento, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger that released the bento."""
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    ledger.append(
        event="released", workflow="credit", version="7", bento=bento.tag,
        bento_digest=bento.digest,
    )  # fmt: skip
    return ledger


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_on_a_released_bento(
    bento: ReleasedBento, releases: Ledger, tmp_path: Path, attack: str
) -> None:
    """The ledger finds each; the service itself each that leaves its own code and list alone."""
    change, message = ATTACKS[attack]
    folder = tmp_path / "credit" / bento.path.name
    shutil.copytree(bento.path, folder, ignore=shutil.ignore_patterns("__pycache__"))
    package, release = folder / "src/package", folder / "src/release.json"
    assert released_package(package=package, release=release)[1]["bento_digest"] == bento.digest
    assert f"credit 7, digest {bento.digest}, ledger entry 1" in check_bento(folder, releases)
    change(folder)
    if message:
        with pytest.raises(PackageError, match=message):
            released_package(package=package, release=release)
    if attack == "list of files gone":  # it follows from the others, which are all there
        return
    with pytest.raises(ReleaseError, match=r"(no release in the ledger|compiled code).*Do not"):
        check_bento(folder, releases)


def test_the_digest_is_of_the_sorted_paths_and_contents(bento: ReleasedBento) -> None:
    lines = []
    for path in bento.path.rglob("*"):
        name = path.relative_to(bento.path).as_posix()
        if path.is_file() and "__pycache__" not in name and name != "src/files.json":
            lines.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    assert hashlib.sha256("".join(sorted(lines)).encode()).hexdigest() == bento.digest


def test_a_folder_that_is_no_bento_is_named(tmp_path: Path, releases: Ledger) -> None:
    with pytest.raises(PackageError, match=r"is no bento.*bento\.yaml"):
        check_bento(tmp_path, releases)

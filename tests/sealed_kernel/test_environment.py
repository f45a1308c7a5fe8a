"""The real environment against the real lock, and against planted differences.

That every installed file is as its RECORD says is shown where a kernel looks (test_kernel.py).
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealed_kernel import environment
from sealed_kernel.environment import Problem, compare
from tests.sealed_kernel.distributions import distribution

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"


@pytest.fixture
def copied_lock(tmp_path: Path) -> Path:
    """A copy of the lock, to be changed."""
    copy = tmp_path / "requirements.lock"
    copy.write_bytes(LOCK.read_bytes())
    return copy


def change(lock: Path, old: str, new: str) -> None:
    text = lock.read_text("utf-8")
    assert re.search(old, text, re.MULTILINE), old
    lock.write_text(re.sub(old, new, text, count=1, flags=re.MULTILINE), "utf-8")


def test_this_environment_is_the_locked_one() -> None:
    report = compare(LOCK)
    assert report.problems == ()
    assert report.matches is True
    assert report.lock_sha256 == hashlib.sha256(LOCK.read_bytes()).hexdigest()
    assert report.summary() == f"as locked ({report.lock_sha256[:8]})"


def test_a_planted_version_is_named_with_both_versions(copied_lock: Path) -> None:
    change(copied_lock, r"^numpy==(\S+)", "numpy==1.0.0")
    report = compare(copied_lock)
    there = environment.installed()["numpy"].version
    assert report.problems == (Problem("numpy", "version", "1.0.0", there),)
    assert report.matches is False
    assert report.summary() == f"numpy is {there}, the lock has 1.0.0"
    assert report.lock_sha256 != compare(LOCK).lock_sha256
    assert report.distributions_sha256 == compare(LOCK).distributions_sha256


def test_a_missing_and_an_extra_distribution_are_named(copied_lock: Path) -> None:
    change(copied_lock, r"^papermill==", "papermull==")
    kinds = {(p.name, p.kind) for p in compare(copied_lock).problems}
    assert kinds == {("papermill", "extra"), ("papermull", "missing")}


def test_what_is_installed_and_not_locked_is_a_difference(copied_lock: Path) -> None:
    text = copied_lock.read_text()
    start = text.index("\npapermill==") + 1
    rest = text[start:]
    end = next(i for i, line in enumerate(rest.split("\n")) if i and line[:1] not in (" ", "\t"))
    copied_lock.write_text(text[:start] + "\n".join(rest.split("\n")[end:]))
    report = compare(copied_lock)
    assert [(p.name, p.kind) for p in report.problems] == [("papermill", "extra")]
    assert report.matches is False


def test_markers_of_other_platforms_and_pythons_do_not_count(copied_lock: Path) -> None:
    with copied_lock.open("a") as file:
        file.write("onlythere==1.0 ; sys_platform == 'nowhere' \\\n    --hash=sha256:00\n")
        file.write("onlyhere==1.0 ; python_full_version >= '3.11' \\\n    --hash=sha256:00\n")
        file.write("bare==2.0 ; python_full_version >= '3.11'\n")
    missing = {p.name for p in compare(copied_lock).problems}
    assert missing == {"onlyhere", "bare"}


def test_without_a_lock_it_neither_matches_nor_differs(tmp_path: Path) -> None:
    report = compare(tmp_path / "requirements.lock")
    assert report.lock_sha256 is None
    assert report.matches is None
    assert report.problems == ()
    assert len(report.distributions_sha256) == 64


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with two distributions, and a lock beside it that has them."""
    site = tmp_path / "site"
    distribution(site, "one", "1.0")
    distribution(site, "Two_Parts.x", "2.0")
    (tmp_path / "requirements.lock").write_text("one==1.0.0\ntwo-parts-x==2.0\n")
    return site


def test_names_and_versions_compare_as_indexes_do(site: Path) -> None:
    assert compare(site.parent / "requirements.lock", paths=[str(site)]).problems == ()


def test_a_changed_and_a_removed_file_are_found_on_demand_only(site: Path) -> None:
    lock, paths = site.parent / "requirements.lock", [str(site)]
    sound = compare(lock, hashes=True, paths=paths)
    assert sound.problems == ()
    (site / "one/__init__.py").write_text("x = 2\n")
    (site / "Two_Parts.x/__init__.py").unlink()
    assert compare(lock, paths=paths).problems == ()
    report = compare(lock, hashes=True, paths=paths)
    assert [(p.name, p.kind, p.files) for p in report.problems] == [
        ("one", "changed", ("one/__init__.py",)),
        ("two-parts-x", "changed", ("Two_Parts.x/__init__.py",)),
    ]
    assert "one 1.0 was changed after it was installed: one/__init__.py" in report.summary()
    # the digest is of what was installed: a change of it needs a changed RECORD
    assert report.records_sha256 == sound.records_sha256
    assert sound.records_sha256 is not None


def test_records_have_one_digest_whoever_installed_them_and_where(tmp_path: Path) -> None:
    digests = set()
    for place, notes in (("a", "INSTALLER,sha256=AA,2"), ("deep/b", "uv_cache.json,sha256=BB,2")):
        site = tmp_path / place
        distribution(site, "one", "1.0")
        record = site / "one-1.0.dist-info/RECORD"
        record.write_text(
            f"{record.read_text()}one-1.0.dist-info/{notes}\n../../bin/one,sha256={place},9\n"
        )
        lock = tmp_path / "requirements.lock"
        lock.write_text("one==1.0\n")
        digests.add(compare(lock, hashes=True, paths=[str(site)]).records_sha256)
    assert len(digests) == 1


def test_a_distribution_without_record_cannot_be_vouched_for(site: Path) -> None:
    (site / "one-1.0.dist-info/RECORD").unlink()
    report = compare(site.parent / "requirements.lock", hashes=True, paths=[str(site)])
    assert Problem("one", "changed", "1.0", "1.0", ("it has no RECORD",)) in report.problems


def test_files_of_no_distribution_are_named_bytecode_is_not(site: Path) -> None:
    lock, paths = site.parent / "requirements.lock", [str(site)]
    (site / "one/__pycache__").mkdir()
    (site / "one/__pycache__/__init__.cpython-311.pyc").write_bytes(b"x")
    assert compare(lock, hashes=True, paths=paths).problems == ()
    (site / "sitecustomize.py").write_text("import random; random.random = lambda: 4\n")
    (site / "one/deep").mkdir()
    (site / "one/deep/evil.py").write_text("")
    assert compare(lock, paths=paths).matches is True
    report = compare(lock, hashes=True, paths=paths)
    said = "installed, but part of no package: one/deep/evil.py, sitecustomize.py"
    assert report.summary() == said


def test_two_versions_in_one_folder_are_no_version(site: Path) -> None:
    (site / "one-3.0.dist-info").mkdir()
    report = compare(site.parent / "requirements.lock", paths=[str(site)])
    assert report.summary() == "one is 1.0 and 3.0, the lock has 1.0.0"


def test_the_folder_that_python_looks_in_first_wins(site: Path, tmp_path: Path) -> None:
    distribution(tmp_path / "first", "one", "9.0")
    paths = [str(tmp_path / "first"), str(site), str(tmp_path / "no-folder")]
    assert environment.installed(paths)["one"].version == "9.0"
    assert compare(tmp_path / "requirements.lock", paths=paths).matches is False


def test_the_project_itself_and_installers_are_no_extras(site: Path) -> None:
    lock = site.parent / "requirements.lock"
    before = compare(lock, paths=[str(site)])
    for name in ("fin_kedro-0.1.0", "pip-23.2", "setuptools-1.0"):
        (site / f"{name}.dist-info").mkdir()
    after = compare(lock, paths=[str(site)])
    assert after.problems == ()
    assert after.distributions_sha256 == before.distributions_sha256


def test_it_agrees_with_python_s_own_list() -> None:
    from importlib import metadata

    own = {environment.canonical(d.name): d.version for d in metadata.distributions()}
    assert {name: found.version for name, found in environment.installed(sys.path).items()} == own


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}([-_.][a-z0-9]{1,5})?", fullmatch=True)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}", fullmatch=True)))
def test_every_entry_of_any_lock_is_read(entries: dict[str, str]) -> None:
    text = "# made by hand\n" + "".join(
        f"{name}=={version} \\\n    --hash=sha256:{'0' * 64}\n    # via x\n"
        for name, version in entries.items()
    )
    assert environment.locked(text) == {environment.canonical(n): v for n, v in entries.items()}


def test_the_command_names_what_differs_and_fails(
    copied_lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert environment.main([str(LOCK)]) == 0
    assert capsys.readouterr().out.startswith("as locked (")
    change(copied_lock, r"^numpy==(\S+)", "numpy==1.0.0")
    assert environment.main([str(copied_lock)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("numpy is ") and said[1].startswith("Next: ")
    assert environment.main([str(copied_lock.parent / "none.lock")]) == 1
    assert "No lock at" in capsys.readouterr().out


def test_the_lock_is_the_one_named_else_the_project_s_else_this_checkout_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIN_KEDRO_LOCK", raising=False)
    deep = tmp_path / "project/notebooks/deep"
    deep.mkdir(parents=True)
    (tmp_path / "project/pyproject.toml").write_text("[tool.kedro]\n")
    (deep.parent / "pyproject.toml").write_text("[tool.other]\n")
    root = environment.project_root(deep)
    assert root == tmp_path / "project"
    assert environment.project_root(tmp_path) is None
    assert environment.find_lock(root) == LOCK == environment.find_lock(None)
    (root / "requirements.lock").write_text("")
    assert environment.find_lock(root) == root / "requirements.lock"
    monkeypatch.setenv("FIN_KEDRO_LOCK", "elsewhere.lock")
    assert environment.find_lock(root) == Path("elsewhere.lock")

"""What was found in a source is found again by its content, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fin_kedro.seals.modules import Sources
from fin_kedro.seals.source_cache import SourceCache


def package(src: Path, text: str = "import fin_kedro.b\n") -> Path:
    (src / "fin_kedro").mkdir(parents=True, exist_ok=True)
    for name, content in (("__init__", ""), ("a", text), ("b", "B = 1\n"), ("c", "C = 1\n")):
        (src / f"fin_kedro/{name}.py").write_text(content)
    return src


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the sources that are read from now on."""
    keys: list[str] = []
    keep = SourceCache.put

    def noted(cache: SourceCache, key: str, found: Any) -> None:
        keys.append(key)
        keep(cache, key, found)

    monkeypatch.setattr(SourceCache, "put", noted)
    return keys


def test_a_source_is_read_once_and_again_when_it_changed(tmp_path: Path, put: list[str]) -> None:
    first = Sources(package(tmp_path)).closure("fin_kedro.a")
    assert len(put) == len(first) == 3
    assert Sources(tmp_path).closure("fin_kedro.a") == first
    assert len(put) == 3
    package(tmp_path, "import fin_kedro.c\n")
    found = Sources(tmp_path).closure("fin_kedro.a")
    assert set(found) == {"fin_kedro", "fin_kedro.a", "fin_kedro.c"}
    assert len(put) == 5


def test_a_file_that_appears_beside_a_module_is_seen(tmp_path: Path) -> None:
    src = package(tmp_path, 'STYLE = "pages"\n')
    Sources(src).closure("fin_kedro.a")
    (src / "fin_kedro/pages").mkdir()
    (src / "fin_kedro/pages/x.css").write_text("a {}")
    assert "fin_kedro/pages/x.css" in Sources(src).closure("fin_kedro.a")


@pytest.mark.parametrize("broken", ["", "{", "[]", "[1]"])
def test_a_broken_cache_is_made_anew(tmp_path: Path, broken: str) -> None:
    first = Sources(package(tmp_path)).closure("fin_kedro.a")
    path = tmp_path / "fin_kedro/__pycache__/sources.json"
    path.write_text(broken)
    assert Sources(tmp_path).closure("fin_kedro.a") == first


def test_a_folder_that_may_not_be_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("no folder")
    cache = SourceCache(tmp_path)
    cache.put("k", [1])
    cache.save()
    assert cache.get("k") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["__pycache__"]

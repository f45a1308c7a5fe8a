"""What tests need: a plain reason where it is missing, a failure where it must be there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests import needs

DEAD = "redis://127.0.0.1:1/9"  # nobody listens on this port


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing was looked for yet, nothing is required, and no Redis runs on the machine."""
    monkeypatch.delenv(needs.REQUIRE, raising=False)
    monkeypatch.delenv(needs.NAMED, raising=False)
    monkeypatch.setattr(needs, "USUAL", DEAD)
    monkeypatch.setattr(needs, "_stack", contextlib.ExitStack())
    needs.redis_url.cache_clear()
    yield monkeypatch
    needs.stop()


def without_programs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))


def test_what_is_missing_is_a_reason_to_skip(afresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_programs(afresh, tmp_path)
    with pytest.raises(pytest.skip.Exception, match="no `java` on the PATH; install a Java"):
        needs.java()
    with pytest.raises(pytest.skip.Exception, match="no `redis-server`.*install a Redis server"):
        needs.redis_url()


def test_what_is_required_and_missing_is_a_failure(
    afresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_programs(afresh, tmp_path)
    afresh.setenv(needs.REQUIRE, "java, redis")
    with pytest.raises(pytest.fail.Exception, match="install a Java runtime.*FIN_KEDRO_REQUIRE"):
        needs.java()
    with pytest.raises(pytest.fail.Exception, match="install a Redis server"):
        needs.redis_url()
    afresh.setenv(needs.REQUIRE, "redis")
    with pytest.raises(pytest.skip.Exception):
        needs.java()


def test_a_requirement_that_nobody_knows_is_a_failure(
    afresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_programs(afresh, tmp_path)
    afresh.setenv(needs.REQUIRE, "rediss")
    with pytest.raises(pytest.fail.Exception, match=r"\['rediss'\]; allowed: java, redis"):
        needs.java()


def test_an_address_that_was_named_is_not_replaced_by_another(
    afresh: pytest.MonkeyPatch,
) -> None:
    afresh.setenv(needs.NAMED, "redis://127.0.0.1:2/9")
    with pytest.raises(pytest.skip.Exception, match=r"no Redis answers at redis://127.0.0.1:2/9"):
        needs.redis_url()


@pytest.mark.skipif(
    not any(Path(p, "redis-server").exists() for p in os.environ["PATH"].split(os.pathsep)),
    reason="`redis-server` is not on the PATH, so none can be started",
)
def test_where_no_redis_answers_one_is_started_and_ended(afresh: pytest.MonkeyPatch) -> None:
    url = needs.redis_url()
    assert url != DEAD and needs.redis_url() == url
    client = redis.Redis.from_url(url)
    assert client.dbsize() == 0 and client.config_get("save") == {"save": ""}
    needs.stop()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


def test_tools_are_found_where_make_tools_puts_them(
    afresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    afresh.setattr(needs, "TOOLS", tmp_path)
    with pytest.raises(pytest.skip.Exception, match=r"build/tools is not there.*\(make tools\)"):
        needs.tools()
    afresh.setenv(needs.REQUIRE, "java,tools")
    with pytest.raises(pytest.fail.Exception, match="does not let this test be skipped"):
        needs.tools()
    libraries = tmp_path / "lib/python3.11/site-packages"
    libraries.mkdir(parents=True)
    (libraries / "over_venv.pth").touch()
    assert needs.tools() == libraries

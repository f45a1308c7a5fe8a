"""The key that signs is there whole or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from unittest import mock

import pytest

from fin_kedro.governance import signing


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_kill_while_the_key_is_made_leaves_no_copy_of_it(tmp_path: Path, step: str) -> None:
    pid = os.fork()
    if pid == 0:
        with mock.patch.object(os, step, die):
            signing.signing_key(tmp_path / "local/key.pem")
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert list((tmp_path / "local").iterdir()) == []
    made = signing.signing_key(tmp_path / "local/key.pem")
    assert (tmp_path / "local/key.pem").stat().st_mode & 0o777 == 0o600
    assert signing.signing_key(tmp_path / "local/key.pem").signer == made.signer


def test_where_files_without_a_name_are_not_known_the_key_is_made_beside_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    signing.signing_key(tmp_path / "key.pem")
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]

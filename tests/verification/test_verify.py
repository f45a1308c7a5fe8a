"""A run that cannot be executed again is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from fin_kedro.seals.seal import make_seal, read_seal
from fin_kedro.verification.comparison import Rules
from fin_kedro.verification.conditions import VerifyError
from fin_kedro.verification.sealed_run import Sealed
from fin_kedro.verification.verify import Verifier
from tests.seals.sealed_house import make_house


def test_a_run_whose_patch_was_withheld_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = make_house(tmp_path)
    found = read_seal(path)
    code = {**found["content"]["code"], "patch_withheld": "conf/base/db.yml shows access key"}
    withheld = make_seal({**found["content"], "code": code}, found["occasion"])
    sealed = Sealed(project=tmp_path, path=path, seal=withheld)
    with (
        Verifier(sealed, rules=Rules()) as verifier,
        pytest.raises(
            VerifyError, match=r"withheld .*db\.yml shows access key.*from its seal alone"
        ),
    ):
        verifier.verify()

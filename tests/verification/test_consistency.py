"""Seals that contradict themselves, or name places outside the project."""

from __future__ import annotations

from typing import Any

import pytest

from fin_kedro.seals.seal import SealError
from fin_kedro.storage.canonical import json_hash
from fin_kedro.verification.consistency import check_consistent, check_places


def consistent() -> dict[str, Any]:
    step = {"read": {"params:model": json_hash({"depth": 4})}, "written": {"out": "h"}}
    return {
        "kind": "pipeline", "parameters": {"model": {"depth": 4}}, "steps": {"fit": step},
        "data": {"written": {"out": "h"}},
    }  # fmt: skip


def test_a_seal_that_contradicts_itself_is_refused() -> None:
    check_consistent(consistent())
    other = consistent()
    other["parameters"]["model"]["depth"] = 5
    with pytest.raises(SealError, match="fit read another parameter 'model'"):
        check_consistent(other)
    other = consistent()
    other["data"]["written"]["out"] = "else"
    with pytest.raises(SealError, match="fit wrote another 'out'"):
        check_consistent(other)


@pytest.mark.parametrize(
    "subject",
    [{"env": "../../victim"}, {"env": ".."}, {"env": "a/b"}, {"notebook": "../n.ipynb"},
     {"notebook": "/etc/n.ipynb"}],
)  # fmt: skip
def test_a_seal_that_names_places_outside_the_project_is_refused(subject: dict[str, Any]) -> None:
    check_places({"env": "ci", "notebook": "notebooks/a.ipynb"})
    check_places({"env": None})
    with pytest.raises(SealError, match="The seal was edited"):
        check_places(subject)

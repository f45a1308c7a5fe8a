"""Surroundings: what is recorded of libraries, processor and threads, and that it is the truth."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.seals.surroundings import surroundings
from sealed_kernel.fixed import PLACE
from tests.conftest import ROOT

SAY = (
    "import json, sys; from pathlib import Path\n"
    "from fin_kedro.seals.surroundings import hash_seed, surroundings\n"
    "print(json.dumps([surroundings(Path(sys.argv[1])), hash_seed()]))"
)
# what `kedro.init` does first; the rest of it imports MLflow
SETTLED = "import fin_kedro, sealed_kernel.fixed as f; fin_kedro._fix_numbers(); f.settle_place()"
UNSET = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")


def found(project: Path = ROOT, *, before: str = "", **environment: str) -> tuple[Any, str]:
    """What another process says of itself."""
    inherited = {k: v for k, v in os.environ.items() if k not in UNSET}
    done = subprocess.run(
        [sys.executable, "-c", f"{before}\n{SAY}", str(project)],
        env={**inherited, "PYTHONPATH": str(ROOT / "src"), **environment},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    environment_found, seed = json.loads(done.stdout.splitlines()[-1])
    return environment_found, seed


def test_the_lock_and_the_interpreter_are_named() -> None:
    environment = surroundings(ROOT)
    lock = (ROOT / "requirements.lock").read_bytes()
    assert environment["lock"] == hashlib.sha256(lock).hexdigest()
    assert environment["matches_lock"] in (True, False)
    assert environment["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["platform"]["machine"] and environment["cpu"]["features"]


def test_without_a_lock_nothing_is_said_to_match(tmp_path: Path) -> None:
    environment = surroundings(tmp_path)
    assert environment["lock"] is None and environment["matches_lock"] is None


def test_threads_are_those_that_blas_uses() -> None:
    one, two = (found(OPENBLAS_NUM_THREADS=count)[0] for count in ("1", "2"))
    assert one["threads"] == {
        "OMP_NUM_THREADS": None, "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": None, "used": 1,
    }  # fmt: skip
    assert two["threads"]["OPENBLAS_NUM_THREADS"] == "2"
    assert {key for key in one if one[key] != two[key]} == {"threads"}


def test_another_hash_seed_changes_nothing_but_the_occasion() -> None:
    (one, seed_one), (two, seed_two) = found(PYTHONHASHSEED="0"), found(PYTHONHASHSEED="17")
    assert one == two
    assert (seed_one, seed_two) == ("0", "17")
    assert one["seeds"] == {"random": None, "numpy": None, "hash": None}  # of nodes: parameters


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the names are of that family only")
def test_a_run_settles_its_numbers_before_numpy_is_there() -> None:
    shell = {"TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8", "SOURCE_DATE_EPOCH": "1"}
    settled, _ = found(before=f"{SETTLED}; import time; assert time.timezone == 0", **shell)
    assert {name: settled["fixed"][name] for name in shell} == {name: PLACE[name] for name in shell}
    assert settled["blas"][0]["core"] == "Haswell"
    assert not {"AVX512_ICL", "AVX512_SPR", "X86_V4"} & set(settled["cpu"]["features"])
    assert settled["threads"]["used"] == 1


def test_what_a_person_has_set_stays_and_what_came_too_late_is_not_claimed() -> None:
    own, _ = found(before=SETTLED, OPENBLAS_NUM_THREADS="2")
    assert own["threads"]["OPENBLAS_NUM_THREADS"] == "2"
    # another core than the one that is fixed, whatever this machine would choose by itself
    other = "import os; os.environ['OPENBLAS_CORETYPE'] = 'Nehalem'; import numpy"
    late, _ = found(before=f"{other}; del os.environ['OPENBLAS_CORETYPE']; {SETTLED}")
    assert late["fixed"]["OPENBLAS_CORETYPE"] is None

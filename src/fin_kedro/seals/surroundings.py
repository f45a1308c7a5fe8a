"""The surroundings of a run: libraries against the lock, Python, platform, processor, threads."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from sealed_kernel.environment import compare
from sealed_kernel.fixed import (
    FIXED_ENVIRONMENT,
    HASH_SEED,
    NO_TELEMETRY,
    THREADS,
    settled_seed,
)

LOCK = "requirements.lock"


def surroundings(project: Path) -> dict[str, Any]:
    """Return a seal's part ``environment``, as it is in this process now.

    It imports NumPy, whose processor features and BLAS are the ones that count.

    Args:
        project: the folder with requirements.lock; without one, ``matches_lock`` is None.
    """
    numeric = numeric_libraries()
    variables = {name: os.environ.get(name) for name in THREADS}
    fixed = set(FIXED_ENVIRONMENT) - set(NO_TELEMETRY) - set(THREADS) - {HASH_SEED}
    return {
        **_distributions(Path(project) / LOCK),
        "python": {
            "implementation": platform.python_implementation(),
            "version": platform.python_version(),
            "build": " ".join(platform.python_build()),
        },
        "platform": {
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip(),
        },
        "cpu": {"features": numeric["features"]},
        "blas": numeric["blas"],
        "threads": {**variables, "used": numeric["threads"]},
        "fixed": {name: os.environ.get(name) for name in sorted(fixed)},
        "seeds": seeds(settled_seed()),
    }


def seeds(seed: int | None) -> dict[str, Any]:
    """Seeds of a process: of `random` and of NumPy's global generators, and of hashes.

    A kernel is given ``seed`` for both, and a fixed hash seed. A pipeline's nodes take their seeds
    from parameters, which a seal has anyway, and the global generators have none: None. Its hash
    seed is the occasion's: runs that differ in it must give the same, and a test holds them to it.
    """
    given = None if seed is None else os.environ.get(HASH_SEED)
    return {"random": seed, "numpy": seed, "hash": given}


@cache
def _distributions(lock: Path) -> dict[str, Any]:
    """What is installed does not change while a process runs."""
    report = compare(lock)
    return {
        "lock": report.lock_sha256,
        "matches_lock": report.matches,
        "distributions": report.distributions_sha256,
    }


def numeric_libraries() -> dict[str, Any]:
    """Processor features that NumPy uses, its BLAS with core type, and that BLAS's threads.

    Other copies of BLAS (SciPy brings its own) obey the same variables; which of them are loaded
    depends on what else the process has imported, so they are not named.
    """
    from numpy._core._multiarray_umath import __cpu_features__
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if "numpy" in Path(pool["filepath"]).parent.name] or pools
    described = {
        (pool["internal_api"], pool["version"] or "", pool.get("architecture") or "")
        for pool in own
    }
    return {
        "features": sorted(name for name, used in __cpu_features__.items() if used),
        "blas": [
            {"library": library, "version": version, "core": core}
            for library, version, core in sorted(described)
        ],
        "threads": max((pool["num_threads"] for pool in own), default=1),
    }


def hash_seed() -> str:
    """The seed of hashes that this interpreter started with: a number, or ``random``."""
    return os.environ.get(HASH_SEED, "random") if sys.flags.hash_randomization else "0"

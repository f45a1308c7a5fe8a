"""Fixed conditions of a process: what would otherwise make two runs differ.

Two halves. `fixed_environment` is what a process must find when it starts: hash seed, numeric
threads, CPU features, locale, time zone, telemetry off. `settle_process` is what it does to
itself: random seeds and the salts of pictures, applied to a library when it is imported, so that
nothing is imported for it.
"""

from __future__ import annotations

import locale
import os
import platform
import random
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, ClassVar

SEED = 0
SALT = "fin-kedro"  # of the ids in SVG files

# sums of BLAS and OpenMP depend on how many threads share them
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# exp, log, tanh and matrix products depend on the processor's class: one that all of them have
PROCESSOR = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
if platform.machine().lower() not in ("x86_64", "amd64"):
    PROCESSOR = {}  # the names are of that family only
HASH_SEED = "PYTHONHASHSEED"
PLACE = {
    HASH_SEED: "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    # 1 January 1980: the date in pictures and archives; zip files know no earlier one
    "SOURCE_DATE_EPOCH": "315532800",
}
NO_TELEMETRY = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "ORT_DISABLE_TELEMETRY": "1",
}
FIXED_ENVIRONMENT: dict[str, str] = {
    **PLACE,
    **dict.fromkeys(THREADS, "1"),
    **PROCESSOR,
    **NO_TELEMETRY,
}
# a kernel draws into its cells; a pipeline run has no place to draw
KERNEL_ONLY = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
THREADS_ASKED = "FIN_KEDRO_THREADS"
ENDED = "FIN_KEDRO_ENDED"  # the file by which a kernel says that the notebook's code has ended
STARTED, ENDED_WELL = (
    "started",
    "ended",
)  # what it says; exit handlers that failed follow, a line each


def fixed_environment(*, threads: int | None = None, kernel: bool = False) -> dict[str, str]:
    """Variables for a process that is to be started, to be put over its parent's.

    `threads`: of BLAS and OpenMP; None takes `FIN_KEDRO_THREADS`, else 1. `kernel`: with the
    backend that draws into cells. Raises ValueError for a thread count below 1.
    """
    count = asked_threads() if threads is None else threads
    if count < 1:
        raise ValueError(f"threads is {count}; it must be 1 or more.")
    numeric = dict.fromkeys(THREADS, str(count))
    return {**FIXED_ENVIRONMENT, **numeric, **(KERNEL_ONLY if kernel else {})}


def asked_threads() -> int:
    """Threads of BLAS and OpenMP that `FIN_KEDRO_THREADS` asks for; 1 without it."""
    text = os.environ.get(THREADS_ASKED, "1")
    if not text.isdecimal():
        raise ValueError(f"{THREADS_ASKED} is {text!r}; it must be a whole number, 1 or more.")
    return int(text)


def settle_environment(*, overrule: bool = True, kernel: bool = False) -> dict[str, str]:
    """Put the fixed variables into this process; what was changed, by name.

    Numeric libraries read theirs when they are first imported, so call this before. The hash
    seed counts only for processes started from here: Python reads it once, at its start.
    `overrule=False` leaves what somebody has set.
    """
    wanted = fixed_environment(kernel=kernel)
    changed = {
        name: value
        for name, value in wanted.items()
        if os.environ.get(name) != value and (overrule or name not in os.environ)
    }
    os.environ.update(changed)
    _follow_environment()
    return changed


def settle_place() -> None:
    """Put time zone, locale and the date in pictures into this process, whatever was set before.

    The hash seed is left out: Python reads it once, at its start.
    """
    os.environ.update({n: value for n, value in PLACE.items() if n != HASH_SEED})
    _follow_environment()


def _follow_environment() -> None:
    """Make the C library look at TZ and LC_ALL again."""
    if hasattr(time, "tzset"):
        time.tzset()
    with suppress(locale.Error):  # a system may not have this locale; then its own stays
        locale.setlocale(locale.LC_ALL, "")


def departures(environment: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Fixed variables that this process was not given as fixed: name to value found.

    For the hash seed it looks at the interpreter, as the variable may have come too late.
    """
    found = os.environ if environment is None else environment
    wrong = {
        name: found.get(name)
        for name, value in FIXED_ENVIRONMENT.items()
        if name not in NO_TELEMETRY and found.get(name) != value
    }
    if environment is None and sys.flags.hash_randomization and HASH_SEED not in wrong:
        wrong[HASH_SEED] = None
    return wrong


def settle_process(seed: int = SEED) -> None:
    """Seed `random` and NumPy's global generator, salt SVG, forget the user's plot style.

    Libraries that are not imported yet are settled when they are; nothing is imported here.
    `numpy.random.default_rng()` without a seed stays random: no library offers a way to fix it.
    """
    random.seed(seed)
    _Settler.seed = seed
    _Settler.actions = {
        "numpy.random": lambda module: module.seed(seed),
        "matplotlib": _settle_matplotlib,
    }
    for name, action in _Settler.actions.items():
        if name in sys.modules:
            action(sys.modules[name])
    if not any(isinstance(finder, _Settler) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Settler())


def settled_seed() -> int | None:
    """What `settle_process` gave this process's global generators; None where it was not called."""
    return _Settler.seed


def _settle_matplotlib(matplotlib: Any) -> None:
    matplotlib.rcdefaults()  # a matplotlibrc in somebody's home would change every picture
    matplotlib.rcParams["svg.hashsalt"] = SALT


class _Settler(MetaPathFinder):
    """Lets Python import as ever, and settles a module as soon as it is there."""

    actions: ClassVar[dict[str, Callable[[Any], None]]] = {}
    seed: ClassVar[int | None] = None

    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Python's own spec, its loader followed by the action; None for any other module."""
        action = self.actions.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if action else None
        if action is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_settle(module: ModuleType) -> None:
            load(module)
            action(module)

        spec.loader.exec_module = load_and_settle  # type: ignore[method-assign]
        return spec

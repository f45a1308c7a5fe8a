"""One unit of work, to say on any machine what something costs; docs/decisions/ci-cost.md.

    python .ci/unit.py [REPORT]      prints processor seconds of a unit here; JSON into REPORT

A fixed mixture of what a run is made of (imports, hashing, sorting, a small CatBoost training on
one thread) and nothing of this project, so that it does not move with it. Made once to cost what
`kedro run --env ci` cost on 30 Nov 2026; never tuned again. PART of it is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

PART = 10  # a tenth is executed, and counted tenfold
# Interpreters that import libraries, megabytes hashed, records sorted, trees trained.
IMPORTS, MEGABYTES, RECORDS, TREES = 1, 500, 300_000, 60
LIBRARIES = "import numpy, pandas, scipy.stats, sklearn.linear_model, catboost"
ALONE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


def imports() -> None:
    """Interpreters that do nothing but import."""
    for _ in range(IMPORTS):
        subprocess.run([sys.executable, "-c", LIBRARIES], check=True)


def hashing() -> None:
    """One block, again and again."""
    block, digest = bytes(range(256)) * 4096, hashlib.sha256()
    for _ in range(MEGABYTES):
        digest.update(block)


def sorting() -> None:
    """Plain Python over plain objects: make, sort, group."""
    chance = random.Random(7)  # noqa: S311
    records = [(chance.randrange(1000), chance.random(), str(n)) for n in range(RECORDS)]
    records.sort(key=lambda record: (record[0], record[1]))
    groups: dict[int, float] = {}
    for key, value, text in records:
        groups[key] = groups.get(key, 0.0) + value * len(text)


def training() -> None:
    """CatBoost on 4,000 rows of 20 columns, one of them nominal."""
    import numpy as np
    import pandas as pd
    from catboost import CatBoostClassifier

    chance = np.random.default_rng(7)
    x = pd.DataFrame(chance.normal(size=(4_000, 20)))
    x[0] = pd.Series(chance.integers(0, 50, len(x))).astype(str)
    y = (x[1] + x[2] * x[3] + chance.normal(size=len(x)) > 0).astype(int)
    model = CatBoostClassifier(
        iterations=TREES, depth=6, thread_count=1, random_seed=7, verbose=0,
        allow_writing_files=False, cat_features=[0],
    )  # fmt: skip
    model.fit(x, y)


def used() -> float:
    """Processor seconds of this process and of those it has waited for."""
    return sum(os.times()[:4])


def measure() -> tuple[float, dict[str, float]]:
    """Processor seconds of a whole unit, and what each part of it took."""
    parts, before = {}, used()
    for part in (imports, hashing, sorting, training):
        part()
        parts[part.__name__], before = round((used() - before) * PART, 2), used()
    return round(used() * PART, 2), parts


def main(arguments: list[str]) -> int:
    if os.environ.get("FIN_KEDRO_UNIT") != "1":  # threads and hash seed are read at the start
        environment = {**os.environ, **ALONE, "FIN_KEDRO_UNIT": "1"}
        os.execve(sys.executable, [sys.executable, __file__, *arguments], environment)  # noqa: S606
    seconds, parts = measure()
    if arguments:
        found = {"seconds": seconds, "parts": parts}
        Path(arguments[0]).write_text(json.dumps(found) + "\n", "utf-8")
    else:
        said = ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
        print(f"a unit is {seconds:.1f} processor seconds here ({said})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The libraries that execute a sealed run again, against the sealed ones and the project's lock."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.verification import rerun
from fin_kedro.verification.conditions import VerifyError, World
from fin_kedro.verification.sealed_run import Sealed

CHECK = """
import json, sys
from pathlib import Path
from sealed_kernel.environment import compare
found = compare(Path(sys.argv[1]))
print(json.dumps({"matches": found.matches, "summary": found.summary(), "lock": found.lock_sha256,
                  "distributions": found.distributions_sha256, "libraries": found.libraries}))
"""


def compare_environment(sealed: Sealed, world: World) -> dict[str, Any]:
    """The distributions of a world's interpreter against the project's lock and the sealed ones.

    ``as_sealed`` says whether they are the sealed ones; the rest is what `CHECK` prints. Raises
    VerifyError when that interpreter cannot run the project.
    """
    command = [world.interpreter, "-c", CHECK, str(sealed.project / "requirements.lock")]
    own = Path(rerun.__file__).parents[2]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(own)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise VerifyError(f"{command[0]} cannot run this project: {last}")
    found: dict[str, Any] = json.loads(done.stdout)
    stated = sealed.content["environment"]
    found["as_sealed"] = found["distributions"] == stated.get("distributions")
    return found


def environment_words(found: Mapping[str, Any]) -> str:
    """One line about what `compare_environment` found."""
    if found["as_sealed"]:
        return "the same libraries as in the seal"
    return f"other libraries than in the seal: {found['summary']}"


def name_libraries(
    details: tuple[str, ...], sealed: Sealed, found: Mapping[str, Any]
) -> tuple[str, ...]:
    """The details of a cause with the libraries that differ, which a digest hides."""
    libraries, now = sealed.occasion.get("libraries"), found["libraries"]
    if libraries is None:  # an old seal, or a notebook's: the lock as it is may still say which
        more = [] if found["matches"] else [found["summary"]]
        return (*details, *more)
    changed = [
        f"{name}: {libraries.get(name, 'not there')} became {now.get(name, 'not there')}"
        for name in sorted({*libraries, *now})
        if libraries.get(name) != now.get(name)
    ]
    return (*changed, *(d for d in details if d != "distributions" or not changed))

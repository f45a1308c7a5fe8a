"""Run a kedro command that dies, as by `kill -9`, in front of its n-th step in a folder.

python dying.py N FOLDER run --env ci ...
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

STEPS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "sqlite3.connect"}


def die_at(kill_at: int, folder: str) -> None:
    """Count the steps this process takes in a folder, and kill it in front of one."""
    seen = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in STEPS and any(folder in str(argument) for argument in arguments):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


if __name__ == "__main__":
    die_at(int(sys.argv[1]), sys.argv[2])
    sys.argv = ["kedro", *sys.argv[3:]]
    from kedro.framework.cli import main

    main()

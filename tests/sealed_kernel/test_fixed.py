"""Fixed conditions hold in real processes, whatever the caller's environment says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sealed_kernel import fixed

SRC = str(Path(fixed.__file__).parents[1])
HOSTILE = {
    "PYTHONHASHSEED": "17",
    "TZ": "Asia/Tokyo",
    "LC_ALL": "C",
    "OMP_NUM_THREADS": "8",
    "DO_NOT_TRACK": "0",
    "MPLBACKEND": "svg",
}


def run(code: str, environment: dict[str, str]) -> str:
    """Standard output of a fresh interpreter that runs `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": SRC, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


SETTLED = """
import json, sys
from sealed_kernel import fixed
fixed.settle_environment(kernel=True); fixed.settle_process()
assert "numpy" not in sys.modules and "matplotlib" not in sys.modules
import io, os, random, time
import numpy as np, matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
file = io.StringIO()
plt.plot([1, 3, 2]); plt.title("a picture"); plt.savefig(file, format="svg")
names = ("TZ", "OMP_NUM_THREADS", "DO_NOT_TRACK", "MPLBACKEND")
print(json.dumps({
    "random": random.random(), "numpy": np.random.rand(), "zone": time.tzname,
    "hour": time.localtime(0).tm_hour, "svg": file.getvalue(),
    "set": [os.environ[name] for name in names],
}))
"""


def test_two_processes_of_hostile_environments_draw_and_roll_alike() -> None:
    one, other = run(SETTLED, HOSTILE), run(SETTLED, {"PYTHONHASHSEED": "3", "TZ": "UTC"})
    assert one == other
    found = json.loads(one)
    assert found["zone"] == ["UTC", "UTC"] and found["hour"] == 0
    assert found["set"] == ["UTC", "1", "true", "module://matplotlib_inline.backend_inline"]
    assert "1980-01-01" in found["svg"]


def test_a_user_s_plot_style_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 9\n")
    code = """
from sealed_kernel import fixed
fixed.settle_process()
import matplotlib
print(matplotlib.rcParams["lines.linewidth"])
"""
    style = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    assert run("import matplotlib as m; print(m.rcParams['lines.linewidth'])", style) == "9.0\n"
    assert run(code, style) == "1.5\n"


def test_a_library_that_is_there_already_is_settled_at_once() -> None:
    code = """
import numpy as np
np.random.rand(5)
from sealed_kernel import fixed
fixed.settle_process(); a = np.random.rand()
fixed.settle_process(); print(a == np.random.rand())
"""
    assert run(code, {}) == "True\n"


def test_a_started_process_hashes_strings_as_every_other() -> None:
    environment = fixed.fixed_environment()
    code = "from sealed_kernel import fixed; print(hash('a'), fixed.departures())"
    answers = {run(code, {**HOSTILE, **environment}) for _ in range(2)}
    assert len(answers) == 1
    assert answers.pop().endswith("{}\n")


def test_departures_name_what_is_not_fixed() -> None:
    environment = {**fixed.FIXED_ENVIRONMENT, "TZ": "Asia/Tokyo"}
    del environment["OMP_NUM_THREADS"]
    assert fixed.departures(environment) == {"TZ": "Asia/Tokyo", "OMP_NUM_THREADS": None}
    late = "from sealed_kernel import fixed; fixed.settle_environment(); print(fixed.departures())"
    assert run(late, {"PYTHONHASHSEED": "random"}) == "{'PYTHONHASHSEED': None}\n"


def test_what_somebody_set_stays_unless_it_is_overruled() -> None:
    code = """
import os
from sealed_kernel import fixed
changed = fixed.settle_environment(overrule=False)
names = "TZ", "MKL_NUM_THREADS"
print(*(os.environ[name] for name in names), *(name in changed for name in names))
"""
    bare = {"TZ": "Asia/Tokyo", "MKL_NUM_THREADS": "1"}
    assert run(code, bare) == "Asia/Tokyo 1 False False\n"


def test_threads_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {fixed.fixed_environment(threads=2)[name] for name in fixed.THREADS} == {"2"}
    monkeypatch.setenv("FIN_KEDRO_THREADS", "3")
    assert {fixed.fixed_environment()[name] for name in fixed.THREADS} == {"3"}


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_a_wrong_thread_count_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIN_KEDRO_THREADS", text)
    with pytest.raises(ValueError, match="1 or more"):
        fixed.fixed_environment()

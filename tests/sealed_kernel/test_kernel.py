"""The sealed kernel, started as every client starts it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from sealed_kernel import honesty
from sealed_kernel.kernel import FILE_CLOCK, KEDRO_NAMES, _tell_ended, asked_for
from tests.sealed_kernel.distributions import distribution
from tests.sealed_kernel.kernels import COLD, ROOT, SPECIFICATION, Kernel, kernel

pytestmark = pytest.mark.usefixtures("forked_kernels")
LOCK = ROOT / "requirements.lock"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel outside any project, shared by tests that leave it as it is."""
    with kernel(tmp_path_factory.mktemp("nowhere")) as running:
        yield running


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A copy of the lock in which one version and one name are changed."""
    text = re.sub(r"^numpy==\S+", "numpy==1.0.0", LOCK.read_text("utf-8"), flags=re.MULTILINE)
    lock = tmp_path / "planted.lock"
    lock.write_text(text + "nosuchthing==3.1 \\\n    --hash=sha256:00\n", "utf-8")
    return lock


def test_the_specification_gives_the_fixed_environment() -> None:
    from sealed_kernel.fixed import fixed_environment

    specification = json.loads((SPECIFICATION / "kernel.json").read_text("utf-8"))
    assert specification["env"] == fixed_environment(threads=1, kernel=True)


def test_the_fingerprint_says_what_the_kernel_stands_on(plain: Kernel) -> None:
    from sealed_kernel.environment import compare

    found, here = plain.info(), compare(LOCK)
    assert found["sealed"] is True and found["refused"] is False
    assert found["lock"] == here.lock_sha256
    assert found["environment"] == here.distributions_sha256
    assert (found["differs"], found["conditions"], found["data"]) == ([], {}, {})
    assert (found["commit"], found["dirty"], found["cells"]) == (None, None, None)
    assert str(ROOT) not in json.dumps(found)


def test_conditions_are_fixed_whatever_the_client_s_are(tmp_path: Path) -> None:
    hostile = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "9", "LC_ALL": "C"}
    code = """
import os, random, time
import numpy as np
print(hash("a"), random.random(), np.random.rand(), time.tzname, os.environ["OMP_NUM_THREADS"])
"""
    texts = set()
    for environment in (hostile, {}):
        with kernel(tmp_path, **environment, **COLD) as running:
            texts.add(running.text(code))
            assert running.info()["sealed"] is True
    assert len(texts) == 1
    assert "('UTC', 'UTC') 1" in texts.pop()


def test_another_thread_count_can_be_asked_for_and_is_said(tmp_path: Path) -> None:
    with kernel(tmp_path, FIN_KEDRO_THREADS="2", **COLD) as running:
        assert running.text("import os; print(os.environ['OPENBLAS_NUM_THREADS'])") == "2\n"
        assert running.info()["sealed"] is False
        assert "OMP_NUM_THREADS is 2" in running.text("%seal")


def test_sealed_with_the_right_environment_it_works(tmp_path: Path) -> None:
    with kernel(tmp_path, FIN_KEDRO_SEALED="1") as running:
        assert running.text("print(1 + 1)") == "2\n"


def test_sealed_in_another_environment_it_answers_each_execution_and_lives(
    tmp_path: Path, planted: Path
) -> None:
    environment = {"FIN_KEDRO_SEALED": "1", "FIN_KEDRO_LOCK": str(planted)}
    with kernel(tmp_path, **environment) as running:
        for _ in range(2):
            reply, seen = running.run("open('made', 'w').close()")
            assert reply["status"] == "error"
            assert reply["ename"] == "EnvironmentDiffersError"
            assert "the lock has 1.0.0" in reply["evalue"]
            assert "nosuchthing 3.1 is not installed" in reply["evalue"]
            assert [kind for kind, _ in seen] == ["error"]
        found = running.info()
        assert found["refused"] is True
        assert len(found["differs"]) == 2
    assert not (tmp_path / "made").exists()


def test_sealed_by_any_word_and_without_a_lock_it_refuses_too(tmp_path: Path) -> None:
    environment = {"FIN_KEDRO_SEALED": "true", "FIN_KEDRO_LOCK": str(tmp_path / "none.lock")}
    with kernel(tmp_path, **environment) as running:
        reply, _ = running.run("1")
        assert "no requirements.lock" in reply["evalue"]


@pytest.mark.slow
def test_sealed_by_hashes_it_refuses_a_changed_file_and_every_other_is_as_installed(
    tmp_path: Path,
) -> None:
    module = distribution(tmp_path / "site", "one", "1.0")
    lock = tmp_path / "with_one.lock"
    lock.write_text(LOCK.read_text("utf-8") + "one==1.0 \\\n    --hash=sha256:00\n", "utf-8")
    module.write_text("x = 'changed'\n")
    path = f"{ROOT / 'src'}:{tmp_path / 'site'}"
    environment = {"PYTHONPATH": path, "FIN_KEDRO_LOCK": str(lock)}
    with kernel(tmp_path, FIN_KEDRO_SEALED="1", **environment) as running:
        assert running.text("import one; print(one.x)") == "changed\n"
    with kernel(tmp_path, FIN_KEDRO_SEALED="hashes", **environment) as running:
        reply, _ = running.run("import one")
        changed = "one 1.0 was changed after it was installed: one/__init__.py"
        assert changed in reply["evalue"]
        assert running.info()["differs"] == [changed]  # of all that is installed here


def test_unsealed_in_another_environment_it_works_and_says_so(
    tmp_path: Path, planted: Path
) -> None:
    with kernel(tmp_path, FIN_KEDRO_LOCK=str(planted)) as running:
        assert running.text("print(1)") == "1\n"
        said = running.text("%seal")
        assert said.startswith("fin-kedro: not sealed: the environment is not the locked one\n")
        assert "the lock has 1.0.0" in said


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernelspec = {"name": "fin-kedro", "display_name": "fin-kedro", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})


NOTE = """
from sealed_kernel import data_log
data_log.note("scores", "2026-11-22T03.34.13.922Z", "ab" * 32, "data/scores.parquet")
"""


def test_stock_papermill_keeps_the_fingerprint_of_the_whole_run(tmp_path: Path) -> None:
    nbformat.write(notebook("x = 1", NOTE, "x + 1"), tmp_path / "in.ipynb")
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(tmp_path / "in.ipynb", out, cwd=str(tmp_path), progress_bar=False)
    executed = nbformat.read(out, as_version=4)
    kept = executed.metadata.language_info.fin_kedro
    assert kept.sealed is True
    loaded = kept.data["scores"]
    assert (loaded.version, loaded.sha256) == ("2026-11-22T03.34.13.922Z", "ab" * 32)
    assert honesty.judge_notebook(executed) == ()
    assert [len(cell.outputs) for cell in executed.cells] == [0, 0, 1]  # no banner
    executed.cells[2].source = "x + 2"
    assert [f.kind for f in honesty.judge_notebook(executed)] == ["edited"]


def test_stock_nbclient_keeps_the_fingerprint_of_the_start(tmp_path: Path) -> None:
    made = notebook("x = 1", "x + 1")
    NotebookClient(made, kernel_name="fin-kedro").execute(cwd=str(tmp_path))
    assert made.metadata.language_info.fin_kedro.sealed is True
    assert honesty.judge_notebook(made) == ()


def test_stock_nbclient_is_stopped_by_a_refusal(
    tmp_path: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIN_KEDRO_SEALED", "1")
    monkeypatch.setenv("FIN_KEDRO_LOCK", str(planted))
    with pytest.raises(CellExecutionError, match="nosuchthing 3.1 is not installed"):
        NotebookClient(notebook("1"), kernel_name="fin-kedro").execute(cwd=str(tmp_path))


def banners(messages: list[Any]) -> list[tuple[str, str]]:
    """Kind and text of each message that carries the banner."""
    return [
        (kind, content["data"]["text/plain"])
        for kind, content in messages
        if content.get("transient", {}).get("display_id") == "fin-kedro-sign"
    ]


def save(path: Path, **sources: str) -> None:
    """A notebook as JupyterLab leaves it under notebooks/: ids and sources, no counts."""
    cells = [
        {"cell_type": "code", "id": name, "source": source, "outputs": [], "metadata": {},
         "execution_count": None}
        for name, source in sources.items()
    ]  # fmt: skip
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))


def test_in_jupyterlab_the_banner_comes_first_and_follows_what_happens(tmp_path: Path) -> None:
    path = tmp_path / "own.ipynb"
    save(path, a="x = 1", b=NOTE, c="x + 1")
    with kernel(tmp_path, JPY_SESSION_NAME=str(path)) as running:
        _, first = running.run("x = 1", "a")
        ((kind, said),) = banners(first)
        assert kind == "display_data"
        assert "data        none loaded yet" in said and "run from the top" in said
        html = first[0][1]["data"]["text/html"]
        assert "none loaded yet" in html and "<script" not in html
        ((kind, said),) = banners(running.run(NOTE, "b")[1])
        assert kind == "update_display_data" and "scores 2026-11-22T03.34.13.922Z" in said
        assert banners(running.run("x + 1", "c")[1]) == []
        # the first cell once more: it has lost the banner with its output, and order is broken
        _, again = running.run("x = 1", "a")
        shown, renewed = banners(again)[0], banners(again)[-1]
        assert shown[0] == "display_data"
        assert "cell 1 was run after cell 2, which stands below it" in renewed[1]
        assert running.info()["cells"][0].startswith("cell 1 was run after cell 2")


def test_an_edit_that_was_saved_is_said(tmp_path: Path) -> None:
    path = tmp_path / "own.ipynb"
    save(path, a="x = 1", b="x + 1")
    with kernel(tmp_path, JPY_SESSION_NAME=str(path)) as running:
        running.run("x = 1", "a")
        running.run("x + 1", "b")
        assert running.info()["cells"] == []
        save(path, a="x = 2", b="x + 1")
        assert "cell 1 was edited after it was run" in running.text("%seal")
        time.sleep(2 * FILE_CLOCK)  # a file's time is coarse, and people take longer than this
        running.run("x = 3", "a")  # typed and run, not saved yet: that is no edit afterwards
        assert not any("edited" in said for said in running.info()["cells"])
        path.unlink()  # renamed: what cannot be read is not judged
        assert running.info()["cells"] is None


def test_no_banner_for_other_clients_nor_where_it_is_switched_off(tmp_path: Path) -> None:
    with kernel(tmp_path) as running:
        assert running.run("x = 1")[1] == []
    session = str(tmp_path / "own.ipynb")
    with kernel(tmp_path, JPY_SESSION_NAME=session, FIN_KEDRO_BANNER="0") as running:
        assert running.run("x = 1", "a")[1] == []


def test_the_seal_magic_as_data_and_with_a_wrong_option(plain: Kernel) -> None:
    assert plain.text("%seal").startswith("fin-kedro: sealed\n")
    assert (
        plain.text("print((%seal --json) or 1)" if False else "s = %seal --json\ns['sealed']")
        == "True"
    )
    reply, seen = plain.run("%seal --hash")
    assert reply["status"] == "error"
    assert "--hashes and --json" in seen[0][1]["text"]


def test_a_picture_is_drawn_into_its_cell(plain: Kernel) -> None:
    _, seen = plain.run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [kind for kind, content in seen if "image/png" in content["data"]] == ["display_data"]


def test_code_s_commit_is_in_the_fingerprint(tmp_path: Path) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    with kernel(tmp_path) as running:
        found = running.info()
        assert len(found["commit"]) == 40 and found["dirty"] is False
        (tmp_path / "new.py").write_text("")
        assert "dirty (1 file changed): new.py" in running.text("%seal")


def test_a_home_s_startup_files_and_configuration_are_left_out(tmp_path: Path) -> None:
    profile = tmp_path / "ipython/profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup/00.py").write_text("surprise = 1\n")
    (profile / "ipython_kernel_config.py").write_text(
        "c.InteractiveShellApp.exec_lines = ['surprise = 2']\n"
    )
    with kernel(tmp_path, IPYTHONDIR=str(tmp_path / "ipython")) as running:
        assert running.text("print('surprise' in globals())") == "False\n"


SETTINGS = "DISABLE_HOOKS_FOR_PLUGINS = ('kedro_mlflow', 'kedro-viz', 'kedro-telemetry')\n"
PROJECT = """
[tool.kedro]
package_name = "small"
project_name = "small"
kedro_init_version = "1.7.0"
source_dir = "src"
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A Kedro project with nothing in it but what Kedro asks for."""
    files = {
        "pyproject.toml": PROJECT,
        "src/small/__init__.py": "",
        "src/small/settings.py": SETTINGS,
        "src/small/pipeline_registry.py": "def register_pipelines():\n    return {}\n",
        "conf/base/catalog.yml": "numbers:\n  type: MemoryDataset\n",
        "conf/local/.gitkeep": "",
        "conf/logging_kernel.yml": "version: 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_kedro_s_names_come_when_a_cell_asks_for_them(small: Path) -> None:
    loaded = "import sys; print('kedro.ipython' in sys.modules)"
    with kernel(small) as running:
        assert running.text("# catalog\ncatalog = 'my own'\nprint(catalog)") == "my own\n"
        assert (
            running.text("def f(context):\n    session = context\n    return session\nf(1)") == "1"
        )
        for magic in ("%%capture", "%%bash", "%%time", "%time"):
            running.run(f"{magic}\nls" if magic == "%%bash" else f"{magic}\nx = 1")
        assert running.text(loaded) == "False\n"
        assert running.text("print(context.project_path.name)") == f"{small.name}\n"
        assert running.text(loaded) == "True\n"


def test_a_magic_asks_too(small: Path) -> None:
    with kernel(small) as running:
        assert running.run("%%capture\nlist(catalog)")[0]["status"] == "ok"
        assert running.run("%%time\n%reload_kedro")[0]["status"] == "ok"
        assert running.text("print(list(catalog))") == "['numbers', 'parameters']\n"


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("catalog", {"catalog"}),
        ("catalog.load('x'); context", {"catalog", "context"}),
        ("f'{list(catalog)}'", {"catalog"}),
        ("await something(session)", {"session"}),
        ("def f():\n    return list(catalog)", {"catalog"}),
        ("[c for c in pipelines]", {"pipelines"}),
        ("print(catalog); catalog = 1", {"catalog"}),
        ("catalog = 1; print(catalog)", set()),
        ("from x import catalog\ndef f():\n    return catalog", set()),
        ("def f(catalog):\n    session = catalog\n    return session", set()),
        ("for session in sessions: print(session)", set()),
        ("# catalog\n'context'\nx.catalog\nf(session=1)", set()),
    ],
)
def test_a_name_is_asked_for_where_code_needs_it_from_outside(code: str, asked: set[str]) -> None:
    compiled = compile(code, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert asked_for(compiled, set(KEDRO_NAMES), set()) == asked


def test_completion_knows_the_catalog(small: Path) -> None:
    with kernel(small) as running:
        asked = running.client.complete("x = catalog.lo", 14)
        matches = running.reply(asked)["matches"]
        assert any("load" in match for match in matches)


def test_a_project_that_kedro_cannot_load_fails_the_cell_with_its_reason(small: Path) -> None:
    (small / "src/small/settings.py").write_text("raise RuntimeError('settings are broken')\n")
    with kernel(small) as running:
        reply, _ = running.run("catalog")
        assert reply["status"] == "error"
        assert "settings are broken" in reply["evalue"]
        assert running.text("print(1)") == "1\n"


def test_loading_kedro_can_be_interrupted_and_is_answered(small: Path) -> None:
    slow = "from pathlib import Path\nimport time\nPath('begun').touch()\ntime.sleep(60)\n"
    (small / "src/small/settings.py").write_text(slow)
    with kernel(small) as running:
        asked = running.client.execute("catalog", stop_on_error=False)  # as in Kernel.run
        while not (small / "begun").exists():
            time.sleep(0.05)
        running.manager.interrupt_kernel()
        assert running.reply(asked)["ename"] == "KeyboardInterrupt"
        assert running.text("print(1)") == "1\n"


def test_a_process_that_a_notebook_has_forked_does_not_say_that_the_notebook_has_ended(
    tmp_path: Path,
) -> None:
    _tell_ended(tmp_path / "child", os.getppid(), [])
    assert not list(tmp_path.iterdir())
    _tell_ended(tmp_path / "kernel", os.getpid(), [])
    assert [file.name for file in tmp_path.iterdir()] == ["kernel"]

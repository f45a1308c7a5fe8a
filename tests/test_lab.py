"""JupyterLab as `make lab` starts it, and the fin-kedro kernel: the real ones."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fin_kedro.authoring.cleaning import KERNEL, clean_all
from fin_kedro.authoring.project import find_project

ROOT = Path(__file__).resolve().parents[1]
LAB = Path("notebooks") / ".lab"
TOKEN = "for-this-test-only"
pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """JupyterLab's server on a copy of the project's settings."""

    def __init__(self, root: Path, home: Path, port: int) -> None:
        self.root, self.home, self.url = root, home, f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"token {TOKEN}")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data=data, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def save(self, name: str, content: dict[str, Any]) -> str:
        """Save a notebook as the browser does; the text of the file."""
        body = {"type": "notebook", "format": "json", "content": content}
        self.ask("PUT", f"/api/contents/{name}", body)
        return (self.root / name).read_text("utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / LAB, root / LAB)
    (root / "reports").mkdir()
    port = free_port()
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    env = os.environ | {f"JUPYTER_{name}": str(home / name.lower()) for name in places}
    env["JUPYTERLAB_WORKSPACES_DIR"] = str(home / "workspaces")
    command = [sys.executable, "-m", "jupyterlab", f"--config={root / LAB}/jupyter_lab_config.py"]
    command += ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
    log = home / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, f"--IdentityProvider.token={TOKEN}"],
            env=env,
            cwd=root,
            stdout=out,
            stderr=out,
        )
    server = Server(root, home, port)
    try:
        for _ in range(240):
            assert process.poll() is None, log.read_text()
            try:
                server.ask("GET", "/api/status")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.25)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def executed() -> dict[str, Any]:
    """A notebook as the browser sends it after a run."""
    return {
        "cells": [
            {"id": "a", "cell_type": "markdown", "metadata": {}, "source": "# T\n> from a to b"},
            {
                "id": "b",
                "cell_type": "code",
                "execution_count": 4,
                "metadata": {"tags": ["parameters"], "scrolled": True, "trusted": True},
                "outputs": [{"output_type": "stream", "name": "stdout", "text": "1\n"}],
                "source": "rows = 1\nprint(rows)",
            },
        ],
        "metadata": {
            "kernelspec": {"name": "fin-kedro", "display_name": "fin-kedro", "language": "python"},
            "language_info": {"name": "python", "version": "3.11.7"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.mark.parametrize("name", ["notebooks/new.ipynb", "nbs_ci/new.ipynb"])
def test_saving_cleans_the_file_to_the_form_that_check_wants(server: Server, name: str) -> None:
    (server.root / name).parent.mkdir(exist_ok=True)
    text = server.save(name, executed())
    saved = json.loads(text)
    assert saved["cells"][1]["outputs"] == []
    assert saved["cells"][1]["execution_count"] is None
    assert saved["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert saved["metadata"]["kernelspec"]["language"] == "python"
    project = find_project(server.root)
    assert clean_all(project, [server.root / name]) == []


def test_saving_elsewhere_keeps_outputs(server: Server) -> None:
    saved = json.loads(server.save("reports/run.ipynb", executed()))
    assert saved["cells"][1]["outputs"] != []


def test_only_the_project_s_kernel_is_offered(server: Server) -> None:
    specs = server.ask("GET", "/api/kernelspecs")
    assert specs["default"] == "fin-kedro"
    assert set(specs["kernelspecs"]) == {"fin-kedro"}


def test_the_kernel_s_name_tells_its_lock_and_a_saved_notebook_s_does_not(server: Server) -> None:
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    spec = server.ask("GET", "/api/kernelspecs")["kernelspecs"]["fin-kedro"]["spec"]
    assert spec["display_name"] == f"fin-kedro (lock {lock[:8]})"
    content = executed()
    # the browser writes the name that it was told into the notebook
    content["metadata"]["kernelspec"]["display_name"] = spec["display_name"]
    saved = json.loads(server.save("notebooks/named.ipynb", content))
    assert saved["metadata"]["kernelspec"] == KERNEL


def test_the_server_s_kernel_knows_its_notebook(server: Server) -> None:
    """A notebook opened as the browser does it: the kernel is told the file's place."""
    (server.root / "notebooks").mkdir(exist_ok=True)
    server.save("notebooks/opened.ipynb", executed())
    body = {"path": "notebooks/opened.ipynb", "name": "opened.ipynb", "type": "notebook"}
    session = server.ask("POST", "/api/sessions", body | {"kernel": {"name": "fin-kedro"}})
    try:
        connections = list((server.home / "runtime_dir").glob("kernel-*.json"))
        (connection,) = [c for c in connections if session["kernel"]["id"] in c.name]
        assert fingerprint(connection)["cells"] == []
    finally:
        server.ask("DELETE", f"/api/sessions/{session['id']}")


def test_no_news_and_no_update_checks(server: Server) -> None:
    settings = server.ask("GET", "/lab/api/settings/@jupyterlab/apputils-extension:notification")
    assert '"fetchNews": "false"' in json.dumps(settings["settings"]) or (
        settings["schema"]["properties"]["fetchNews"]["default"] == "false"
    )


def test_a_call_without_token_is_refused(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(server.url + "/api/contents", timeout=10)


def fingerprint(connection: Path) -> Any:
    """What the kernel behind a connection file says of itself and its notebook."""
    from jupyter_client import BlockingKernelClient

    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    try:
        # not wait_for_ready: it takes a kernel whose heart does not beat yet for a dead one
        reply = client.kernel_info(reply=True, timeout=120)
        return reply["content"]["language_info"]["fin_kedro"]
    finally:
        client.stop_channels()


def run_cell(code: str, folder: Path) -> tuple[str, str]:
    """Standard output and error of one cell in a fresh fin-kedro kernel."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(
        kernel_name="fin-kedro", cwd=str(folder), startup_timeout=120
    )
    texts = {"stdout": "", "stderr": ""}

    def collect(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            texts[content["name"]] += content["text"]

    try:
        reply = client.execute_interactive(code, timeout=120, output_hook=collect)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return texts["stdout"], texts["stderr"]


@pytest.mark.usefixtures("forked_kernels")
def test_the_kernel_has_catalog_context_session_and_pipelines_at_hand() -> None:
    before = sorted(p.name for p in (ROOT / "notebooks").iterdir())
    code = """
import logging, os
print(context.project_path)
print(len(list(catalog.keys())) > 0, session is not None, "__default__" in pipelines)
print(os.environ["PYTHONHASHSEED"], os.environ["DO_NOT_TRACK"])
logging.getLogger("kedro").info("not to be seen")
logging.getLogger("fin_kedro").info("to be seen")
"""
    out, err = run_cell(code, ROOT / "notebooks")
    assert out.splitlines() == [str(ROOT), "True True True", "0 true"]
    assert err.splitlines() == ["INFO fin_kedro: to be seen"]
    assert not re.search(r"\d\d:\d\d:\d\d", out + err)
    # opening a notebook leaves nothing beside it
    assert sorted(p.name for p in (ROOT / "notebooks").iterdir()) == before


def test_the_kernel_starts_outside_a_project_too(tmp_path: Path) -> None:
    assert run_cell("print(1 + 1)", tmp_path)[0] == "2\n"


def test_the_installed_kernel_is_the_committed_one() -> None:
    installed = Path(sys.prefix) / "share/jupyter/kernels/fin-kedro"
    for path in (ROOT / LAB / "kernel").iterdir():
        if path.is_file():
            assert (installed / path.name).read_bytes() == path.read_bytes(), path.name

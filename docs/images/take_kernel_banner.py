"""Take the pictures of the kernel and its banner in JupyterLab, light and dark.

    .venv/bin/python docs/images/take_kernel_banner.py [FOLDER]

Starts JupyterLab as `make lab` does, on a scratch clone of this checkout with its uncommitted
changes, opens a notebook in headless Chromium, runs its cells on the real kernel and writes
kernel-banner.png and kernel-banner-dark.png into FOLDER (docs/images when none is given). Needs
`chromium` on the PATH, which the lock does not bring.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "for-this-picture-only"  # noqa: S105 (of a server that lives a minute)
SIZE = (1180, 640)
NOTEBOOK = "notebooks/first_look.ipynb"
CELLS = (
    'applications = catalog.load("credit.applications")\nlen(applications.columns)',
    "clients = applications.count().execute()",
    'print(f"{clients:,} clients")',
)
THEMES = {"kernel-banner.png": "JupyterLab Light", "kernel-banner-dark.png": "JupyterLab Dark"}


class Browser:
    """A page of headless Chromium, driven over the DevTools protocol."""

    def __init__(self, address: str) -> None:
        self._page = websocket.create_connection(address, timeout=120, suppress_origin=True)
        self._count = 0

    def ask(self, method: str, **params: Any) -> Any:
        """Send one command and wait for its answer."""
        self._count += 1
        self._page.send(json.dumps({"id": self._count, "method": method, "params": params}))
        while True:
            answer = json.loads(self._page.recv())
            if answer.get("id") == self._count:
                return answer["result"]

    def run(self, code: str) -> Any:
        """The value of JavaScript code, awaited when it is a promise."""
        answer = self.ask(
            "Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def command(self, name: str) -> None:
        """Begin a command of JupyterLab; some end only with the cells they run."""
        self.run(f"window.jupyterapp.commands.execute('{name}'), true")

    def wait(self, code: str, seconds: float = 240) -> None:
        """Wait until JavaScript code gives something true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(RuntimeError):  # the page is still being made
                if self.run(f"!!({code})"):
                    return
            time.sleep(0.3)
        raise TimeoutError(f"{seconds:.0f} s went by, and this was never true: {code}")

    def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])


def scratch_project(folder: Path) -> Path:
    """A clone of this checkout with what is not committed, and a small notebook git ignores."""
    project = folder / "fin_kedro"
    git = ["git", "clone", "-q", "--shared", str(ROOT), str(project)]
    subprocess.run(git, check=True)
    listed = ["git", "ls-files", "-z", "--modified", "--others", "--deleted", "--exclude-standard"]
    changed = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, set(changed.stdout.split("\0"))):
        (project / name).unlink(missing_ok=True)
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name)
    (project / "conf/local").mkdir(exist_ok=True)
    with (project / ".git/info/exclude").open("a") as file:
        file.write(f"/{NOTEBOOK}\n")
    write_notebook(project / NOTEBOOK)
    return project


def write_notebook(path: Path) -> None:
    """The notebook of the picture, not run yet."""
    kernel = {"display_name": "fin-kedro", "language": "python", "name": "fin-kedro"}
    cells = [
        {"cell_type": "code", "id": f"cell-{n}", "metadata": {}, "execution_count": None,
         "outputs": [], "source": source}
        for n, source in enumerate(CELLS, 1)
    ]  # fmt: skip
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4}
    path.write_text(json.dumps(notebook | {"nbformat_minor": 5}), "utf-8")


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended at the end."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def lab(project: Path, home: Path, theme: str) -> Iterator[str]:
    """JupyterLab on the project, with nothing of this user's; its address."""
    settings = home / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": theme}))
    places = {f"JUPYTER_{n}": str(home / n) for n in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
    places |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    places |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces")}
    port = free_port()
    config = project / "notebooks/.lab/jupyter_lab_config.py"
    command = [sys.executable, "-m", "jupyterlab", f"--config={config}", "--no-browser"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--expose-app-in-browser"]
    command += [f"--IdentityProvider.token={TOKEN}"]
    with running(command, home / "lab.log", cwd=project, env=os.environ | places):
        address = f"http://127.0.0.1:{port}"
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5)  # noqa: S310
                break
            time.sleep(0.25)
        yield address


@contextlib.contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A page of a fresh headless browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("No chromium on the PATH. Next: apt-get install -y chromium")
    command = [program, "--headless=new", "--remote-debugging-port=0", "--hide-scrollbars"]
    command += [f"--user-data-dir={home / 'chromium'}", f"--window-size={SIZE[0]},{SIZE[1]}"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    with running([*command, "about:blank"], home / "chromium.log"):
        told = home / "chromium/DevToolsActivePort"
        for _ in range(240):
            if told.is_file() and told.read_text().count("\n"):
                break
            time.sleep(0.25)
        port = told.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        browser = Browser(pages[0]["webSocketDebuggerUrl"])
        width, height = SIZE
        screen = {"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": False}
        browser.ask("Emulation.setDeviceMetricsOverride", **screen)
        # JupyterLab's commands act on what has the focus, and a headless page has none
        browser.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        yield browser


PANEL = "[...window.jupyterapp.shell.widgets('main')].find(w => w.sessionContext)"
IDLE = f"{PANEL}.sessionContext.session.kernel.status === 'idle'"
DONE = (
    "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
    f".filter(p => /\\[\\d+\\]/.test(p.textContent)).length === {len(CELLS)}"
)


def visit_launcher(browser: Browser, address: str) -> str:
    """The tooltip of the kernel's card in the launcher."""
    browser.ask("Page.navigate", url=f"{address}/lab?token={TOKEN}&reset")
    card = "document.querySelector('.jp-LauncherCard[data-category=Notebook]')"
    browser.wait(f"{card} && {card}.title")
    return str(browser.run(f"{card}.title"))


def run_notebook(browser: Browser, address: str, *, again: int | None) -> None:
    """Open the notebook, run all cells, then one `again` (from 0)."""
    browser.ask("Page.navigate", url=f"{address}/lab/tree/{NOTEBOOK}?token={TOKEN}&reset")
    browser.wait(f"{IDLE} && document.querySelectorAll('.jp-CodeCell').length")
    browser.run(f"window.jupyterapp.shell.activateById({PANEL}.id)")
    browser.command("application:toggle-left-area")
    browser.command("notebook:run-all-cells")
    browser.wait(DONE)
    browser.wait(f"{IDLE} && document.querySelector('.fin-kedro-sign')")
    if again is not None:
        browser.run(f"{PANEL}.content.activeCellIndex = {again}")
        browser.command("notebook:run-cell")
        browser.wait("/was run after/.test(document.querySelector('.fin-kedro-sign').textContent)")
    browser.command("notebook:enter-command-mode")
    time.sleep(1.5)  # fonts and fades


def main() -> None:
    """Take both pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, theme in THEMES.items():
        with tempfile.TemporaryDirectory(prefix="picture-", ignore_cleanup_errors=True) as place:
            home = Path(place)
            project = scratch_project(home)
            with lab(project, home, theme) as address, chromium(home) as browser:
                print(f"launcher card: {visit_launcher(browser, address)}")
                run_notebook(browser, address, again=1 if "Dark" in theme else None)
                (folder / name).write_bytes(browser.picture())
        print(f"{folder / name}")


if __name__ == "__main__":
    main()

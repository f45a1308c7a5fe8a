"""Real kernels for tests: the committed specification, this checkout's code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sealed_kernel.warm import ADDRESS as WARM_HOST
from tests import commands

ROOT = Path(__file__).resolve().parents[2]
SPECIFICATION = ROOT / "notebooks/.lab/kernel"
COLD = {WARM_HOST: ""}


class Kernel:
    """A running kernel: execute code, get its reply and its messages."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str, cell: str | None = None) -> tuple[dict[str, Any], list[Any]]:
        """The content of the reply, and (type, content) of each message of this execution."""
        seen: list[Any] = []
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        # after an error ipykernel aborts what is queued, for a moment that no message ends
        content |= {"user_expressions": {}, "stop_on_error": False}
        metadata = {"cellId": cell} if cell else {}
        request = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(request)
        own = request["header"]["msg_id"]
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != own:
                continue
            kind = message["msg_type"]
            if kind == "status" and message["content"]["execution_state"] == "idle":
                break
            seen.append((kind, message["content"]))
        return self.reply(own), [s for s in seen if s[0] not in ("status", "execute_input")]

    def info(self) -> dict[str, Any]:
        """The fingerprint that clients are given."""
        asked = self.client.kernel_info()
        found: dict[str, Any] = self.reply(asked)["language_info"]["fin_kedro"]
        return found

    def text(self, code: str, cell: str | None = None) -> str:
        """What a cell wrote to its outputs, as plain text."""
        reply, seen = self.run(code, cell)
        assert reply["status"] == "ok", reply
        return "".join(c.get("text") or c["data"]["text/plain"] for _, c in seen)

    def reply(self, request: str) -> dict[str, Any]:
        """The content of the answer to a request, by the request's id."""
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = message["content"]
                return content


@contextmanager
def kernel(folder: Path, **environment: str) -> Iterator[Kernel]:
    """A fin-kedro kernel in `folder`, with these variables besides this process's.

    It is forked, unless COLD is among them or they ask for what a fork cannot give.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="fin-kedro")
    spec = KernelSpec.from_resource_dir(str(SPECIFICATION))
    spec.argv = [sys.executable, str(SPECIFICATION / "start.py"), "-f", "{connection_file}"]
    manager._kernel_spec = spec
    drop = ("JPY_SESSION_NAME", "FIN_KEDRO_SEALED", "FIN_KEDRO_BANNER", "FIN_KEDRO_LOCK")
    inherited = {name: value for name, value in os.environ.items() if name not in drop}
    host = {WARM_HOST: str(commands.kernels())}
    path = {"PYTHONPATH": str(ROOT / "src")}
    manager.start_kernel(cwd=str(folder), env={**inherited, **path, **host, **environment})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

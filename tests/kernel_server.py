"""The server of kernels: the warm host of `sealed_kernel`, for any copy of the project.

A kernel imports for three processor seconds before its notebook begins. The product's own warm
host has imported the project's code, and serves no other; this one forgets it, so that a copied
and changed project's notebooks run on its own code. Commands of tests find it as a warm host is
found. `tests.commands` starts it; it imports when the first client comes.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import socket
import sys
import time
import warnings
from functools import partial
from typing import Any

if __name__ == "__main__":
    sys.path[0:1] = sys.argv[2].split(os.pathsep)  # of these tests, whatever is installed

from sealed_kernel import fixed, warm, warm_host
from tests.command_server import end

OWN = ("fin_kedro", "sealed_kernel", "tests")
# What reports of this project import beside the warm host's own list; none of it starts a thread.
# Not matplotlib_inline's backend: imported before there is a shell, it draws into no cell.
MORE = (
    *("kedro_datasets.json", "kedro_datasets.pandas", "nbconvert", "msgspec", "rich.table"),
    *("cryptography.hazmat.primitives.asymmetric.ed25519", "sklearn.isotonic", "pandera.ibis"),
    *("open_data_contract_standard.model", "scipy.optimize"),
    *("fairlearn.metrics", "ibis.backends.sql.compilers", "onnx", "sqlalchemy"),
)
# Of what libraries read at import: a forked kernel obeys these all the same.
OBEYED = {
    *("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"),
    *("FIN_KEDRO_THREADS", "KEDRO_LOGGING_CONFIG"),
}


class Kernels(warm_host.Host):
    """Forks kernels whatever project they are of; refuses what would differ from a cold one."""

    def _reason_to_refuse(self, message: dict[str, Any]) -> str:
        env = {name: value for name, value in message["env"].items() if name not in OBEYED}
        return super()._reason_to_refuse({**message, "env": env})


def main() -> None:
    """Wait for a client, import, serve; in a forked child, become the kernel."""
    environment = dict(os.environ)
    server = socket.socket(fileno=int(sys.argv[1]))
    server.set_inheritable(False)
    if 0 in select.select([0, server], [], [])[0]:
        return
    fixed.settle_environment(kernel=True)
    with warnings.catch_warnings(record=True):
        for name in (*warm.IMPORTS, *MORE):
            if name.partition(".")[0] not in OWN:
                importlib.import_module(name)
    warm_host.refuse_threads()
    gc.collect()
    gc.freeze()
    seen = warm_host.CodeOnDisk(time.time_ns())
    seen._seen = {}  # it has imported nothing that a project may change
    request = Kernels(server, seen, environment).serve()
    if request is not None:
        forget_the_project()
        del sys.path[: len(sys.argv[2].split(os.pathsep))]  # what is installed stays
        sys.dont_write_bytecode = bool(request.env.get("PYTHONDONTWRITEBYTECODE"))
        added = request.env.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [path for path in added if path]
        end(partial(warm_host.run_kernel, request))


def forget_the_project() -> None:
    """Let the kernel import the code of its own project."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OWN]:
        del sys.modules[name]
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__.partition(".")[0] not in OWN]


if __name__ == "__main__":
    main()

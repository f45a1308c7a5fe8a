#!/usr/bin/env bash
# matplotlib-inline 0.2.2 with ipykernel 7.4.0, IPython 9, matplotlib 3.11.2: where the backend's module was imported
# before there was a shell, a figure at the end of a cell is not shown, and nothing is said.
#
# Seen: `plt.plot([1, 2]);` in a kernel gives one image; in a kernel whose start script imported
# matplotlib_inline.backend_inline first, it gives none.
# What it means: a server that imports libraries and forks kernels must leave this module out; else notebooks
# lose pictures that they show in a kernel started as usual.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install matplotlib-inline==0.2.2 ipykernel==7.4.0 matplotlib==3.11.2 jupyter_client
cd "$folder"
cat > start.py <<'P'
import sys

import matplotlib_inline.backend_inline
from ipykernel.kernelapp import IPKernelApp

IPKernelApp.launch_instance(argv=sys.argv[1:])
P
MPLCONFIGDIR="$folder" "$folder/venv/bin/python" - <<'P'
import os
import sys

from jupyter_client.manager import KernelManager

os.environ.pop("MPLBACKEND", None)


def images(start):
    manager = KernelManager()
    manager.kernel_spec.argv = [sys.executable, *start, "-f", "{connection_file}"]
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    shown = []
    client.execute_interactive(
        "import matplotlib; matplotlib.use('module://matplotlib_inline.backend_inline')\n"
        "import matplotlib.pyplot as plt; plt.plot([1, 2]);",
        timeout=120, output_hook=shown.append,
    )
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    return sum("image/png" in message["content"].get("data", {}) for message in shown)


found = images(["-m", "ipykernel_launcher"]), images(["start.py"])
print(f"images shown: {found[0]} as usual, {found[1]} with the module imported before the shell")
assert found == (1, 0)
P

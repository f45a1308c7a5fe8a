"""Start IPython's kernel with the Kedro project of the notebook's folder at hand."""

import os
import sys
from pathlib import Path


def project_root(start: Path) -> Path | None:
    """The nearest folder upwards with a Kedro project in it."""
    for folder in (start, *start.parents):
        marker = folder / "pyproject.toml"
        if marker.is_file() and "[tool.kedro]" in marker.read_text("utf-8"):
            return folder
    return None


def main() -> None:
    root = project_root(Path.cwd())
    extension = []
    if root is not None:
        # plain logging: rich would print a timestamp into every cell
        os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(root / "conf" / "logging_kernel.yml"))
        extension = ["--ext", "kedro.ipython"]
    # the script's own folder must not shadow a module of the notebook's
    sys.path[0] = ""
    from ipykernel import kernelapp

    kernelapp.launch_new_instance(argv=[*sys.argv[1:], *extension])


if __name__ == "__main__":
    main()

"""No registry host and no path of somebody's machine in any file of the tree.

    python .ci/tree.py [FOLDER]      lists what it finds; exit status 1 when there is something

Looks at every file that git tracks or would track, binary ones included. The names looked for are
put together from parts here, so that this file passes its own search.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOT, SLASH = ".", "/"
# package, image and model registries: whoever installs chooses where from
HOSTS = [
    DOT.join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("docker", "io"),
        ("docker", "com"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
        ("jfrog", "io"),
        ("huggingface", "co"),
        ("crates", "io"),
        ("jsdelivr", "net"),
        ("unpkg", "com"),
    )
]
OPTIONS = ["--" + "index-url", "--extra-" + "index-url", "--find-" + "links"]
HOMES = [
    SLASH + "root" + SLASH,
    SLASH + "home" + SLASH + "[a-z]",
    SLASH + "Users" + SLASH + "[A-Za-z]",
    r"[A-Za-z]:\\+" + "Users",
    SLASH + "private/var" + SLASH,
    SLASH + "tmp" + SLASH + "[A-Za-z]",
    SLASH + "work" + SLASH + "(main|shared|[.])",
]
# file name -> what may stand there, and why it has to
ALLOWED: dict[str, tuple[str, ...]] = {}


def patterns(root: Path) -> re.Pattern[bytes]:
    """One pattern over everything that must not occur, this checkout's own place included."""
    words = [rf"(?<![\w-]){re.escape(word)}\b" for word in HOSTS]
    # an option of a lock or requirements file stands at the beginning of its line
    words += [rf"(?m:^{word}\b)" for word in OPTIONS]
    words += [rf"(?<![\w.~}}]){word}" for word in HOMES]
    words += [re.escape(str(place)) for place in {root, Path.home()} if len(place.parts) > 2]
    return re.compile("|".join(words).encode())


def files(root: Path) -> list[Path]:
    """Files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root,
        capture_output=True,
        check=True,
    )
    paths = (root / name for name in sorted(set(listed.stdout.decode().split("\0"))) if name)
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def findings(root: Path) -> list[str]:
    """`file:line: text found`, for every hit."""
    search, found = patterns(root), []
    for path in files(root):
        name, data = path.relative_to(root).as_posix(), path.read_bytes()
        for hit in search.finditer(data):
            text = hit.group().decode("utf-8", "replace")
            line = data.count(b"\n", 0, hit.start()) + 1
            if text not in ALLOWED.get(name, ()):
                found.append(f"{name}:{line}: {text}")
    return found


def main() -> int:
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    found = findings(root)
    for line in found:
        print(line)
    if found:
        print(f"{len(found)} registry host(s) or machine path(s). Next: take them out.")
        return 1
    print(f"No registry host and no machine path in {len(files(root))} files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

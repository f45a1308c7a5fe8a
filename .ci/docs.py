"""`make docs`: the pages of docs, and the docstrings of src, as a site in build/docs/site.

    build/tools/bin/python .ci/docs.py

The pages are laid out in build/docs: links out of docs lead to a copy of what they name (a table
of contents for a folder), and each module of src gets a page, read and not imported. Zensical
builds in strict mode; then `links.py` follows every link of the built site. Nothing in it may be
loaded from elsewhere: a policy in each page has the browser refuse it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import links

ROOT = Path(__file__).resolve().parents[1]
FOLDER, SITE = Path("build") / "docs", Path("build") / "docs" / "site"
SOURCE, MARK = Path("docs") / "site", "# {}: written by .ci/docs.py"
ROOMS, DECISIONS = "the rooms of both packages", "every page of docs/decisions, by its title"
STYLE = "site.css"
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; worker-src 'self' blob:"
)
PICTURES = {".png", ".svg", ".jpg", ".gif"}
WORDS = {".py": "python", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml", ".json": "json"}
UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"


class SiteError(Exception):
    """A page or a link that a person has to mend; printed without a traceback."""


# Laying out


def staged(path: PurePosixPath, root: Path) -> PurePosixPath:
    """Where a file or folder of the repository (`path`, from its root) stands in the site."""
    inside = path.parts[:1] == ("docs",)
    if path.suffix == ".md" or path.suffix in PICTURES:
        return path.relative_to("docs") if inside else PurePosixPath("files", path)
    whole = PurePosixPath("files", path)
    return whole / "index.md" if (root / path).is_dir() else whole.with_name(f"{path.name}.md")


def page(path: PurePosixPath, root: Path) -> str:
    """Markdown for a file or folder of the repository; links are still as the repository's."""
    file = root / path
    if file.is_dir():
        return f"{UNSEARCHED}# `{path}/`\n\n" + "\n".join(contents(path, root)) + "\n"
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise SiteError(f"{path} is linked to, and neither text nor a picture") from error
    if file.suffix == ".md":
        return text if path.parts[0] == "docs" else UNSEARCHED + text
    head = f"{UNSEARCHED}# `{path}`\n\n"
    if file.suffix == ".ipynb":
        return head + notebook(text)
    return head + fence(text, WORDS.get(file.suffix, "text"))


def contents(path: PurePosixPath, root: Path) -> Iterator[str]:
    """A folder's files and folders, a line each; those of docs as links."""
    for each in sorted((root / path).iterdir()):
        if not each.name.startswith((".", "__")):
            link = each.is_file() and path.parts[0] == "docs"
            yield f"- [{each.name}]({each.name})" if link else f"- `{each.name}`"


def notebook(text: str) -> str:
    """A notebook's prose and code; outputs are none, as notebooks are committed."""
    cells = json.loads(text)["cells"]
    parts = (
        "".join(cell["source"])
        if cell["cell_type"] == "markdown"
        else fence("".join(cell["source"]), "python")
        for cell in cells
    )
    return "\n\n".join(parts).replace("\n# ", "\n## ") + "\n"


def fence(text: str, word: str) -> str:
    """Text as a block of code, whatever is in it."""
    longest = max(map(len, re.findall(r"^`{3,}", text, re.MULTILINE)), default=2)
    return f"{'`' * (longest + 1)} {word}\n{text.rstrip()}\n{'`' * (longest + 1)}\n"


def lay_out(root: Path, folder: Path) -> None:
    """Every page of docs, and whatever they link to, with links that lead there in the site."""
    waiting = [PurePosixPath(p.relative_to(root)) for p in sorted(root.glob("docs/**/*.md"))]
    done: set[PurePosixPath] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        place = folder / staged(path, root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in PICTURES:
            shutil.copyfile(root / path, place)
            continue
        text, found = led(page(path, root), path, root)
        place.write_text(text, "utf-8")
        waiting += found


def led(text: str, path: PurePosixPath, root: Path) -> tuple[str, list[PurePosixPath]]:
    """A page's text with links as the site needs them, and what they lead to."""
    found = []
    base = root / path if (root / path).is_dir() else (root / path).parent
    here = staged(path, root).parent

    def change(target: str) -> str:
        name, sharp, anchor = target.partition("#")
        if not name:
            return target
        there = (base / name).resolve()
        if not there.is_relative_to(root) or not there.exists():
            raise SiteError(f"{path}: {target} is not there")
        to = PurePosixPath(there.relative_to(root))
        found.append(to)
        return os.path.relpath(staged(to, root), here) + sharp + anchor

    return links.relinked(text, change), found


# The reference


def modules(root: Path) -> dict[str, Path]:
    """Public modules and packages of src by dotted name, in order."""
    found = {}
    for file in sorted(root.glob("src/*/**/*.py")):
        parts = file.relative_to(root / "src").with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            found[".".join(parts)] = file
    return dict(sorted(found.items()))


def docstring(file: Path) -> str:
    """A module's docstring; "" where it has none."""
    return ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""


def own_page(name: str, file: Path) -> str:
    """The page of a module or room, below `reference`: a room's is the index of its folder."""
    path = name.replace(".", "/")
    return f"{path}/index.md" if file.name == "__init__.py" else f"{path}.md"


def reference(root: Path, folder: Path) -> list[str]:
    """Write a page for each module and each room; return their lines of the navigation."""
    found = modules(root)
    said = {name: docstring(file) for name, file in found.items()}
    for name, file in found.items():
        place = folder / "reference" / own_page(name, file)
        place.parent.mkdir(parents=True, exist_ok=True)
        inner = {n: f for n, f in found.items() if n.rpartition(".")[0] == name}
        is_room = file.name == "__init__.py"
        body = f"{said[name]}\n\n{table(inner, said)}" if is_room else f"::: {name}\n"
        place.write_text(f"# `{name}`\n\n{body}", "utf-8")
    return [line for name in found if "." not in name for line in entries(name, found)]


def table(inner: dict[str, Path], said: dict[str, str]) -> str:
    """The modules of a room, and what each is for."""
    rows = []
    for name, file in inner.items():
        short = name.rpartition(".")[2]
        rows.append(f"| [`{short}`]({own_page(short, file)}) | {first_sentence(said[name])} |")
    return "\n".join(["| where | what for |", "|---|---|", *rows]) + "\n"


def first_sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split()).replace("|", r"\|")


def entries(name: str, found: dict[str, Path]) -> Iterator[str]:
    """Lines of the navigation for a module, or for a package and what is in it."""
    own, title = f"reference/{own_page(name, found[name])}", name.rpartition(".")[2]
    if found[name].name != "__init__.py":
        yield f'{{ "{title}" = "{own}" }},'
        return
    yield f'{{ "{title}" = ["{own}",'
    for inner in found:
        if inner.rpartition(".")[0] == name:
            yield from entries(inner, found)
    yield "] },"


def decisions(root: Path) -> Iterator[str]:
    """Lines of the navigation for decisions, by the first heading of each page."""
    for file in sorted(root.glob("docs/decisions/*.md")):
        title = file.read_text("utf-8").partition("\n")[0].removeprefix("# ").replace('"', "'")
        yield f'{{ "{title}" = "decisions/{file.name}" }},'


# Building


def prepare(root: Path, folder: Path) -> None:
    """Everything that Zensical reads, in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / SOURCE / "overrides", folder / "overrides")
    lay_out(root, folder / "pages")
    shutil.copyfile(root / SOURCE / STYLE, folder / "pages" / STYLE)
    text = (root / SOURCE / "zensical.toml").read_text("utf-8")
    for name, lines in ((ROOMS, reference(root, folder / "pages")), (DECISIONS, decisions(root))):
        if MARK.format(name) not in text:
            raise SiteError(f"{SOURCE}/zensical.toml has no line {MARK.format(name)!r}")
        text = text.replace(MARK.format(name), "\n".join(lines))
    text = text.replace("[project.extra]\n", f'[project.extra]\npolicy = "{POLICY}"\n')
    (folder / "zensical.toml").write_text(text, "utf-8")


def build(root: Path) -> None:
    """The site, built anew in strict mode; what Zensical says is shown when it fails."""
    prepare(root, root / FOLDER)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(
        [*command, "--config-file", str(root / FOLDER / "zensical.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        raise SiteError(said.partition("Traceback")[0].strip())


def main() -> int:
    try:
        build(ROOT)
    except SiteError as error:
        print(f"Error: the site was not built.\n{error}", file=sys.stderr)
        return 1
    found = links.findings(ROOT / SITE, POLICY)
    print("\n".join(found[:50]))
    if found:
        print(f"Error: {len(found)} links of the site lead nowhere or elsewhere", file=sys.stderr)
        return 1
    print(f"{len(list((ROOT / SITE).rglob('*.html')))} pages in {SITE}: open {SITE}/index.html;")
    print(f"to search in them: {Path(sys.executable).name} -m http.server --directory {SITE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

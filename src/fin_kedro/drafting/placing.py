"""Where conf of a new workflow goes: names that can be, files that are there, all or nothing."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import yaml

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting.conf_text import AWAY, globals_text
from fin_kedro.drafting.yaml_text import comment
from fin_kedro.project.workflows import NAME

RAW = Path("data/01_raw")
EMBEDDED = ("credit", "fraud")
# Environments that are variants of the embedded workflows', or of each machine.
RESERVED = ("base", "local", "ci", "spark", "team")
# Names that are words of conf, and ends of names that pipelines have.
WORDS = ("static", "event_time", "workflow", "workflows", "parameters", "policy", "catalog")
STAGES = ("_training", "_validation", "_batch", "_release", "_simulation", "_parity")


def refuse_name(
    project: Path, env: str, name: str, taken: Collection[str] = (), what: str = "NAME"
) -> None:
    """Refuse a name that no workflow can have, with one that it could.

    Args:
        project: the project's folder.
        env: the new workflow's environment.
        name: its name.
        taken: names of workflows that there are.
        what: how the command calls the name.

    Raises:
        ContractError: says why, and a name that is free.
    """
    taken = {*taken, *EMBEDDED, *_declared(project / "conf" / env / "workflows.yml")}
    why = None
    if not NAME.fullmatch(name):
        why = "which is no name; one has small letters, digits and _, and begins with a letter"
    elif name in taken:
        why = "which the project has"
    elif name in WORDS or keyword.iskeyword(name):
        why = "which is a word of conf or of Python"
    elif stage := next((s for s in STAGES if name.endswith(s)), None):
        why = f"which ends as a pipeline does ({stage})"
    if why:
        raise ContractError(f"{what} is {name!r}, {why}. Try {_free(name, taken)}.")


def _free(name: str, taken: Collection[str]) -> str:
    """A name near by that can be."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    for stage in STAGES:
        plain = plain.removesuffix(stage)
    plain = plain if plain[:1].isalpha() else f"loans_{plain}".rstrip("_")
    if plain not in taken and plain not in WORDS and not keyword.iskeyword(plain):
        return plain
    return next(f"{plain}_{n}" for n in range(2, 1000) if f"{plain}_{n}" not in taken)


def _declared(path: Path) -> list[str]:
    """Workflows that a file names."""
    if not path.exists():
        return []
    content = yaml.safe_load(path.read_text("utf-8")) or {}
    return [str(name) for name, given in content.items() if given is not None]


def refuse_environment(project: Path, env: str, *, new: bool) -> None:
    """Refuse an environment that is not the new workflow's to have, or is there although new.

    Raises:
        ContractError: says what to name.
    """
    if not NAME.fullmatch(env):
        raise ContractError(
            f"--env is {env!r}; a name has small letters, digits and _, begins with a letter."
        )
    if new and (env in RESERVED or (project / "conf" / env).exists()):
        raise ContractError(
            f"conf/{env} is there already, and nothing is overwritten; name a new one with --env."
        )
    if env in RESERVED:
        raise ContractError(
            f"--env is {env!r}, which is not for workflows of your own; name another, such as "
            "--env own."
        )


def refuse_files(project: Path, env: str, name: str, texts: Collection[str]) -> None:
    """Refuse to write over a file of conf.

    Raises:
        ContractError: names the file.
    """
    for file in texts:
        path = project / "conf" / env / file
        if file != "workflows.yml" and path.exists():
            raise ContractError(
                f"conf/{env}/{file} is there already, and nothing is overwritten. Choose another "
                f"name than {name!r}, or move the file."
            )


def place_conf(project: Path, env: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Write files of an environment; a workflow is added to ``workflows.yml`` as it is.

    Args:
        project: the project's folder.
        env: the environment; made, with a place for its results, where it is not there.
        texts: by file in the environment, its text.

    Returns:
        The files from the project on. If one cannot be written, none is left.
    """
    folder = project / "conf" / env
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = {} if (folder / "globals.yml").exists() else {"globals.yml": globals_text(env)}
    whole = {**texts, **new}
    kept = folder / "workflows.yml"
    if kept.exists():
        before = kept.read_text("utf-8")
        whole["workflows.yml"] = before.rstrip("\n") + "\n\n" + texts["workflows.yml"]
    else:
        head = "\n".join(comment("Workflows of this environment (docs/new-workflow.md)."))
        whole["workflows.yml"] = f"{head}\n{AWAY}\n\n{texts['workflows.yml']}"
    made: list[Path] = []
    try:
        for file, text in whole.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if path != kept:
                with path.open("x", encoding="utf-8") as new_file:
                    made.append(path)
                    new_file.write(text)
        aside = kept.with_suffix(".yml.new")
        aside.write_text(whole["workflows.yml"], "utf-8")
        os.replace(aside, kept)  # last: with it the workflow is there, with all of its files
    except OSError:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return tuple(f"conf/{env}/{file}" for file in whole)

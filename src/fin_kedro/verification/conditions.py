"""Conditions of an execution: as sealed, or what they shall be instead, imposed on a checkout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.governance.signing import SIGNERS_FILE
from fin_kedro.project.config import project_config
from fin_kedro.project.templates import laid_over
from fin_kedro.verification.departures import leaves
from fin_kedro.verification.worktree import NOW
from sealed_kernel.fixed import THREADS, fixed_environment

SEALED = "sealed"
# Of the caller's process, not of the run's.
DROPPED = (
    *("KEDRO_ENV", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "FIN_KEDRO_WARM_HOST", "PYTHONHOME"),
    "FIN_KEDRO_SIGNING_KEY",  # a scratch ledger is signed by a key of its own
)


class VerifyError(RuntimeError):
    """The run cannot be executed again; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The conditions of an execution: each factor as sealed, or what it shall be instead.

    ``code``: ``sealed``, ``now`` (the tree as it stands) or a git revision. ``data`` and
    ``parameters``: ``sealed`` or ``now`` (newest versions; conf as it stands). ``python``: an
    interpreter, None for this one. ``threads``: of BLAS and OpenMP, None as sealed.
    """

    code: str = SEALED
    data: str = SEALED
    parameters: str = SEALED
    python: Path | None = None
    threads: int | None = None

    @property
    def interpreter(self) -> str:
        """The interpreter that executes."""
        return str(self.python or sys.executable)

    def only(self, factors: frozenset[str]) -> World:
        """This world's `factors`; all others as sealed."""
        asked: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("code", "data", "parameters", "threads")
            if name in factors
        }
        if "environment" in factors:
            asked["python"] = self.python
        return World(**asked)

    def said(self) -> str:
        """What is not as sealed, in words; "" when all is."""
        parts = [f"{n} {getattr(self, n)}" for n in ("code", "data", "parameters")]
        parts = [part for part in parts if not part.endswith(f" {SEALED}")]
        parts += [f"python {self.python}"] if self.python else []
        parts += [f"{self.threads} threads"] if self.threads else []
        return ", ".join(parts)


def variables(
    world: World, tree: Path, sealed: Mapping[str, Any], *, kernel: bool = False
) -> dict[str, str]:
    """Variables of a process in a checkout: as sealed (``content.environment``), own threads.

    ``kernel``: of a notebook, whose kernel has every thread count from FIN_KEDRO_THREADS. In a run
    BLAS alone goes by it, whatever else was set, so there what BLAS used counts.
    """
    own = {name: value for name, value in os.environ.items() if name not in DROPPED}
    own |= fixed_environment(threads=world.threads)
    recorded = dict(sealed.get("fixed") or {})
    if world.threads is None:
        recorded |= {n: v for n, v in (sealed.get("threads") or {}).items() if n in THREADS}
    for name, value in recorded.items():
        own.pop(name, None)
        own |= {name: str(value)} if value is not None else {}
    used = recorded if kernel else sealed.get("threads") or {}
    threads = str(world.threads or used.get("OMP_NUM_THREADS" if kernel else "used") or 1)
    return {
        **own,
        "FIN_KEDRO_THREADS": threads if threads.isdecimal() else "1",
        # the environment is a factor here: verify says itself when it is not the locked one
        "FIN_KEDRO_SEALED": "0",
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def wanted_parameters(
    world: World, tree: Path, project: Path, seal: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Runtime parameters that make a checkout's conf resolve as wanted, and what to say of it.

    Wanted is what the seal recorded, or with `parameters` now what the project's conf says. The
    policy is read by Kedro's hooks too, so it is written into the checkout where it differs.
    """
    env = seal["content"]["subject"].get("env")
    wanted = dict(seal["content"]["parameters"])
    base = dict(seal.get("occasion", {}).get("runtime_params") or {})
    if world.parameters == NOW:
        wanted, base = resolved(project, env, wanted), {}
    policy = wanted.pop("policy", None)
    if (
        policy is not None
        and _inside(tree, project_config(tree, env, checked=False)["policy"]) != policy
    ):
        _write_policy(tree, env, policy)
    there = resolved(tree, env, wanted)
    surplus = [p for name, value in wanted.items() for p in _surplus(value, there[name], name)]
    for path in surplus:
        _remove_parameter(tree, env, path)
    if surplus:  # what stood in a section for several workflows is gone for the others, too
        there = resolved(tree, env, wanted)
    return _imposed(wanted, there, base)


def settle_conf(tree: Path, env: str | None) -> None:
    """Point the checkout's MLflow at itself, whatever server an environment names.

    Its ledger is signed by a key of the checkout's own, so nobody's list of keys binds it.
    """
    import yaml

    _settle_signers(tree / SIGNERS_FILE)
    config = dict(project_config(tree, env)["mlflow"])
    uri = str((config.get("server") or {}).get("mlflow_tracking_uri", ""))
    if tree.as_posix() in uri:
        return
    own = {
        "server": {"mlflow_tracking_uri": f"sqlite:///{tree.as_posix()}/data/mlflow/mlflow.db"},
        "tracking": {
            **(config.get("tracking") or {}),
            "experiment": {
                "name": "verify",
                "create_experiment_kwargs": {
                    "artifact_location": f"{tree.as_posix()}/data/mlflow/artifacts"
                },
            },
        },
    }
    for path in [*tree.glob(f"conf/{env or 'local'}/mlflow*.yml")]:
        path.unlink()
    target = tree / "conf" / (env or "local") / "mlflow.yml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(own), encoding="utf-8")


def _settle_signers(path: Path) -> None:
    """Drop the list of keys; how many entries are older than signing holds for a copy as well."""
    import yaml

    if not path.is_file():
        return
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    kept = {k: v for k, v in listed.items() if k != "signers"} if isinstance(listed, dict) else {}
    path.unlink()
    if "unsigned" in kept:
        path.write_text(yaml.safe_dump(kept), encoding="utf-8")


def bring_state(project: Path, tree: Path, env: str | None) -> None:
    """Copies of ledger and MLflow's tables for a checkout in which only some steps are executed.

    They look a registered model up there. Runs made in the copy keep their files in the checkout.
    """
    config = project_config(tree, env)
    uri = str((config["mlflow"].get("server") or {}).get("mlflow_tracking_uri", ""))
    named = {str(v) for p, v in leaves(dict(config["catalog"])) if p.rpartition(".")[2] == "ledger"}
    for target in map(Path, {*named, uri.removeprefix("sqlite:///")}):
        source = project / target.relative_to(tree) if target.is_relative_to(tree) else None
        if source is not None and source.is_file() and not target.exists():
            _copy_database(source, target, project, tree)


def _copy_database(source: Path, target: Path, project: Path, tree: Path) -> None:
    import sqlite3

    target.parent.mkdir(parents=True, exist_ok=True)
    reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
    writing = sqlite3.connect(target)
    try:
        reading.backup(writing)
        tables = {name for (name,) in writing.execute("SELECT name FROM sqlite_master")}
        if "experiments" in tables:
            writing.execute(
                "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)",
                (project.as_posix(), tree.as_posix()),
            )
        writing.commit()
    finally:
        reading.close()
        writing.close()


def resolved(project: Path, env: str | None, names: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters `names` (as in a seal) as a project's conf resolves them now, without runs'."""
    config = project_config(project, env, checked=False)
    parameters, found = config["parameters"], {}
    for name in names:
        if name == "policy":
            found[name] = _inside(project, config["policy"])
            continue
        value: Any = parameters
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        found[name] = _inside(project, value)
    return found


def _inside(root: Path, content: Any) -> Any:
    """Paths inside the project, seen from it, as seals have them."""
    if isinstance(content, Mapping):
        return {str(key): _inside(root, value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_inside(root, value) for value in content]
    if isinstance(content, str):
        return content.removeprefix(f"{root.as_posix()}/")
    return content if content is None or isinstance(content, bool | int | float) else str(content)


def _write_policy(tree: Path, env: str | None, policy: Mapping[str, Any]) -> None:
    """Make the checkout's policy what the seal recorded: one file, and no others beside."""
    import yaml

    for folder in {"base", env or "local"}:
        for path in (tree / "conf" / folder).glob("policy*.yml"):
            path.unlink()
    text = yaml.safe_dump(dict(policy), sort_keys=False, allow_unicode=True)
    (tree / "conf/base/policy.yml").write_text(text, encoding="utf-8")


def _surplus(wanted: Any, there: Any, path: str) -> Iterator[str]:
    """Paths of parameters that a checkout's conf has and the wanted ones have not."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for name, value in there.items():
            if name not in wanted:
                yield f"{path}.{name}"
            else:
                yield from _surplus(wanted[name], value, f"{path}.{name}")


def _remove_parameter(tree: Path, env: str | None, dotted: str) -> None:
    """Take a parameter out of the checkout's conf; runtime parameters can only add and change.

    It may stand under the workflow's name, or in a section for all workflows, or those of a kind.
    """
    import yaml

    head, *above, last = dotted.split(".")
    for folder in {"base", env or "local"}:
        for path in (tree / "conf" / folder).rglob("*parameters*.yml"):
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            for section in [n for n in content if n == head or n.startswith("{")]:
                place: Any = content[section]
                for name in above:
                    place = place.get(name) if isinstance(place, Mapping) else None
                if isinstance(place, dict) and last in place:
                    del place[last]
                    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _imposed(
    wanted: Mapping[str, Any], there: Mapping[str, Any], base: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Nested runtime parameters over `base` that turn `there` into `wanted`, and what to say."""
    imposed, said = laid_over({}, base), []
    for name, value in wanted.items():
        if there.get(name) == value:
            continue
        own = _at(base, name)
        given = {} if own is None else dict(leaves(own))
        for path in _changed(value, there.get(name)):
            full = f"{name}.{path}".rstrip(".")
            now = _at({"": value}, f".{path}".rstrip(".")) if path else value
            imposed = laid_over(imposed, _nested(full, now))
            if path not in given:
                said.append(
                    f"taken from the seal, as conf at that commit says otherwise: {full} = {now}"
                )
    return imposed, said


def _changed(wanted: Any, there: Any, path: str = "") -> Iterator[str]:
    """Paths (of mappings) at which `wanted` has another value than `there`; lists count whole."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping) and wanted:
        for name, value in wanted.items():
            inner = f"{path}.{name}" if path else str(name)
            if name not in there:
                yield inner
            else:
                yield from _changed(value, there[name], inner)
    elif wanted != there:
        yield path


def _at(content: Mapping[str, Any], dotted: str) -> Any:
    value: Any = content
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for part in reversed(dotted.split(".")):
        value = {part: value}
    return dict(value)

"""A sealed run executed again from its seal alone, compared with what it left, and graded.

Code comes from the commit, data by content hash, parameters and selection as recorded; the
environment is held against the lock. `World` says which of these shall be another instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fin_kedro.project.config import project_config
from fin_kedro.seals.seal import (
    SealError,
    check_seal,
    find_seal,
    list_seals,
    read_patch,
    read_seal,
)
from fin_kedro.seals.withholding import not_executable
from fin_kedro.storage.canonical import canonical_outputs, inside, json_hash
from fin_kedro.storage.dataset_state import DatasetHashes
from fin_kedro.verification import rerun
from fin_kedro.verification.causes import Attempt, Cause, find_cause, shorten
from fin_kedro.verification.comparison import (
    Comparison,
    Output,
    Rules,
    compare_notebooks,
    compare_runs,
    read_rules,
)
from fin_kedro.verification.conditions import (
    SEALED,
    VerifyError,
    World,
    bring_state,
    settle_conf,
    variables,
    wanted_parameters,
)
from fin_kedro.verification.entries import entered
from fin_kedro.verification.inputs import (
    AS_SEALED,
    Input,
    Placed,
    bring_raw,
    find_input,
    place_inputs,
    raw_inputs,
)
from fin_kedro.verification.worktree import (
    NOW,
    Checkout,
    checkout,
    committed_file,
    resolve_revision,
)

PIPELINE, NOTEBOOK = "pipeline", "notebook"
SEAL_FILE = "seal.json"
SECONDS = 3600  # that one execution may take
CELL_SECONDS = 900
TAIL = 12
ENVIRONMENT_CHECK = """
import json, sys
from pathlib import Path
from sealed_kernel.environment import compare
found = compare(Path(sys.argv[1]))
print(json.dumps({"matches": found.matches, "summary": found.summary(), "lock": found.lock_sha256,
                  "distributions": found.distributions_sha256, "libraries": found.libraries}))
"""
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution: the seal it made, its files, what was said of it, and how long it took."""

    seal: Mapping[str, Any] | None
    project: Path
    notebook: Path | None = None
    notes: tuple[str, ...] = ()
    placed: tuple[Placed, ...] = ()
    error: str | None = None
    seconds: float = 0.0

    def file_of(self, name: str) -> Path | None:
        """The file of a dataset that this execution wrote; None when there is none."""
        return _recorded_file(self.seal or {}, self.project, name)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The outcome: grade, what departs and why, and what a reader should know."""

    run: str
    subject: str
    grade: str
    holds: bool
    comparison: Comparison
    cause: Cause | None = None
    notes: tuple[str, ...] = ()
    environment: str = ""
    world: str = ""
    seconds: float = 0.0
    digest: str = ""
    kept: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The verification as plain JSON."""
        first = self.comparison.decisive
        return {
            "run": self.run,
            "subject": self.subject,
            "seal": self.digest,
            "grade": self.grade,
            "holds": self.holds,
            "environment": self.environment,
            "world": self.world,
            "seconds": round(self.seconds, 1),
            "notes": list(self.notes),
            "kept": self.kept,
            "judgements": self.comparison.judgements,
            "changed": list(self.comparison.changed)[:50],
            "first": first and {"step": first.step, "output": first.name, "what": first.first},
            "cause": self.cause
            and {
                "kind": self.cause.kind,
                "factors": list(self.cause.factors),
                "details": list(self.cause.details)[:50],
                "sentence": self.cause.sentence,
                "swaps": [vars(swap) for swap in self.cause.swaps],
            },
            "outputs": [
                {
                    "step": o.step,
                    "name": o.name,
                    "grade": o.grade,
                    "note": o.note,
                    "differences": [str(d) for d in o.differences],
                }
                for o in self.comparison.outputs
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A sealed run of a project: where its seal lies, what it says, its patch.

    ``steps``: those to verify; None for all. A report is one step of its run.
    """

    project: Path
    path: Path
    seal: Mapping[str, Any]
    patch: str | None = None
    env: str | None = None
    steps: tuple[str, ...] | None = None

    @property
    def content(self) -> Mapping[str, Any]:
        """What the seal's digest covers."""
        content: Mapping[str, Any] = self.seal["content"]
        return content

    @property
    def run(self) -> str:
        """The run's id; a notebook's path."""
        return str(self.occasion.get("run") or self.path.stem)

    @property
    def occasion(self) -> Mapping[str, Any]:
        """Times, versions and places; empty for a notebook, which carries none."""
        occasion: Mapping[str, Any] = self.seal.get("occasion", {})
        return occasion

    @property
    def kind(self) -> str:
        """`pipeline` or `notebook`."""
        return str(self.content["kind"])

    @property
    def subject(self) -> str:
        """What was run, in a few words."""
        subject = self.content["subject"]
        if self.kind == NOTEBOOK:
            return str(subject["notebook"])
        chosen = [f"{k} {', '.join(v)}" for k, v in subject["selection"].items() if v]
        env = f" --env {subject['env']}" if subject.get("env") else ""
        return ", ".join([*(self.steps or subject["pipelines"]), *chosen]) + env

    def file_of(self, name: str) -> Path | None:
        """The file of a dataset as the run left it; None when it is gone."""
        return _recorded_file(self.seal, self.project, name)


def open_sealed(project: Path, run: str, env: str | None = None) -> Sealed:
    """The sealed run that a person names: an id or prefix, ``latest``, or a path.

    A path is of a seal, an executed notebook or a report. Raises SealError when there is none.
    """
    path = find_seal(project, run, env).resolve()
    if found := _step_of_run(path):
        path, steps = found
    else:
        steps = None
    seal, patch = read_seal(path), read_patch(path)
    return Sealed(
        project=project,
        path=path,
        seal=_with_occasion(path, seal),
        patch=None if patch is None else patch.decode("utf-8", "surrogateescape"),
        env=seal.get("content", {}).get("subject", {}).get("env"),
        steps=steps,
    )


def _step_of_run(path: Path) -> tuple[Path, tuple[str, ...]] | None:
    """The run's seal, and the step that wrote this file, when the file is an output of a run."""
    if path.name == SEAL_FILE:
        return None
    for folder in path.parents[1:5]:
        seal = folder / SEAL_FILE / path.parent.name / SEAL_FILE
        if not seal.is_file():
            continue
        content = read_seal(seal)
        for name, place in content["occasion"]["datasets"].items():
            steps = content["content"]["steps"].items()
            makers = [step for step, entry in steps if name in entry["written"]]
            if makers and path.as_posix().endswith(f"/{place['path']}"):
                return seal, tuple(makers)
    return None


def _with_occasion(path: Path, seal: dict[str, Any]) -> dict[str, Any]:
    """The seal of a notebook with its occasion, which lies beside the notebook if anywhere."""
    beside = path.with_name("occasion.json")
    if "occasion" not in seal and beside.is_file():
        return {**seal, "occasion": json.loads(beside.read_text(encoding="utf-8"))}
    return seal


def _recorded_file(seal: Mapping[str, Any], project: Path, name: str) -> Path | None:
    """Where the seal says that a dataset lies, to be read; None when it is not there."""
    place = seal.get("occasion", {}).get("datasets", {}).get(name, {}).get("path")
    if not place:
        return None
    path = Path(place) if Path(place).is_absolute() else inside(project, place, links=True)
    return path if path and path.exists() else None


def project_rules(project: Path, env: str | None = None) -> Rules:
    """The project's `verification.yml`; exact equality, at least B, where there is none."""
    from kedro.config import MissingConfigException

    try:
        return read_rules(project_config(project, env)["verification"])
    except MissingConfigException:
        return Rules()


class Verifier:
    """Executes one sealed run again, under the world that is asked for.

    Args:
        sealed: the run.
        world: conditions that shall differ from the sealed ones.
        rules: what counts as the same; the project's by default.
        at_least: the grade that holds, instead of that of the rules.
        keep: leave the scratch checkouts behind.
        say: told what is going on, a line at a time.
    """

    def __init__(
        self,
        sealed: Sealed,
        world: World | None = None,
        *,
        rules: Rules | None = None,
        at_least: str | None = None,
        keep: bool = False,
        say: Say = lambda _: None,
    ) -> None:
        check_places(sealed.content["subject"])
        self.sealed, self.world = sealed, world or World()
        self.rules = (rules or project_rules(sealed.project, sealed.env)).asking(at_least)
        self._keep, self._say = keep, say
        self._open = ExitStack()
        self._roots = [sealed.project]

    def __enter__(self) -> Verifier:
        """Scratch checkouts live until the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove them."""
        self._open.close()

    @cached_property
    def _catalog(self) -> Any:
        """The project's catalog; None when conf has changed so that it does not open."""
        from fin_kedro.project.evidence import open_catalog

        try:
            return open_catalog(project_path=self.sealed.project, env=self.sealed.env or "base")
        except (OSError, ValueError):
            return None

    @cached_property
    def _hash_of(self) -> DatasetHashes:
        return DatasetHashes(self._catalog)

    @cached_property
    def _places(self) -> dict[str, dict[str, Any]]:
        """Path and version of each dataset: as recorded, else as the catalog has it now."""
        places = dict(self.sealed.occasion.get("datasets") or {})
        for name in self.sealed.content["data"]["read"]:
            if not places.get(name, {}).get("path") and (place := self._place_now(name)):
                places[name] = place
        return places

    def _place_now(self, name: str) -> dict[str, Any] | None:
        if self._catalog is None or name not in self._catalog:
            return None
        dataset, project = self._catalog.get(name), self.sealed.project
        path = Path(str(getattr(dataset, "_filepath", "")))
        version = None
        if getattr(dataset, "_version", None):
            version = max((p.parent.name for p in path.glob(f"*/{path.name}")), default=None)
            path = path / str(version) / path.name
        path = path.relative_to(project) if path.is_relative_to(project) else path
        return {"path": str(path), "version": version}

    # The environment

    @cached_property
    def environment(self) -> dict[str, Any]:
        """The interpreter's distributions against the project's lock, and the sealed ones."""
        lock = self.sealed.project / "requirements.lock"
        command = [self._python(self.world), "-c", ENVIRONMENT_CHECK, str(lock)]
        own = Path(rerun.__file__).parents[2]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(own)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise VerifyError(f"{command[0]} cannot run this project: {last}")
        found: dict[str, Any] = json.loads(done.stdout)
        sealed = self.sealed.content["environment"]
        found["as_sealed"] = found["distributions"] == sealed.get("distributions")
        return found

    def environment_words(self) -> str:
        """One line about the environment."""
        found = self.environment
        if found["as_sealed"]:
            return "the same libraries as in the seal"
        return f"other libraries than in the seal: {found['summary']}"

    @staticmethod
    def _python(world: World) -> str:
        return str(world.python or sys.executable)

    # Execution

    def execute(self, world: World, steps: Sequence[str] | None = None) -> Execution:
        """Execute the run again in `world`; only `steps`, from sealed inputs, if given."""
        began, sealed = time.perf_counter(), self.sealed
        steps = steps if steps is not None else sealed.steps
        tree = self._checkout(world)
        names = None if steps is None else self._outside(steps)
        inputs = raw_inputs(sealed.content, self._places, names)
        placed = place_inputs(
            inputs,
            tree.path,
            [*self._roots, *self._committed(world, tree, inputs)],
            hash_of=self._hash_of,
            today=sealed.project if world.data == NOW and steps is None else None,
        )
        if world.data == NOW and steps is not None:
            placed += self._today(tree, steps)
        if sealed.kind == NOTEBOOK:
            bring_raw(sealed.project, tree.path)
        notes = [tree.note, *(str(p) for p in placed if p.state != AS_SEALED)]
        spec = self._spec(world, tree, steps, placed, notes)
        error = self._run(world, tree, spec)
        seal, notebook = self._made(tree, spec)
        return Execution(
            seal=seal,
            project=tree.path,
            notebook=notebook,
            notes=tuple(n for n in notes if n),
            placed=tuple(placed),
            error=error,
            seconds=time.perf_counter() - began,
        )

    def _committed(self, world: World, tree: Checkout, inputs: Sequence[Input]) -> list[Path]:
        """A folder with raw inputs that are part of the sealed commit, where code is another."""
        commit = self.sealed.content["code"].get("commit")
        if world.code == SEALED or not commit:
            return []
        folder = tree.path.parent / "committed"
        for wanted in inputs:
            if not Path(wanted.path).is_absolute():
                committed_file(self.sealed.project, commit, wanted.path, folder / wanted.path)
        return [folder]

    def _today(self, tree: Checkout, steps: Sequence[str]) -> list[Placed]:
        """Raw inputs of some steps as they are today; what the run made itself stays as sealed."""
        raw = set(self.sealed.content["data"]["read"])
        names = [name for name in self._outside(steps) if name in raw]
        return place_inputs(
            raw_inputs(self.sealed.content, self._places, names),
            tree.path,
            self._roots,
            hash_of=self._hash_of,
            today=self.sealed.project,
        )

    def _checkout(self, world: World) -> Checkout:
        revision = None if world.code == SEALED else world.code
        if self._withheld(world):  # then the tree as it stands is the sealed code (see `verify`)
            revision = NOW
        if revision and revision != NOW:
            revision = resolve_revision(self.sealed.project, revision)
        return self._open.enter_context(
            checkout(
                self.sealed.project,
                self.sealed.content["code"],
                patch=self.sealed.patch,
                revision=revision,
                same_code=self._same_code,
                keep=self._keep,
            )
        )

    def _withheld(self, world: World) -> bool:
        """Whether the sealed code is wanted, and its seal lacks a part that showed a secret."""
        return world.code == SEALED and "patch_withheld" in self.sealed.content["code"]

    def _same_code(self) -> bool:
        """Whether the tree as it stands is the sealed code: package, and the notebooks used."""
        from fin_kedro.seals.code_state import package_hash
        from fin_kedro.seals.modules import notebook_hash

        code, project = self.sealed.content["code"], self.sealed.project
        notebooks = {n: project / n for n in code.get("notebooks") or {}}
        return package_hash(project / "src") == code.get("package") and all(
            path.is_file() and notebook_hash(path) == code["notebooks"][name]
            for name, path in notebooks.items()
        )

    def _outside(self, steps: Sequence[str]) -> list[str]:
        """What some steps read and none of them makes."""
        entries = [self.sealed.content["steps"][step] for step in steps]
        made = {name for entry in entries for name in entry["written"]}
        read = {name for entry in entries for name in entry["read"]}
        return sorted(n for n in read - made if not n.startswith("params:") and n != "parameters")

    def _spec(
        self,
        world: World,
        tree: Checkout,
        steps: Sequence[str] | None,
        placed: Sequence[Placed],
        notes: list[str],
    ) -> dict[str, Any]:
        content = self.sealed.content
        subject = content["subject"]
        spec = {
            "kind": self.sealed.kind,
            "env": subject.get("env"),
            "result": str(tree.path.parent / f"result-{tree.path.name}.json"),
        }
        if self.sealed.kind == NOTEBOOK:
            output = tree.path.parent / Path(subject["notebook"]).name
            return {
                **spec,
                "notebook": subject["notebook"],
                "output": str(output),
                "parameters": self._notebook_parameters(),
                "timeout": CELL_SECONDS,
            }
        settle_conf(tree.path, subject.get("env"))
        if steps is not None or any(p.path.is_dir() for p in placed):
            bring_state(self.sealed.project, tree.path, subject.get("env"))
        params, said = wanted_parameters(world, tree.path, self.sealed.project, self.sealed.seal)
        notes += said
        selection = subject["selection"]
        run = (
            {"node_names": list(steps)}
            if steps is not None
            else {k: v for k, v in selection.items() if v}
        )
        versions = {
            p.name: p.path.parent.name for p in placed if self._places[p.name].get("version")
        }
        run |= {"pipeline_names": subject["pipelines"], "load_versions": versions}
        return {**spec, "runtime_params": params, "run": run}

    def _notebook_parameters(self) -> dict[str, Any]:
        parameters = self.sealed.content["parameters"]
        return {name: value for name, value in parameters.items() if name != "policy"}

    def _run(self, world: World, tree: Checkout, spec: Mapping[str, Any]) -> str | None:
        """Run in a process of its own; the error that stopped it, None when it went through."""
        content = self.sealed.content
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(spec, file)
        log = tree.path.parent / "log.txt"
        try:
            with log.open("w", encoding="utf-8") as out:
                code = subprocess.run(
                    [self._python(world), "-P", rerun.__file__, file.name],
                    cwd=tree.path,
                    env=variables(
                        world,
                        tree.path,
                        content["environment"],
                        kernel=self.sealed.kind == NOTEBOOK,
                    ),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    timeout=SECONDS,
                    check=False,
                ).returncode
        except subprocess.TimeoutExpired:
            return f"it was stopped after {SECONDS} s"
        finally:
            Path(file.name).unlink(missing_ok=True)
        result = Path(spec["result"])
        if code or not result.is_file():
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return f"it ended with status {code}:\n" + "\n".join(lines[-TAIL:])
        error = json.loads(result.read_text(encoding="utf-8"))["error"]
        return None if error is None else str(error)

    def _made(
        self, tree: Checkout, spec: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any] | None, Path | None]:
        """The seal of what was just executed, and the executed notebook if it is one."""
        if self.sealed.kind == NOTEBOOK:
            output = Path(spec["output"])
            try:
                return (read_seal(output), output) if output.is_file() else (None, None)
            except ValueError:
                return None, output
        # where conf keeps seals outside the checkout, those are not of this execution
        seals = [p for p in list_seals(tree.path, spec["env"]) if p.is_relative_to(tree.path)]
        return (read_seal(seals[0]) if seals else None), None

    # The verification

    def verify(self, *, causes: bool = True) -> Verification:
        """Execute again, compare, and name the cause of what is not identical.

        Raises SealError when the seal itself does not check, VerifyError, WorktreeError or
        InputError when the run cannot be executed again.
        """
        began, sealed = time.perf_counter(), self.sealed
        check_seal(sealed.seal)
        check_consistent(sealed.content)
        needed = self._withheld(self.world) and not self._same_code()
        if why := not_executable(sealed.content, code=needed):
            raise VerifyError(why)
        forged, said = entered(sealed.seal, sealed.path, project=sealed.project, env=sealed.env)
        self._say(f"executing {sealed.subject} again")
        made = self.execute(self.world)
        self._roots.append(made.project)
        if made.seal is None:
            raise VerifyError(f"{sealed.subject} could not be executed again: {made.error}")
        comparison, altered = self.compare(made)
        by_itself = altered is not None and altered.kind == "seal"  # it says where, too
        cause = altered if by_itself or forged is None else forged
        if cause is None and comparison.grade != "A" and causes:
            cause = self._cause(made, comparison)
        notes = [*made.notes, *said]
        outcomes = sealed.content["outcome"], made.seal["content"]["outcome"]
        if outcomes == ("completed", "failed"):
            notes.append(f"this time it failed: {made.error}")
        if outcomes == ("failed", "completed"):
            notes.append("the sealed run had failed; this time it came to its end")
        return Verification(
            run=sealed.run,
            subject=sealed.subject,
            grade=comparison.grade,
            holds=self.rules.accepts(comparison.grade) and forged is None,
            comparison=comparison,
            cause=cause,
            notes=tuple(notes),
            environment=self.environment_words(),
            world=self.world.said(),
            seconds=time.perf_counter() - began,
            digest=str(sealed.seal["digest"]),
            kept=str(made.project) if self._keep else None,
        )

    def compare(self, made: Execution) -> tuple[Comparison, Cause | None]:
        """Grades of every output; a cause where files or the seal were altered after the run."""
        sealed, found = self.sealed.content, (made.seal or {})["content"]
        notebook = self.sealed.kind == NOTEBOOK
        stored = self._stored_hashes()
        altered = {key: digest for key, digest in stored.items() if digest != _hash(sealed, key)}
        # what lies there equals what was made now, and only the seal says otherwise
        wrong = [key for key, digest in altered.items() if digest == _hash(found, key)]
        files = {key: digest for key, digest in altered.items() if key not in wrong}
        content = _with_hashes(sealed, files)
        comparison = (
            compare_notebooks(
                content,
                found,
                stored=self.sealed.path,
                made=made.notebook or Path(),
                rules=self.rules,
                name=self.sealed.subject,
            )
            if notebook
            else compare_runs(
                content,
                found,
                stored=self.sealed.file_of,
                made=made.file_of,
                rules=self.rules,
                only=self.sealed.steps,
            )
        )
        return _with_wrong(comparison, wrong), _altered(comparison, list(files), wrong)

    def _stored_hashes(self) -> dict[tuple[str, str], str]:
        """Content hashes that the outputs have now, by step and name; only what is still there."""
        sealed = self.sealed
        steps = sealed.content["steps"]
        if sealed.kind == NOTEBOOK:
            now = canonical_outputs(sealed.path)
            named = {step: step.partition("(#")[2].removesuffix(")") for step in steps}
            return {(step, "output"): now[c] for step, c in named.items() if c in now}
        wanted = [step for step in steps if sealed.steps is None or step in sealed.steps]
        return {
            (step, name): self._hash_of(name, path)
            for step in wanted
            for name in steps[step]["written"]
            if (path := sealed.file_of(name)) is not None
        }

    # Causes

    def _cause(self, made: Execution, comparison: Comparison) -> Cause:
        sealed = self.sealed.content
        found = (made.seal or {})["content"]
        steps = list(dict.fromkeys(output.step for output in comparison.departing))
        self._say(f"{steps[0]} departs; looking for the cause, one factor at a time")
        cause = find_cause(sealed=sealed, found=found, departing=steps, attempt=self._attempt)
        if "environment" in cause.factors:
            return replace(cause, details=self._with_libraries(cause.details))
        if made.error and cause.kind == "unknown":
            return replace(cause, sentence=f"it failed this time: {made.error.splitlines()[0]}")
        return cause

    def _with_libraries(self, details: tuple[str, ...]) -> tuple[str, ...]:
        """The details of an environment with the libraries that differ, which a digest hides."""
        sealed, now = self.sealed.occasion.get("libraries"), self.environment["libraries"]
        if sealed is None:  # an old seal, or a notebook's: the lock as it is may still say which
            more = [] if self.environment["matches"] else [self.environment["summary"]]
            return (*details, *more)
        changed = [
            f"{name}: {sealed.get(name, 'not there')} became {now.get(name, 'not there')}"
            for name in sorted({*sealed, *now})
            if sealed.get(name) != now.get(name)
        ]
        return (*changed, *(d for d in details if d != "distributions" or not changed))

    def _attempt(self, factors: frozenset[str], steps: Sequence[str] | None) -> Attempt:
        """One more execution for the search; steps alone where their sealed inputs are there."""
        world = self.world.only(factors)
        said = f"only {', '.join(sorted(factors))} as now" if factors else "all as sealed"
        self._say(f"  {said}: {', '.join(steps or ())}")
        alone = None if self.sealed.kind == NOTEBOOK else steps
        if alone is not None and not self._has_inputs(alone):
            alone = None
        try:
            made = self.execute(world, alone)
            if made.seal is None and alone is not None:
                made = self.execute(world)
        except (RuntimeError, ValueError) as error:
            return Attempt(content=None, problem=str(error))
        if made.seal is None:
            return Attempt(content=None, problem=str(made.error))
        return Attempt(content=self._with_inputs(made))

    def _has_inputs(self, steps: Sequence[str]) -> bool:
        """Whether all that some steps read, and none of them makes, is still there as sealed."""
        names = self._outside(steps)
        raw = set(self.sealed.content["data"]["read"])
        return all(name in self._places for name in names) and all(
            find_input(wanted, self._roots, hash_of=self._hash_of) is not None
            for wanted in raw_inputs(self.sealed.content, self._places, names)
            if wanted.name not in raw
        )

    def _with_inputs(self, made: Execution) -> Mapping[str, Any]:
        """The content of an execution of single steps: only raw data count as its data."""
        content = dict((made.seal or {})["content"])
        raw = set(self.sealed.content["data"]["read"])
        read = {n: h for n, h in content["data"]["read"].items() if n in raw}
        return {**content, "data": {**content["data"], "read": read}}


def first_words(output: Output | None) -> str:
    """The output that departs, with its figure, in one line; "" for none."""
    if output is None:
        return ""
    where = output.step if output.name == "output" else f"{output.step}, {output.name}"
    return f"{where}: {output.first}" if output.first else where


def check_places(subject: Mapping[str, Any]) -> None:
    """SealError when the conf environment or the notebook of a run leads out of the project."""
    named = [str(subject.get(part) or "none") for part in ("env", "notebook")]
    out = [path for path in named if inside(Path(), path, links=True) is None]
    if out or len(Path(named[0]).parts) != 1:
        raise SealError(
            f"the seal names the environment {named[0]!r} and the notebook {named[1]!r}; the one "
            "is a folder of conf, the other a path inside the project. The seal was edited."
        )


def check_consistent(content: Mapping[str, Any]) -> None:
    """SealError when a seal contradicts itself, as one does whose digests were made anew.

    What a step read as a parameter must be the parameter that the seal gives; what the run wrote
    must be what its steps wrote.
    """
    parameters, written = content["parameters"], content["data"]["written"]
    for step, entry in content["steps"].items():
        for name, digest in entry["read"].items():
            plain = name.removeprefix("params:")
            if plain != name and plain in parameters and json_hash(parameters[plain]) != digest:
                raise SealError(_contradiction(step, f"read another parameter {plain!r}"))
        for name, digest in entry["written"].items():
            if name in written and written[name] != digest and content["kind"] == PIPELINE:
                raise SealError(_contradiction(step, f"wrote another {name!r}"))


def _contradiction(step: str, what: str) -> str:
    return (
        f"the seal contradicts itself: {step} {what} than the seal says; it was changed after it "
        "was made, and its digests too. Take the copy in MLflow (artifact seal.json)."
    )


def _hash(content: Mapping[str, Any], key: tuple[str, str]) -> str | None:
    step, name = key
    digest: str | None = content["steps"].get(step, {"written": {}})["written"].get(name)
    return digest


def _with_hashes(
    content: Mapping[str, Any], hashes: Mapping[tuple[str, str], str]
) -> Mapping[str, Any]:
    """The content with other hashes of some outputs."""
    if not hashes:
        return content
    copy: dict[str, Any] = json.loads(json.dumps(content))
    for (step, name), digest in hashes.items():
        copy["steps"][step]["written"][name] = digest
    return copy


def _with_wrong(comparison: Comparison, wrong: Sequence[tuple[str, str]]) -> Comparison:
    """Outputs of which the seal alone says something else differ, whatever their values."""
    outputs = tuple(
        replace(o, grade="D", note="the seal states another hash", differences=())
        if (o.step, o.name) in wrong
        else o
        for o in comparison.outputs
    )
    return replace(comparison, outputs=outputs)


def _altered(
    comparison: Comparison, files: Sequence[tuple[str, str]], wrong: Sequence[tuple[str, str]]
) -> Cause | None:
    """What was altered after the run: then nothing needs to be swapped to know why."""
    named = [_output_name(key) for key in [*wrong, *files]]
    if wrong:
        text = (
            f"seal: it states another hash of {shorten(named)} than the stored output and this "
            "execution both have; the seal was altered after the run"
        )
        return Cause(kind="seal", factors=("seal",), details=tuple(named), sentence=text)
    departing = {(output.step, output.name) for output in comparison.departing}
    if not departing & set(files):
        return None
    others = [_output_name(key) for key in departing - set(files)]
    rest = (
        f"beside it {shorten(others)} departs" if others else "this execution gives the sealed one"
    )
    text = f"output: {shorten(named)} was altered after the run; {rest}"
    return Cause(kind="output", factors=("output",), details=tuple(named), sentence=text)


def _output_name(key: tuple[str, str]) -> str:
    return key[0] if key[1] == "output" else key[1]

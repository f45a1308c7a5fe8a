"""One execution of a sealed run: a scratch checkout, its inputs by content, conf as wanted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.seals.seal import list_seals, read_seal
from fin_kedro.verification.conditions import (
    SEALED,
    World,
    bring_state,
    settle_conf,
    wanted_parameters,
)
from fin_kedro.verification.inputs import (
    AS_SEALED,
    Input,
    Placed,
    bring_raw,
    find_input,
    place_inputs,
    raw_inputs,
)
from fin_kedro.verification.places import Places
from fin_kedro.verification.process import CELL_SECONDS, run_to_end
from fin_kedro.verification.sealed_run import Sealed, recorded_file
from fin_kedro.verification.worktree import (
    NOW,
    Checkout,
    checkout,
    committed_file,
    resolve_revision,
)


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

    @property
    def content(self) -> Mapping[str, Any]:
        """What the digest of its seal covers; there must be a seal."""
        content: Mapping[str, Any] = (self.seal or {})["content"]
        return content

    def file_of(self, name: str) -> Path | None:
        """The file of a dataset that this execution wrote; None when there is none."""
        return recorded_file(self.seal or {}, self.project, name)


class Executor:
    """Executes one sealed run, each time in a scratch checkout of its own.

    Args:
        sealed: the run.
        keep: leave the checkouts behind; else they live until `close`.

    ``roots``: projects in which sealed inputs are looked for, the user's first.
    """

    def __init__(self, sealed: Sealed, *, keep: bool = False) -> None:
        self.sealed, self.places = sealed, Places(sealed)
        self.roots = [sealed.project]
        self._keep, self._open = keep, ExitStack()

    def close(self) -> None:
        """Remove the checkouts."""
        self._open.close()

    def execute(self, world: World, steps: Sequence[str] | None = None) -> Execution:
        """Execute the run again in `world`; only `steps`, from sealed inputs, if given."""
        began, sealed = time.perf_counter(), self.sealed
        steps = steps if steps is not None else sealed.steps
        tree = self._checkout(world)
        placed = self._place(world, tree, steps)
        notes = [tree.note, *(str(p) for p in placed if p.state != AS_SEALED)]
        spec, said = self._spec(world, tree, steps, placed)
        error = run_to_end(
            spec,
            tree=tree.path,
            world=world,
            environment=sealed.content["environment"],
            kernel=sealed.is_notebook,
        )
        seal, notebook = self._made(tree, spec)
        return Execution(
            seal=seal,
            project=tree.path,
            notebook=notebook,
            notes=tuple(n for n in (*notes, *said) if n),
            placed=tuple(placed),
            error=error,
            seconds=time.perf_counter() - began,
        )

    def has_inputs(self, steps: Sequence[str]) -> bool:
        """Whether all that some steps read, and none of them makes, is still there as sealed."""
        names, recorded = self.sealed.needed_by(steps), self.places.recorded
        return all(name in recorded for name in names) and all(
            find_input(wanted, self.roots, hash_of=self.places.hash_of) is not None
            for wanted in raw_inputs(self.sealed.content, recorded, names)
            if wanted.name not in self.sealed.raw
        )

    # The checkout and its inputs

    def _checkout(self, world: World) -> Checkout:
        sealed = self.sealed
        revision = None if world.code == SEALED else world.code
        if world.code == SEALED and sealed.lacks_patch:
            revision = NOW  # the tree as it stands is the sealed code (see `Verifier.verify`)
        if revision and revision != NOW:
            revision = resolve_revision(sealed.project, revision)
        return self._open.enter_context(
            checkout(
                sealed.project,
                sealed.content["code"],
                patch=sealed.patch,
                revision=revision,
                same_code=sealed.is_code_of_tree,
                keep=self._keep,
            )
        )

    def _place(self, world: World, tree: Checkout, steps: Sequence[str] | None) -> list[Placed]:
        """Put the inputs of some steps (None: of the run) into the checkout."""
        sealed, names = self.sealed, None if steps is None else self.sealed.needed_by(steps)
        inputs = raw_inputs(sealed.content, self.places.recorded, names)
        placed = place_inputs(
            inputs,
            tree.path,
            [*self.roots, *self._committed(world, tree, inputs)],
            hash_of=self.places.hash_of,
            today=sealed.project if world.data == NOW and steps is None else None,
        )
        if world.data == NOW and steps is not None:
            placed += self._today(tree, steps)
        if sealed.is_notebook:
            bring_raw(sealed.project, tree.path)
        return placed

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
        sealed = self.sealed
        names = [name for name in sealed.needed_by(steps) if name in sealed.raw]
        return place_inputs(
            raw_inputs(sealed.content, self.places.recorded, names),
            tree.path,
            self.roots,
            hash_of=self.places.hash_of,
            today=sealed.project,
        )

    # What `rerun.py` is told, and what it leaves

    def _spec(
        self, world: World, tree: Checkout, steps: Sequence[str] | None, placed: Sequence[Placed]
    ) -> tuple[dict[str, Any], list[str]]:
        """The specification of an execution, and what to say of what conf had to be made."""
        spec = {
            "kind": self.sealed.content["kind"],
            "env": self.sealed.content["subject"].get("env"),
            "result": str(tree.path.parent / f"result-{tree.path.name}.json"),
        }
        if self.sealed.is_notebook:
            return {**spec, **self._notebook(tree)}, []
        params, said = self._parameters(world, tree, steps, placed)
        return {**spec, "runtime_params": params, "run": self._selection(steps, placed)}, said

    def _notebook(self, tree: Checkout) -> dict[str, Any]:
        notebook, parameters = (self.sealed.content[n] for n in ("subject", "parameters"))
        return {
            "notebook": notebook["notebook"],
            "output": str(tree.path.parent / Path(notebook["notebook"]).name),
            "parameters": {name: v for name, v in parameters.items() if name != "policy"},
            "timeout": CELL_SECONDS,
        }

    def _parameters(
        self, world: World, tree: Checkout, steps: Sequence[str] | None, placed: Sequence[Placed]
    ) -> tuple[dict[str, Any], list[str]]:
        """Runtime parameters, once the checkout's conf is settled; and what to say of them."""
        project, env = self.sealed.project, self.sealed.content["subject"].get("env")
        settle_conf(tree.path, env)
        if steps is not None or any(p.path.is_dir() for p in placed):
            bring_state(project, tree.path, env)
        return wanted_parameters(world, tree.path, project, self.sealed.seal)

    def _selection(self, steps: Sequence[str] | None, placed: Sequence[Placed]) -> dict[str, Any]:
        """What `KedroSession.run` is given: steps alone, else the selection as recorded."""
        subject, recorded = self.sealed.content["subject"], self.places.recorded
        chosen = (
            {"node_names": list(steps)}
            if steps is not None
            else {k: v for k, v in subject["selection"].items() if v}
        )
        versions = {p.name: p.path.parent.name for p in placed if recorded[p.name].get("version")}
        return {**chosen, "pipeline_names": subject["pipelines"], "load_versions": versions}

    def _made(
        self, tree: Checkout, spec: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any] | None, Path | None]:
        """The seal of what was just executed, and the executed notebook if it is one."""
        if self.sealed.is_notebook:
            output = Path(spec["output"])
            try:
                return (read_seal(output), output) if output.is_file() else (None, None)
            except ValueError:
                return None, output
        # where conf keeps seals outside the checkout, those are not of this execution
        seals = [p for p in list_seals(tree.path, spec["env"]) if p.is_relative_to(tree.path)]
        return (read_seal(seals[0]) if seals else None), None

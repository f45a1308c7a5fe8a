"""`kedro notebooks run`: execute a notebook sealed, and keep what was executed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fin_kedro.project.commands import env_choice, plain_errors

KEPT = Path("08_reporting/notebooks")


@click.command(name="run")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-p", "given", multiple=True, metavar="NAME=VALUE", help="a parameter; repeatable")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="folder to keep it in")
@click.option("--timeout", default=600, show_default=True, help="seconds for one cell")
@click.option("--workers", default=2, show_default=True, help="how many notebooks at a time")
@click.option("--mlflow", is_flag=True, help="log each to MLflow too (its import takes seconds)")
@env_choice
@plain_errors
def run_notebook(
    paths: tuple[Path, ...],
    given: tuple[str, ...],
    folder: Path | None,
    timeout: int,
    env: str | None,
    workers: int,
    mlflow: bool,
) -> None:
    """Execute notebooks sealed, and keep each with its report.

    Anything that plain papermill would let pass is an error (docs/notebook-execution.md); what was
    executed is kept then, too. Exit status 1 when there is one. Several notebooks run on warm
    kernels, --workers at a time (docs/warm-kernels.md); parameters are given to all of them.
    """
    options: dict[str, Any] = {"env": env, "timeout": timeout, "mlflow": mlflow}
    if len(paths) > 1:
        _run_several(paths, given, folder, options, workers)
        return
    from fin_kedro.reports.execution import execute_notebook

    [path] = paths
    if folder is None and path.is_file():
        _data_folder(path, env)  # refuses, before anything runs, what could not be kept
    result = execute_notebook(
        notebook=path,
        parameters=typed(path, given),
        progress=None if not sys.stderr.isatty() else show_progress,
        **options,
    )
    if result.seal:
        kept = keep(path, result, folder, env)
        click.echo(f"{kept}  seal {result.seal['digest'][:12]}")
    if result.error:
        raise RuntimeError(sentence(result.error))
    for verdict in result.verdicts:
        click.echo(f"  {verdict['status']:<5} {verdict['code']}  {verdict['title']}")


def _run_several(
    paths: tuple[Path, ...],
    given: tuple[str, ...],
    folder: Path | None,
    options: dict[str, Any],
    workers: int,
) -> None:
    """One line for each notebook: where it was kept, or why it failed."""
    from fin_kedro.reports.pool import Job, execute_many

    for path in paths if folder is None else ():
        if path.is_file():
            _data_folder(path, options["env"])  # as above
    jobs = [Job(path, typed(path, given), options) for path in paths]
    places = _places(paths)
    shown = Shown([str(path) for path in paths])
    results = execute_many(jobs, workers=workers, progress=shown.progress, ended=shown.ended)
    failures = 0
    for path, place, result in zip(paths, places, results, strict=True):
        if result.seal:
            kept = keep(path, result, folder / place if folder else None, options["env"])
            click.echo(f"{kept}  seal {result.seal['digest'][:12]}")
        if result.error:
            failures += 1
            click.secho(f"{path}: {sentence(result.error)}", fg="red", err=True)
    if failures:
        raise RuntimeError(f"{failures} of {len(paths)} notebooks failed.")


def _places(paths: Sequence[Path]) -> list[Path]:
    """Where each is kept under `--to`: at its place in the project, as stems may be alike."""
    places = [_inside(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            first, other = paths[places.index(place)], paths[number]
            raise ValueError(
                f"{other} and {first} would both be kept in {place}/; name each notebook once, and "
                "two of one name in two commands."
            )
    return places


class Shown:
    """How far several notebooks are, on standard error.

    On a terminal one line that renews itself; elsewhere a line for each notebook that has ended.
    """

    def __init__(self, names: list[str]) -> None:
        self._names, self._terminal = names, sys.stderr.isatty()
        self._cells: dict[int, tuple[int, int]] = {}
        self._ended = 0

    def progress(self, number: int, done: int, total: int) -> None:
        """Note the cells of one notebook."""
        self._cells[number] = done, total
        if self._terminal:
            self._renew()

    def ended(self, number: int, result: Any) -> None:
        """Note that one has ended."""
        self._ended += 1
        if self._terminal:
            return self._renew()
        failed = f": {result.error['name']}" if result.error else ""
        click.echo(f"  {self._ended}/{len(self._names)} {self._names[number]}{failed}", err=True)

    def _renew(self) -> None:
        done, total = (sum(pair[part] for pair in self._cells.values()) for part in (0, 1))
        words = f"{self._ended}/{len(self._names)} notebooks, {done}/{total} cells of those begun"
        click.echo(f"\r  {words}", nl=self._ended == len(self._names), err=True)


def typed(path: Path, given: tuple[str, ...]) -> dict[str, Any]:
    """Parameters typed as NAME=VALUE, read as the notebook declares them."""
    import nbformat

    from sealed_kernel.parameters import declared_parameters, parse_value

    if not path.is_file():
        raise FileNotFoundError(f"no notebook at {path}.")
    declared = declared_parameters(nbformat.read(path, as_version=4)) if given else {}
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"-p {text}: write it as name=value.")
        parameter = declared.get(name)
        values[name] = value if parameter is None else parse_value(parameter, value)
    return values


def show_progress(done: int, total: int) -> None:
    """One line that renews itself: cells done, of how many."""
    click.echo(f"\r  {done}/{total} cells", nl=done == total, err=True)


def keep(path: Path, result: Any, folder: Path | None, env: str | None) -> Path:
    """Write notebook, report and occasion; return the notebook's path.

    By default under the data folder, 08_reporting/notebooks/PATH/RUN/. `folder` is that last one.
    """
    import json

    run = result.seal["occasion"]["run"]
    target = folder or _data_folder(path, env) / KEPT / _inside(path) / run
    target.mkdir(parents=True, exist_ok=True)
    notebook = target / path.name
    (target / "occasion.json").write_text(
        json.dumps(result.seal["occasion"], indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    notebook.with_suffix(".html").write_text(result.html, encoding="utf-8")
    notebook.write_text(result.notebook_json, encoding="utf-8")
    return notebook


def _inside(path: Path) -> Path:
    """The notebook's place in the project, without the folder `notebooks` and the suffix."""
    from fin_kedro.seals.notebook_seal import project_of

    place = path.resolve().relative_to(project_of(path)).with_suffix("")
    return place.relative_to("notebooks") if place.parts[0] == "notebooks" else place


def _data_folder(path: Path, env: str | None) -> Path:
    """Where the project of a notebook keeps its data."""
    from fin_kedro.project.config import project_config
    from fin_kedro.seals.notebook_seal import project_of

    project = project_of(path)
    if not (project / "conf").is_dir():
        raise ValueError(f"{path} lies in no Kedro project; say with --to where to keep it.")
    return project / str(project_config(project, env)["globals"]["data"])


def sentence(error: dict[str, Any]) -> str:
    """An execution's error in one line."""
    if error["cell"] is None:
        return f"{error['name']}: {error['message']}"
    return (
        f"{error['name']} in code cell {error['cell']} (#{error['id']}, `{error['line']}`): "
        f"{error['message']}"
    )

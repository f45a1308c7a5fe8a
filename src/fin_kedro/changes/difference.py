"""What differs between two sealed runs: code, data, parameters, environment, figures, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fin_kedro.changes.code_difference import CodeChanges, compare_code
from fin_kedro.changes.data_difference import DataChange, compare_data
from fin_kedro.changes.figure_difference import FigureChange, compare_figures
from fin_kedro.changes.picture_difference import PictureChange, compare_pictures
from fin_kedro.changes.runs import Run, beyond_one_run, nodes_not_run, open_run
from fin_kedro.changes.staleness import leaf_changes
from fin_kedro.changes.verdict_difference import VerdictChange, compare_verdicts
from fin_kedro.seals.seal import read_patch


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Everything that differs between two runs; empty parts are the same.

    ``not_run``: nodes that only the other run ran, of the first and of the second run. What they
    would have read, made and been given is no difference: nobody looked at it.
    """

    runs: tuple[Run, Run]
    code: CodeChanges
    data: tuple[DataChange, ...]
    parameters: tuple[tuple[str, Any, Any], ...]
    environment: tuple[tuple[str, Any, Any], ...]
    figures: tuple[FigureChange, ...]
    verdicts: tuple[VerdictChange, ...]
    pictures: tuple[PictureChange, ...]
    same_figures: int
    same_verdicts: int
    same_pictures: int
    not_run: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def identical(self) -> bool:
        """Whether both runs have the same content."""
        first, second = self.runs
        return bool(first.seal["digest"] == second.seal["digest"])


def compare_runs(project: Path, first: Path, second: Path) -> Difference:
    """Compare two runs.

    Args:
        project: its folder.
        first, second: paths of their seals (`fin_kedro.seals.seal.find_seal`).

    Raises SealError when a seal is broken.
    """
    runs = open_run(project, first), open_run(project, second)
    contents = [run.seal["content"] for run in runs]
    figures, same_figures = compare_figures(runs)
    verdicts, same_verdicts = compare_verdicts(runs)
    pictures, same_pictures = compare_pictures(runs)
    return Difference(
        runs=runs,
        code=compare_code(
            project, [run.seal for run in runs], [read_patch(run.path) for run in runs]
        ),
        data=tuple(compare_data(runs)),
        parameters=tuple(_parameters(runs)),
        environment=tuple(_environment(*(c["environment"] for c in contents))),
        figures=figures,
        verdicts=verdicts,
        pictures=pictures,
        same_figures=same_figures,
        same_verdicts=same_verdicts,
        same_pictures=same_pictures,
        not_run=nodes_not_run(runs),
    )


def _parameters(runs: tuple[Run, Run]) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ; a parameter of nodes that one run did not run was not given to it."""
    beyond = beyond_one_run(runs)
    one, other = (
        {n: v for n, v in run.seal["content"]["parameters"].items() if f"params:{n}" not in beyond}
        for run in runs
    )
    yield from leaf_changes(one, other)


def _environment(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ; of lists (processor features) what one side has and the other has not."""
    for name, old, new in leaf_changes(first, second):
        if isinstance(old, list) and isinstance(new, list):
            less, more = ([v for v in a if v not in b] for a, b in ((old, new), (new, old)))
            yield name, less, more
        else:
            yield name, old, new

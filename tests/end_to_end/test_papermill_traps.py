"""Eight traps of plain papermill: it passes every one, our engine none (issue 4, "It must show" 3).

The table is in `papermill_traps`; docs/notebook-execution.md shows it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_client.provisioning import KernelProvisionerFactory

from sealed_kernel.fixed import fixed_environment
from tests.end_to_end.papermill_traps import MORE, PAGE, TRAPS, Answer, Trap, run_both, statuses

pytestmark = pytest.mark.usefixtures("all_kernels_forked")
ALL = (*TRAPS, *MORE)
EIGHT = {
    "failed shell command",
    "misspelt parameter",
    "wrong type",
    "exit before a gate",
    "dead kernel",
    "swallowed exception",
    "unreached gate",
    "cell order",
}


@pytest.fixture
def all_kernels_forked(forked_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel for each trap and engine, plain papermill's too, none of them started cold."""
    for name, value in fixed_environment(kernel=True).items():
        monkeypatch.setenv(name, value)  # in another one a kernel would be started cold
    factory = KernelProvisionerFactory.instance()
    monkeypatch.setattr(factory, "default_provisioner_name", "fin-kedro-warm")


def named(trap: Trap) -> str:
    return f"{trap.kind}: {trap.name}"


def test_the_eight_are_there() -> None:
    assert {trap.kind for trap in TRAPS} == EIGHT
    assert len(TRAPS) == 8


@pytest.mark.parametrize("trap", ALL, ids=named)
def test_plain_papermill_passes_it_and_ours_does_not(trap: Trap, tmp_path: Path) -> None:
    plain, ours = run_both(trap, tmp_path)
    assert (plain.error or None) == trap.plain
    assert (ours.error, ours.named) == (trap.ours, trap.cell)
    if trap.cell is None:
        assert ours.kept is None  # refused: not one cell was executed
    else:
        _is_kept_as_far_as_it_came(ours, trap)
    if trap.plain is not None:  # it fails, and the notebook that it keeps still says all went well
        assert plain.kept is not None
        assert set(statuses(plain.kept)) == {"completed"}


def _is_kept_as_far_as_it_came(ours: Answer, trap: Trap) -> None:
    assert ours.kept is not None
    [blamed] = [cell for cell in ours.kept.cells if cell.get("id") == trap.cell]
    assert blamed.metadata.papermill.status == "failed"
    assert blamed.outputs[-1].output_type == "error"
    assert ours.kept.metadata.fin_kedro.error.line == blamed.source.splitlines()[0]
    assert "failed" in statuses(ours.kept)
    assert ours.kept.metadata.fin_kedro.seal.content.outcome == "failed"


@pytest.mark.parametrize("trap", ALL, ids=named)
def test_the_page_shows_the_trap(trap: Trap) -> None:
    name = trap.name.replace("|", "\\|")
    plain = f"fails: {trap.plain}" if trap.plain else "passes"
    assert f"| {trap.kind} | {name} | {plain} | {trap.ours}; " in PAGE.read_text("utf-8")

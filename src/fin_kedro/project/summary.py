"""What a person reads at the end of a run: the table, the next commands, or what went wrong."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Set
from typing import Any

import psutil
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.validation.exceptions import DataValidationError

from fin_kedro.project.faults import explain

# Kedro wraps what a dataset or validator raised; the sentence to read is the cause.
_WRAPPERS = (DatasetError, DataValidationError)


def expected_errors() -> tuple[type[BaseException], ...]:
    """Errors that speak for themselves. Imported when one is shown: it must not slow each start."""
    from fin_kedro.contracts.model import ContractError
    from fin_kedro.features.onnx_compiler import UnsupportedExpressionError
    from fin_kedro.governance.approval import ApprovalError
    from fin_kedro.governance.gates import GateError
    from fin_kedro.governance.ledger import LedgerError
    from fin_kedro.governance.package import PackageError
    from fin_kedro.governance.registry import RegistryError
    from fin_kedro.governance.signing import SigningError

    own = (ApprovalError, ContractError, GateError, LedgerError, PackageError, RegistryError)
    return (*_WRAPPERS, *own, SigningError, UnsupportedExpressionError, ValueError)


class RunClock:
    """Seconds of node work, and of the whole process (imports and start-up included)."""

    def __init__(self, libraries: float = 0.0) -> None:
        self.libraries = libraries
        self._began: dict[str, float] = {}
        self.nodes: dict[str, float] = {}
        self.process_began = psutil.Process().create_time()

    def start_node(self, name: str) -> None:
        """Note that a node begins."""
        self._began[name] = time.perf_counter()

    def end_node(self, name: str) -> float:
        """Note that a node (or the computing of a table it made) ended; returns its seconds."""
        now = time.perf_counter()
        self.nodes[name] = self.nodes.get(name, 0.0) + now - self._began.get(name, now)
        return self.nodes[name]

    def shares(self, finished: float) -> tuple[float, float]:
        """Seconds of the process until ``finished`` (epoch), and the share that was no node's.

        A node's work includes importing the libraries it computes with (``libraries``, seconds).
        """
        whole = finished - self.process_began
        return whole, max(0.0, 1 - (sum(self.nodes.values()) + self.libraries) / whole)


def print_summary(
    pipeline: Pipeline,
    catalog: Any,
    clock: RunClock,
    run_params: Mapping[str, Any],
    *,
    finished: float,
) -> None:
    """Print what each workflow of this run came to, and what to type next."""
    outputs = {name for node in pipeline.nodes for name in node.outputs}
    for workflow in sorted({name.split(".")[0] for name in outputs if "." in name}):
        if f"{workflow}.metrics" in outputs:
            _print_table(workflow, catalog, outputs)
        _print_next(workflow, catalog, outputs, env=env_option(run_params.get("env")))
    whole, share = clock.shares(finished)
    print(
        f"\n{whole:.0f} s in all: {sum(clock.nodes.values()):.0f} s in "
        f"{len(clock.nodes)} node{'' if len(clock.nodes) == 1 else 's'}, "
        f"{clock.libraries:.0f} s to import their libraries, and {share:.0%} of the time "
        "for everything else (start-up, loading, saving, tracking)"
    )


def _print_table(workflow: str, catalog: Any, outputs: Iterable[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    metrics = catalog.load(f"{workflow}.metrics")["test"]
    verdicts = _verdicts(workflow, catalog, outputs)
    decides = catalog.load(f"{workflow}.decision_policy")["model"]
    columns = _columns(metrics[decides])
    with_people = "ks" in columns.values()  # a fraud desk asks other things
    title = f"{workflow}, on the test part, with 95 % intervals; * marks the model that decides"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in ("model", *columns, *(["lowest AIR"] if with_people else []), "gates passed"):
        table.add_column(heading, no_wrap=True)
    for model, figures in metrics.items():
        judged = verdicts if model == decides else None
        table.add_row(
            f"{model}{' *' if model == decides else ''}",
            *(_figure(figures[name]) for name in columns.values()),
            *([_lowest_air(judged) if judged else ""] if with_people else []),
            _gates(judged) if judged else "",
        )
    width = None if sys.stdout.isatty() else 145
    Console(width=width).print(table)


def _columns(figures: Mapping[str, Any]) -> dict[str, str]:
    """Headings and figures: of detection where that was measured, else of a score for people."""
    cards = _measured(figures, "card_precision_at_")
    recall = _measured(figures, "recall_at_fpr_")
    if not cards or not recall:
        return {"AUC": "auc", "KS": "ks", "Brier": "brier"}
    return {
        "AUC": "auc",
        "AP": "average_precision",
        f"CP@{cards.removeprefix('card_precision_at_')}": cards,
        f"recall at {float(recall.removeprefix('recall_at_fpr_')):.0%} FPR": recall,
    }


def _measured(figures: Mapping[str, Any], start: str) -> str | None:
    """The figure whose name starts so; the end of the name is a parameter."""
    return next((name for name in figures if name.startswith(start)), None)


def _verdicts(
    workflow: str, catalog: Any, outputs: Iterable[str]
) -> list[Mapping[str, Any]] | None:
    name = f"{workflow}.verdicts"
    return catalog.load(name)["verdicts"] if name in outputs else None


def _figure(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _lowest_air(verdicts: list[Mapping[str, Any]] | None) -> str:
    found = [
        v
        for v in verdicts or []
        if v["code"].startswith("FAI-AIR")
        and v["value"] is not None
        and v["status"] != "not_judged"
    ]
    if not found:
        return "not measured"
    lowest = min(found, key=lambda v: v["value"])
    return f"{lowest['value']:.3f} ({lowest['code'].removeprefix('FAI-AIR-')})"


def _gates(verdicts: list[Mapping[str, Any]] | None) -> str:
    gates = [v for v in verdicts or [] if v["gate"] and v["status"] != "not_applicable"]
    warned = sum(v["status"] == "attention" for v in verdicts or [])
    unsure = sum(v["status"] == "not_judged" for v in gates)
    passed = sum(v["status"] in ("pass", "attention") for v in gates)
    others = (f", {warned} attention" if warned else "") + (
        f", {unsure} not judged" if unsure else ""
    )
    return f"{passed}/{len(gates)}{others}"


def env_option(env: str | None) -> str:
    """``--env`` as the next command needs it; empty where it is the default."""
    return "" if env in (None, "local", "base") else f" --env {env}"


def _print_next(workflow: str, catalog: Any, outputs: Iterable[str], *, env: str) -> None:
    if f"{workflow}.contract_report" in outputs:
        report = catalog.load(f"{workflow}.contract_report")
        print(
            f"{report['quarantined']} of {report['rows']} rows quarantined "
            f"(contract {report['contract']} {report['contract_version']})"
        )
    if f"{workflow}.validation_record" in outputs:
        record = catalog.load(f"{workflow}.validation_record")
        version = record["candidate"]["version"]
        print(
            f"Candidate {workflow} {version} passed validation. "
            f"Read {_short(record['report']['html'])}\n"
            "Next:\n"
            f'  kedro approve {workflow}{env} --by "Your Name" --role model_validator '
            '--comment "why"\n'
            f"  kedro release {workflow}{env}\n"
            f"  kedro models{env}"
        )


def _short(path: str) -> str:
    return os.path.relpath(path)


def resume_command(run_params: Mapping[str, Any], pipeline: Pipeline, saved: Set[str]) -> str:
    """Return the command that does what is left of a run.

    Args:
        run_params: of the run that stopped. What ``--params`` changed is not said again.
        pipeline: its nodes.
        saved: datasets it wrote.
    """
    waiting = [node for node in pipeline.nodes if not set(node.outputs) <= saved]
    if any("validation" in node.tags for node in waiting):
        # A verdict belongs to the policy it was made under: validation is done again as a whole.
        waiting = [n for n in pipeline.nodes if n in waiting or "validation" in n.tags]
    made = {name for node in waiting for name in node.outputs}
    first = [node.name for node in waiting if not made & set(node.inputs)]
    options = {
        "pipelines": run_params.get("pipeline_names"),
        "from-nodes": first,
        "to-nodes": run_params.get("to_nodes"),
    }
    chosen = "".join(f" --{name}={','.join(values)}" for name, values in options.items() if values)
    return f"kedro run{env_option(run_params.get('env'))}{chosen}"


def print_failure(
    error: BaseException, node: Node, inputs: Mapping[str, Any], catalog: Any, resume: str
) -> None:
    """Say which node failed on which data, and the command that resumes from it."""
    data = ", ".join(
        f"{name} ({version})" if (version := _version(catalog, name)) else name
        for name in inputs
        if not name.startswith("params:")
    )
    print(
        f"\n{node.name} failed: {type(error).__name__}: {error}\n"
        f"  on: {data or 'no data'}\n"
        f"  with: {', '.join(n for n in inputs if n.startswith('params:')) or 'no parameters'}\n"
        f"  resume when mended: {resume}",
        file=sys.stderr,
    )


def print_stop(error: BaseException, resume: str) -> None:
    """Say what stopped a run outside a node's own work, such as data that breaks its contract."""
    said = explain(error) or _root(error)
    print(f"\nThe run stopped: {said}\n  resume when mended: {resume}", file=sys.stderr)


def leave_out_traceback(error: BaseException) -> None:
    """Show no traceback for errors that speak for themselves; FIN_KEDRO_TRACEBACK=1 shows all."""
    if os.environ.get("FIN_KEDRO_TRACEBACK") or not isinstance(_root(error), expected_errors()):
        return
    default = sys.excepthook

    def hook(kind: type[BaseException], value: BaseException, traceback: Any) -> None:
        if value is not error:
            default(kind, value, traceback)

    sys.excepthook = hook


def _root(error: BaseException) -> BaseException:
    """Return the first expected error in the chain of causes, else the error itself."""
    found: BaseException | None = error
    while found is not None and not (
        isinstance(found, expected_errors()) and not isinstance(found, _WRAPPERS)
    ):
        found = found.__cause__
    return found or error


def _version(catalog: Any, name: str) -> str | None:
    try:
        dataset = catalog.get(name)
        return str(dataset.resolve_load_version()) if getattr(dataset, "_version", None) else None
    except Exception:  # a failure report must not fail itself
        return None

"""A new workflow in one go: its declaration, parameters, policy and, where none is, a contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fin_kedro.contracts.model import ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.drafting import conf_text
from fin_kedro.drafting.draft import write_draft
from fin_kedro.drafting.placing import (
    RAW,
    place_conf,
    refuse_environment,
    refuse_files,
    refuse_name,
)
from fin_kedro.drafting.skeleton import skeleton_text
from fin_kedro.drafting.yaml_text import comment, flow, key, questions
from fin_kedro.project.config import project_config

TABLES = {"static": ("applications",), "event_time": ("transactions", "labels")}
BASE = Path("conf/base/contracts")
# of the kind event_time: what the statistics of fraud are about
EMBEDDED = (BASE / "card_transactions.odcs.yaml", BASE / "fraud_labels.odcs.yaml")
SUFFIXES = {".csv": "csv", ".parquet": "parquet"}
# Days of an event-time workflow: how long history, parts and the wait for labels are
HISTORY, TRAIN, CALIBRATION, WAIT, TEST = 35, 42, 14, 7, 14
FRAUD_COSTS = {
    "approve_good": 0.0, "approve_bad": -13500.0, "decline_good": -700.0, "decline_bad": -200.0,
}  # fmt: skip


# Limits beside those of a draft that the embedded tables reach, and a small one cannot be held to.
LIMITS: dict[str, dict[str, dict[str, float]]] = {
    "static": {},
    "event_time": {
        "CAL-ECE": {"max": 0.02, "attention_max": 0.01},
        "DET-AP": {"min": 0.05, "low_min": 0.02},
        "DET-CARD": {"min": 0.0, "attention_min": 0.02},
        "DET-MONEY": {"min": 0.1, "low_min": 0.0},
        "DET-RECALL": {"min": 0.05, "attention_min": 0.1},
    },
}


@dataclass(frozen=True)
class New:
    """What was written, and what is open: files from the project on, raw files, questions.

    ``raw`` has, by path, whether the file is there.
    """

    files: tuple[str, ...]
    raw: dict[str, bool]
    questions: int


def write_new(
    project: Path,
    name: str,
    kind: str,
    env: str,
    contracts: Sequence[Path] = (),
    files: Sequence[Path] = (),
) -> New:
    """Write all conf that a new workflow needs.

    Args:
        project: the project's folder.
        name: of the workflow.
        kind: static or event_time.
        env: the environment of conf; made where it is not there.
        contracts: contract files; none: drafted from the file, or one to begin with (of event_time:
            those of card transactions and fraud reports).
        files: raw files, inside the project; none: where they will lie.

    Raises:
        ContractError: a name cannot be, or a file cannot be read; nothing is written then.
    """
    tables = TABLES[kind]
    refuse_environment(project, env, new=False)
    there = env if (project / "conf" / env).exists() else None
    known = [w.name for w in project_config(project, there).workflows]
    refuse_name(project, env, name, known)
    for what, given in (("--contract", contracts), ("--file", files)):
        if given and len(given) != len(tables):
            raise ContractError(
                f"{what} is given {len(given)} times; a workflow of the kind {kind} has "
                f"{' and '.join(tables)}, in this order: once for each."
            )
    if kind == "static" and files and not contracts:
        drafted = write_draft(project, str(files[0]), name, env, beside=True)
        return New(drafted.files, {}, drafted.questions)
    places = [_raw(project, name, table, len(tables), files, n) for n, table in enumerate(tables)]
    copied = _contracts(project, name, kind, contracts)
    texts = {file: text for file, text in copied.items() if text is not None}
    stated = [file if text is None else f"conf/{env}/{file}" for file, text in copied.items()]
    of_tables = {
        table: conf_text.table_lines(contract, path.as_posix(), SUFFIXES[path.suffix])
        for table, contract, path in zip(tables, stated, places, strict=True)
    }
    further = conf_text.static_words() if kind == "static" else _event_lines()
    texts |= {
        "workflows.yml": conf_text.declaration_text(name, kind, of_tables, further),
        f"parameters_{name}.yml": _parameters(name, kind),
        f"policy_{name}.yml": _policy(name, kind),
    }
    refuse_files(project, env, name, texts)
    written = place_conf(project, env, texts)
    asked = sum(text.count("# QUESTION:") for text in texts.values())
    return New(written, {p.as_posix(): (project / p).exists() for p in places}, asked)


def _raw(
    project: Path, name: str, table: str, tables: int, files: Sequence[Path], place: int
) -> Path:
    """A raw file from the project on: as named, or where it will lie."""
    if not files:
        return RAW / (f"{name}.csv" if tables == 1 else f"{name}_{table}.parquet")
    path = files[place].resolve()
    if path.suffix not in SUFFIXES or not path.is_file():
        raise ContractError(f"no file at {files[place]} that ends in .csv or .parquet.")
    if not path.is_relative_to(project.resolve()):
        raise ContractError(
            f"{files[place]} lies outside the project; move it to {RAW}/ and name it there."
        )
    return path.relative_to(project.resolve())


def _contracts(project: Path, name: str, kind: str, given: Sequence[Path]) -> dict[str, str | None]:
    """Contracts by file, with the text to write there; None: the file is there and stays."""
    if not given and kind == "static":
        return {f"contracts/{name}.odcs.yaml": skeleton_text(name)}
    found: dict[str, str | None] = {}
    for path in given or [project / p for p in EMBEDDED]:
        if not path.is_file():
            raise ContractError(f"no contract at {path}.")
        read_contract(path)
        if path.resolve().is_relative_to(project.resolve()):
            found[path.resolve().relative_to(project.resolve()).as_posix()] = None
        else:
            found[f"contracts/{path.name}"] = path.read_text("utf-8")
    return found


def _event_lines() -> list[str]:
    return [
        *comment("its history and features; those of card transactions, until you name others", 2),
        "  statistics: fin_kedro.features.fraud_statistics:fraud_statistics",
        "  features: fin_kedro.features.fraud_columns:fraud_features",
        *questions(["what does the service call a row, its rows, the bad outcome?"], 2),
        "  words: {row: transaction, rows: transactions, bad: fraud, accept: allow, refuse: block}",
    ]


def _parameters(name: str, kind: str) -> str:
    if kind == "static":
        return conf_text.parameters_text(name, None)
    lines = [
        *comment("Only what differs from conf/base/parameters_event_time.yml."),
        f"{key(name)}:",
        "  features: {keep: [customer_id, known_us, amount_cents]}   # to measure with; no feature",
        *_days(dt.date(2026, 1, 1)),
        *conf_text.costs_lines(
            "a transaction, in cents,", FRAUD_COSTS, "these are the embedded world's."
        ),
        "  detection:",
        *questions(["how many cards can the desk call in a day, and what does each cost?"], 4),
        "    cards: keep__customer_id",
        "    time: keep__known_us",
        "    amount: keep__amount_cents",
        "    kind: null",
        "    k: 100",
        "    false_positive_rate: 0.01",
        "    costs: {missed_fraud_share_of_amount: 1.0, review: 200, friction: 500}",
        "  champion: {search: {card: keep__customer_id}}",
    ]
    return "\n".join(lines) + "\n"


def _days(first: dt.date) -> list[str]:
    """Days of parts and proofs, one after the other, labels of each known before the next."""
    lengths = {"train": TRAIN, "calibration": CALIBRATION, "wait": WAIT, "test": TEST}
    begins, spans = first + dt.timedelta(days=HISTORY), {}
    for part, days in {**lengths, "out_of_time": TEST}.items():
        spans[part] = (begins, begins + dt.timedelta(days=days))
        begins = spans[part][1]
    test = spans["test"][0]
    return [
        "  split:",
        *questions(["which days are each part's? History begins 35 days before the first."], 4),
        "    parts:",
        *(
            f"      {part}: {{from: {start}, to: {end}}}"
            for part, (start, end) in spans.items()
            if part != "wait"
        ),
        "    leave_out: {column: customer_known_frauds_30d, parts: [calibration, test, "
        "out_of_time]}",
        f"  time_travel: {{days: [{test}]}}",
        f"  replay: {{from: {test}, rows: 5000}}",
    ]


def _policy(name: str, kind: str) -> str:
    lines = []
    for code, limits in LIMITS[kind].items():
        lines += [
            f"      {code}:",
            f"        limits: {flow(limits)}",
            "        reason: Drafted low; among a thousand test rows chance alone moves it so far.",
        ]
    if kind == "event_time":
        lines.append("    replay: {fewest_rows: 4000}   # as many as a small table has")
    return conf_text.policy_text(name, None) + "\n".join(lines) + "\n"

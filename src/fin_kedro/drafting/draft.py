"""A new environment of conf from a file: looked at, guessed, written, and held against itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from fin_kedro.checks.leaks import single_feature_aucs
from fin_kedro.contracts.ages import age, as_microseconds
from fin_kedro.contracts.files import DeliveredTable
from fin_kedro.contracts.model import Column, Contract, ContractError
from fin_kedro.contracts.reading import read_contract
from fin_kedro.contracts.tables import check_structure, clean_column
from fin_kedro.drafting import conf_text
from fin_kedro.drafting.contract_text import contract_text
from fin_kedro.drafting.delivery import Checked, check_rows_of, load_once
from fin_kedro.drafting.guess import Draft
from fin_kedro.drafting.guesses import guess_table, with_ages, with_leaks
from fin_kedro.drafting.page import page
from fin_kedro.drafting.placing import (
    RAW,
    place_conf,
    refuse_environment,
    refuse_files,
    refuse_name,
)
from fin_kedro.drafting.raw import Raw, open_raw, rewrite_csv
from fin_kedro.drafting.table_profile import profile_table

LEAK = 0.95  # AUC of one column alone, as policy's DAT-LEAK has it
LEAK_ROWS = 20_000  # rows that show a leak as well as all


@dataclass(frozen=True)
class Written:
    """What a draft has written: files from the project on, what became of the raw file, questions.

    ``checked`` is the raw file held against the drafted contract.
    """

    files: tuple[str, ...]
    raw: str
    questions: int
    checked: Checked
    draft: Draft


def write_draft(
    project: Path,
    source: str,
    workflow: str,
    env: str | None = None,
    target: str | None = None,
    *,
    beside: bool = False,
) -> Written:
    """Draft a contract and its environment from a table.

    Args:
        project: the project's folder.
        source: a CSV or Parquet file, or a table of a database (see `open_raw`).
        workflow: name of the new workflow.
        env: name of the new environment; by default the workflow's.
        target: the outcome's column, where it is not to be guessed.
        beside: whether the environment may be there, with other workflows.

    Raises:
        ContractError: a name cannot be, something would be overwritten, or the table cannot be
            read; nothing is written then.
    """
    env = env or workflow
    refuse_name(project, env, workflow, what="--workflow")
    refuse_environment(project, env, new=not beside)
    with tempfile.TemporaryDirectory(prefix="draft-") as folder:
        work = Path(folder)
        raw = open_raw(source, work)
        table = profile_table(raw)
        if not table.rows:
            raise ContractError(f"{source} has no rows; draft from a file with some.")
        draft = guess_table(table, target)
        rows = _rows(project, raw, workflow, draft, work)
        contract = work / "conf" / "contracts" / f"{workflow}.odcs.yaml"
        contract.parent.mkdir(parents=True)
        contract.write_text(contract_text(draft, workflow, raw.shown), "utf-8")
        delivered = load_once(rows.dataset(contract))
        known = read_contract(contract)
        sample = _sample(delivered, known)
        aucs = _alone(sample, known)
        ages = {c.name: sample[c.name].dropna().tolist() for c in known.features if c.is_age}
        draft = with_ages(with_leaks(draft, aucs, LEAK), ages)
        texts = _texts(draft, workflow, env, raw, rows, aucs)
        contract.write_text(texts[f"contracts/{workflow}.odcs.yaml"], "utf-8")
        refuse_files(project, env, workflow, texts)
        check_structure(read_contract(contract), delivered)
        checked = check_rows_of(read_contract(contract), delivered)
        if rows.copied:
            (project / RAW).mkdir(parents=True, exist_ok=True)
            shutil.move(rows.path, project / rows.file)
        files = place_conf(project, env, texts)
    asked = sum(text.count("# QUESTION:") for text in texts.values())
    return Written(files, rows.said, asked, checked, draft)


@dataclass(frozen=True)
class _Rows:
    """The raw file as a run will read it: its place in the project, and where it lies by now."""

    file: Path
    path: Path
    kind: str
    load_args: Mapping[str, Any]
    copied: str | None  # why; None: it is the file itself

    @property
    def said(self) -> str:
        if self.copied:
            return f"copied to {self.file} ({self.copied})"
        return f"{self.file} is read where it lies; nothing is copied"

    def dataset(self, contract: Path) -> DeliveredTable:
        return DeliveredTable(
            contract=str(contract),
            filepath=str(self.path),
            file_format=self.kind,
            load_args=dict(self.load_args),
            connection={"backend": "duckdb", "database": ":memory:", "memory_limit": "1GB"},
        )


def _texts(
    draft: Draft, workflow: str, env: str, raw: Raw, rows: _Rows, aucs: Mapping[str, float]
) -> dict[str, str]:
    """The files of the environment by their names."""
    contract = f"contracts/{workflow}.odcs.yaml"
    return {
        contract: contract_text(draft, workflow, raw.shown),
        f"contracts/{workflow}.profile.html": page(draft, workflow, raw.shown, aucs),
        "workflows.yml": conf_text.declaration_text(
            workflow,
            "static",
            {
                "applications": conf_text.table_lines(
                    f"conf/{env}/{contract}",
                    rows.file.as_posix(),
                    rows.kind,
                    rows.load_args,
                    draft.table.notation,
                )
            },
            conf_text.static_words(),
        ),
        f"parameters_{workflow}.yml": conf_text.parameters_text(workflow, draft),
        f"policy_{workflow}.yml": conf_text.policy_text(workflow, draft),
    }


def _rows(project: Path, raw: Raw, workflow: str, draft: Draft, work: Path) -> _Rows:
    """The file itself where a run can read it, else a copy of it in the work folder."""
    kind = "csv" if raw.form else "parquet"
    why = _why_copied(project, raw)
    args = _load_args(raw, draft.table.notation.load_args)
    if not why:
        path = raw.path.resolve()
        return _Rows(path.relative_to(project.resolve()), path, kind, args, None)
    file = RAW / f"{workflow}.{kind}"
    if (project / file).exists():
        raise ContractError(
            f"{file} is there already, and the raw file would be copied to it ({why}); move it, or "
            "choose another --workflow."
        )
    made = work / f"raw.{kind}"
    if _copy(raw, made):
        args.pop("encoding", None)
    return _Rows(file, made, kind, args, why)


def _why_copied(project: Path, raw: Raw) -> str | None:
    if "::" in raw.origin:
        return "it came from a database"
    if raw.copied_anyway:
        return raw.copied_anyway
    inside = raw.path.resolve().is_relative_to(project.resolve())
    return None if inside else "it lies outside the project"


def _copy(raw: Raw, target: Path) -> bool:
    """Copy the file; whether it was written anew, in UTF-8."""
    if raw.form is not None and raw.copied_anyway:
        rewrite_csv(raw.path, raw.form, target)
        return True
    shutil.copyfile(raw.path, target)
    return False


def _load_args(raw: Raw, notation: Mapping[str, Any]) -> dict[str, Any]:
    """How the file is written, as the catalog states it; nothing where it is the usual."""
    if raw.form is None:
        return {}
    args: dict[str, Any] = {} if raw.form.delimiter == "," else {"delim": raw.form.delimiter}
    if raw.form.encoding == "latin-1":
        args["encoding"] = "latin-1"
    return {**args, **notation}


def _sample(delivered: ir.Table, contract: Contract) -> pd.DataFrame:
    """Outcome and features of some rows whose outcome is known; of a date its age."""

    def read(column: Column) -> ir.Value:
        if column.is_age:
            return age(contract, column, lambda name: as_microseconds(delivered[name]))
        return clean_column(column, delivered)

    columns = (contract.target, *contract.features)
    table = delivered.select(*(read(c).name(c.name) for c in columns))
    rows = table.filter(table[contract.target.name].notnull())
    total = int(rows.count().execute())
    if total > LEAK_ROWS:
        share = LEAK_ROWS / total
        rows = rows.sample(share, method="row", seed=7)
    return rows.execute()


def _alone(frame: pd.DataFrame, contract: Contract) -> dict[str, float]:
    """AUC of each feature alone on half of the rows, its levels' bad rates learnt on the other."""
    names = [c.name for c in contract.features]
    bad = (frame[contract.target.name] == contract.event).astype(int).to_numpy()
    half = np.random.default_rng(7).random(len(frame)) < 0.5
    if min(len(set(bad[half])), len(set(bad[~half]))) < 2:
        return {}
    features = frame[names]
    found = single_feature_aucs(
        train=features[half], train_target=bad[half],
        test=features[~half], test_target=bad[~half],
    )  # fmt: skip
    return {str(name): float(auc) for name, auc in found.items()}

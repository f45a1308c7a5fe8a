"""`kedro contract sample`: from which shape, into which file, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fin_kedro.contracts.model import ContractError
from fin_kedro.drafting.draft import write_draft
from fin_kedro.drafting.new import write_new
from fin_kedro.sampling import sample
from fin_kedro.sampling.sample import Sample, write_sample
from tests.conftest import ROOT
from tests.drafting.shapes import german


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Conf alone, with a workflow that has a German file, and two that have no file yet."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    write_draft(folder, str(german(tmp_path_factory.mktemp("inbox"))), "kredite", "bank")
    write_new(folder, "mortgage", "static", "bank")
    write_new(folder, "cards", "event_time", "bank")
    return folder


def sampled(project: Path, workflow: str, out: Path | None, **options: object) -> Sample:
    asked = {"rows": 300, "seed": 1, **options}
    return write_sample(project, "bank", workflow, out=out, **asked)  # type: ignore[arg-type]


def test_a_german_file_gives_a_german_sample(project: Path, tmp_path: Path) -> None:
    made = sampled(project, "kredite", tmp_path / "next.csv")
    ((path, checked),) = made.files
    assert (checked.rows, checked.refused, checked.whole) == (300, 0, None)
    table = pd.read_csv(path, sep=";", decimal=",", encoding="utf-8")
    source = pd.read_csv(
        project / "data/01_raw/kredite.csv", sep=";", decimal=",", thousands=".", encoding="utf-8"
    )
    assert list(table) == list(source)
    assert table["Quote"].mean() == pytest.approx(source["Quote"].mean(), rel=0.05)
    assert table["Ausfall"].mean() == pytest.approx(source["Ausfall"].mean(), abs=0.01)


def test_the_saved_shape_needs_no_data_and_gives_the_same_bytes(
    project: Path, tmp_path: Path
) -> None:
    first = sampled(project, "kredite", tmp_path / "first.csv")
    assert first.shape == tmp_path / "first.shape.json"
    saved = first.shape.read_text("utf-8")
    source = pd.read_csv(
        project / "data/01_raw/kredite.csv", sep=";", decimal=",", thousands=".", encoding="utf-8"
    )
    known = json.loads(saved)["shape"]["columns"]["Einkommen €"]["knots"]
    assert len(known) > 20 and not {v for _, v in known} & set(source["Einkommen €"])
    assert "Kundennr" not in saved, "an id has no shape"
    again = sampled(project, "kredite", tmp_path / "again.csv", shape_file=first.shape)
    other = sampled(project, "kredite", tmp_path / "other.csv", shape_file=first.shape, seed=2)
    bytes_ = [made.files[0][0].read_bytes() for made in (first, again, other)]
    assert bytes_[0] == bytes_[1] != bytes_[2]
    with pytest.raises(ContractError, match="is the shape of another contract"):
        sampled(project, "mortgage", tmp_path / "m.csv", shape_file=first.shape)


def test_without_a_file_the_contract_is_enough_and_the_sample_is_what_a_run_reads(
    project: Path,
) -> None:
    made = sampled(project, "mortgage", None)
    ((path, _),) = made.files
    assert (path, made.source, made.shape) == (
        project / "data/01_raw/mortgage.csv", "the contract alone", None,
    )  # fmt: skip
    table = pd.read_csv(path)
    assert (table["outcome"] == "bad").mean() == pytest.approx(0.2, abs=0.01)
    assert (
        table[table["late_payments"] >= 0]
        .groupby("outcome")["late_payments"]
        .mean()
        .diff()
        .loc["good"]
        < -1
    ), "late payments are of bad ones, as the contract's sign says"


def test_events_are_sampled_into_a_folder_in_parquet(project: Path, tmp_path: Path) -> None:
    made = sampled(project, "cards", tmp_path / "events", rows=2000)
    names = [path.name for path, _ in made.files]
    assert names == ["cards_transactions.parquet", "cards_labels.parquet"]
    again = sampled(project, "cards", tmp_path / "again", rows=2000)
    for (one, checked), (other, _) in zip(made.files, again.files, strict=True):
        assert checked.refused == 0 and one.read_bytes() == other.read_bytes()
    learnt = tmp_path / "events"
    for path, _ in made.files:
        shutil.copy2(path, project / "data/01_raw" / path.name)
    try:
        third = sampled(project, "cards", tmp_path / "third", rows=2000)
        assert third.shape is not None and third.shape.exists()
        fourth = sampled(
            project, "cards", tmp_path / "fourth", rows=2000, shape_file=third.shape
        )  # fmt: skip
        for (one, _), (other, _) in zip(third.files, fourth.files, strict=True):
            assert one.read_bytes() == other.read_bytes() != (learnt / one.name).read_bytes()
    finally:
        for path, _ in made.files:
            (project / "data/01_raw" / path.name).unlink()


def test_what_cannot_be_done_is_said_and_nothing_is_written(project: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("kept")
    for workflow, out, options, said in (
        ("kredite", None, {}, "data/01_raw/kredite.csv is there already"),
        ("kredite", there, {}, "is there already, and nothing is overwritten"),
        ("kredite", tmp_path / "x.txt", {}, "must end in .csv or .parquet"),
        ("kredite", tmp_path / "x.csv", {"rows": 0}, "--rows is 0; it must be 1 or more"),
        ("kredit", tmp_path / "x.csv", {}, "no workflow 'kredit'"),
        ("cards", tmp_path / "x.csv", {}, "name a folder, such as"),
        ("cards", tmp_path / "x", {"rows": 5}, "5 events have no label among them"),
        ("kredite", tmp_path / "x.csv", {"shape_file": there}, "is no saved shape"),
        ("kredite", tmp_path / "x.csv", {"shape_file": tmp_path / "no"}, "no shape at"),
    ):
        with pytest.raises(ContractError, match=said.replace(".", r"\.")):
            sampled(project, workflow, out, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["there.csv"]
    assert there.read_text() == "kept"


def test_of_two_tables_both_are_written_or_none(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = sample.write_rows

    def only_transactions(table: Any, contract: Any, frame: Any, path: Path) -> Any:
        if "labels" in path.name:
            raise ContractError("no room")
        return written(table, contract, frame, path)

    monkeypatch.setattr(sample, "write_rows", only_transactions)
    with pytest.raises(ContractError, match="no room"):
        sampled(project, "cards", tmp_path / "events", rows=500)
    assert list((tmp_path / "events").iterdir()) == []

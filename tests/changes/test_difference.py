"""The difference of two runs: code by git, data, parameters, environment, figures, verdicts."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fin_kedro.changes.code_difference import compare_code
from fin_kedro.changes.difference import Difference, compare_runs
from fin_kedro.changes.difference_html import difference_lines, render_difference
from fin_kedro.seals.seal import SealError, make_seal
from fin_kedro.storage.canonical import content_hash, file_hash

FIGURE = {"value": 0.7, "low": 0.68, "high": 0.72}
VERDICT = {
    "code": "AUC", "title": "The <b>AUC</b>", "status": "pass", "value": 0.7, "low": None,
    "high": None, "threshold": ">= 0.6", "detail": "", "gate": True,
}  # fmt: skip
ENVIRONMENT = {"lock": "a" * 64, "python": {"version": "3.11.7"}, "cpu": {"features": ["A", "B"]}}


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


class Lab:
    """A small project with git, in which runs are sealed by hand."""

    def __init__(self, root: Path, inside: str = "") -> None:
        self.top, self.root = root, root / inside
        self.root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "-q")

    def commit(self, message: str, **files: str) -> str:
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(self.top, "add", "-A")
        git(self.top, "commit", "-qm", message)
        return git(self.top, "rev-parse", "HEAD")

    def seal(self, run: str, *, patch: str = "", **parts: Any) -> Path:
        """Write data files and the seal of a run; ``parts``: data, parameters, code, ..."""
        written, datasets = {}, {}
        for name, save in parts.get("data", {}).items():
            path = self.root / "data" / name / run / name
            path.parent.mkdir(parents=True)
            save(path)
            written[name] = content_hash(path)
            where = path.relative_to(self.root).as_posix()
            datasets[name] = {"path": where, "version": run, "file_sha256": file_hash(path)}
        code = {"commit": None, "dirty": None, "package": "", "nodes": {}, "modules": {},
                "notebooks": {}}  # fmt: skip
        dirty = hashlib.sha256(patch.encode()).hexdigest() if patch else None
        content = {
            "kind": "pipeline",
            "subject": {"pipelines": ["credit"], "env": None, "selection": {}},
            "environment": parts.get("environment", ENVIRONMENT),
            "code": {**code, "dirty": dirty, **parts.get("code", {})},
            "parameters": parts.get("parameters", {"depth": {"value": 4}}),
            "steps": {},
            "data": {"read": parts.get("read", {}), "written": written},
            "outcome": "completed",
        }
        occasion = {"run": run, "datasets": datasets, "seconds": 3.0, "by": "<ada>"}
        path = self.root / "data/seal.json" / run / "seal.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(make_seal(content, occasion)))
        if patch:
            path.with_name("patch.diff").write_text(patch)
        return path

    def compare(self, *seals: Path) -> Difference:
        return compare_runs(self.root, *seals)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


def as_json(content: Any) -> Any:
    return lambda path: path.write_text(json.dumps(content))


def test_identical_runs_say_so(lab: Lab) -> None:
    data = {"credit.metrics": as_json({"test": {"champion": {"auc": FIGURE}}})}
    found = lab.compare(lab.seal("1", data=data), lab.seal("2", data=data))
    assert found.identical
    assert "identical" in " ".join(difference_lines(found))
    page = render_difference(found)
    assert "The two runs are identical" in page
    assert "<h2" not in page


def test_parameters_and_environment_leaf_by_leaf(lab: Lab) -> None:
    other = {**ENVIRONMENT, "python": {"version": "3.12.1"}, "cpu": {"features": ["B", "C"]}}
    found = lab.compare(
        lab.seal("1"), lab.seal("2", parameters={"depth": {"value": 6}}, environment=other)
    )
    assert found.parameters == (("depth.value", 4, 6),)
    assert found.environment == (
        ("python.version", "3.11.7", "3.12.1"),
        ("cpu.features", ["A"], ["C"]),
    )
    assert "parameters: depth.value 4 → 6" in "\n".join(difference_lines(found))


def test_figures_of_the_deciding_model_come_first_then_by_weight(lab: Lab) -> None:
    def metrics(auc: float, brier: float, other: float) -> dict[str, Any]:
        champion = {"auc": {**FIGURE, "value": auc}, "brier": {"value": brier, "low": 0, "high": 1}}
        return {"test": {"card": {"auc": {**FIGURE, "value": other}}, "champion": champion}}

    policy = as_json({"model": "champion"})
    seals = [
        lab.seal(run, data={"credit.metrics": as_json(m), "credit.decision_policy": policy})
        for run, m in (("1", metrics(0.7, 0.2, 0.5)), ("2", metrics(0.73, 0.19, 0.9)))
    ]  # fmt: skip
    figures = lab.compare(*seals).figures
    assert [(f.model, f.name) for f in figures] == [
        ("champion", "auc"), ("champion", "brier"), ("card", "auc"),
    ]  # fmt: skip
    assert [f.better for f in figures] == [True, True, True]
    assert [f.outside for f in figures] == [True, False, True]
    assert figures[0].change == pytest.approx(0.03)


def test_verdicts_whose_status_changed_come_first(lab: Lab) -> None:
    def report(*found: dict[str, Any]) -> Any:
        return {"credit.verdicts": as_json({"verdicts": [{**VERDICT, **f} for f in found]})}

    first = lab.seal("1", data=report({}, {"code": "KS"}, {"code": "PSI"}))
    second = lab.seal(
        "2",
        data=report(
            {"value": 0.71}, {"code": "KS", "status": "fail"}, {"code": "PSI"}, {"code": "NEW"}
        ),
    )
    found = lab.compare(first, second)
    assert [(v.code, *v.statuses) for v in found.verdicts] == [
        ("KS", "pass", "fail"), ("NEW", "-", "pass"), ("AUC", "pass", "pass"),
    ]  # fmt: skip
    assert found.same_verdicts == 1
    assert "credit KS: pass → fail" in "\n".join(difference_lines(found))


def test_data_that_were_read_come_before_those_that_were_made(lab: Lab) -> None:
    def table(value: float) -> Any:
        frame = pd.DataFrame({"id": ["a", "b"], "x": [1.0, value]})
        return {"b.parquet": frame.to_parquet, "c.json": as_json({"list": [1, value]})}

    seals = (
        lab.seal("1", data=table(2.0), read={"raw": "a", "gone": "c"}),
        lab.seal("2", data=table(3.0), read={"raw": "b"}),
    )
    changes = lab.compare(*seals).data
    assert [(c.name, c.change, c.made) for c in changes] == [
        ("gone", "only first", False),
        ("raw", "changed", False),
        ("b.parquet", "changed", True),
        ("c.json", "changed", True),
    ]
    assert changes[1].detail.startswith("the file of one run is gone")
    assert changes[2].detail.cells == 1
    assert changes[3].detail == [("list[1]", 2.0, 3.0)]


def test_a_file_that_was_changed_after_its_run_is_not_shown(lab: Lab) -> None:
    seals = [lab.seal(run, data={"a.json": as_json({"x": x})}) for run, x in (("1", 1), ("2", 2))]
    (lab.root / "data/a.json/1/a.json").write_text('{"x": 99}')
    (change,) = lab.compare(*seals).data
    assert change.detail.startswith("the file of one run is gone or was changed since")


def test_a_broken_seal_is_refused(lab: Lab) -> None:
    seals = [lab.seal("1"), lab.seal("2")]
    seals[1].write_text(seals[1].read_text().replace('"value": 4', '"value": 5'))
    with pytest.raises(SealError, match="changed after it was made"):
        lab.compare(*seals)


def picture(colour: str) -> Any:
    from matplotlib.figure import Figure

    def save(path: Path) -> None:
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], color=colour)
        figure.savefig(path, format="png")

    return save


def test_pictures_stand_side_by_side(lab: Lab) -> None:
    seals = [
        lab.seal(run, data={"roc.png": picture(colour), "same.png": picture("red")})
        for run, colour in (("1", "red"), ("2", "blue"))
    ]
    found = lab.compare(*seals)
    assert [p.title for p in found.pictures] == ["roc.png"]
    assert found.same_pictures == 1
    page = render_difference(found)
    assert page.count('<img src="data:image/png;base64,') == 2
    assert 'alt="roc.png, before"' in page


def test_the_page_holds_itself_and_shows_everything_as_text(lab: Lab) -> None:
    nasty = {"depth": {"value": "<script>alert(1)</script>"}}
    report = {"credit.verdicts": as_json({"verdicts": [{**VERDICT, "status": "fail"}]})}
    page = render_difference(
        lab.compare(lab.seal("1"), lab.seal("2", parameters=nasty, data=report))
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "The &lt;b&gt;AUC&lt;/b&gt;" in page
    assert "&lt;ada&gt;" in page
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert '<html lang="en">' in page
    for anchor in re.findall(r'href="#(\w+)"', page):
        assert f'id="{anchor}"' in page


NOTEBOOK = json.dumps(
    {"cells": [{"cell_type": "code", "source": ["x = 1\n", "y = 2"], "outputs": []}]}
)


@pytest.mark.parametrize("inside", ["", "deep/project"])
def test_lines_that_differ_with_what_was_not_committed(tmp_path: Path, inside: str) -> None:
    lab = Lab(tmp_path, inside)
    first = lab.commit(
        "one", src__m_dot_py="a = 1\n", notebooks__n_dot_ipynb=NOTEBOOK, README_dot_md="x",
        requirements_dot_lock="numpy==1.0 \\\n    --hash=sha256:a\npandas==3.0\n",
    )  # fmt: skip
    second = lab.commit(
        "two", notebooks__n_dot_ipynb=NOTEBOOK.replace("y = 2", "y = 3"), README_dot_md="y",
        requirements_dot_lock="numpy==1.1 \\\n    --hash=sha256:b\npandas==3.0\n",
    )  # fmt: skip
    (lab.root / "src/m.py").write_text("a = 1\nb = 2\n")
    (lab.root / "src/new.py").write_text("c = 3\n")
    git(lab.root, "add", "-N", ".")
    patch = git(lab.root, "diff", "HEAD", "--binary", "--full-index", "--relative") + "\n"
    seals = [
        {"content": {"code": {"commit": commit, "dirty": dirty}}}
        for commit, dirty in ((first, None), (second, "x"))
    ]
    before = git(tmp_path, "count-objects", "-v"), git(tmp_path, "status", "--porcelain")
    found = compare_code(lab.root, seals, [None, patch.encode()])
    assert (git(tmp_path, "count-objects", "-v"), git(tmp_path, "status", "--porcelain")) == before
    assert found.files is not None, found.note
    assert {f.path: f.change for f in found.files} == {
        "notebooks/n.ipynb": "changed",
        "requirements.lock": "changed",
        "src/m.py": "changed",
        "src/new.py": "added",
    }
    lines = {f.path: [n for n in f.lines if n[:1] in "+-"] for f in found.files}
    assert lines["notebooks/n.ipynb"] == ["-y = 2", "+y = 3"], "cells, not JSON"
    assert lines["src/m.py"] == ["+b = 2"]
    assert lines["requirements.lock"] == ["-numpy==1.0", "+numpy==1.1"]
    assert found.packages == (("numpy", "1.0", "1.1"),)
    assert [line.split(" ", 1)[1] for line in found.log] == ["two"]
    assert found.dirty == (False, True)


def test_a_generated_module_is_named_after_its_notebook(lab: Lab) -> None:
    head = "# AUTOGENERATED! DO NOT EDIT! File to edit: ../../../notebooks/a/m.ipynb.\n\n"
    first = lab.commit("one", src__p__q__m_dot_py=head + "x = 1\n")
    second = lab.commit("two", src__p__q__m_dot_py=head + "x = 2\n")
    seals = [{"content": {"code": {"commit": c}}} for c in (first, second)]
    (file,) = compare_code(lab.root, seals, [None, None]).files or ()
    assert file.origin == "notebooks/a/m.ipynb"


@pytest.mark.parametrize(
    ("commits", "dirty", "said"),
    [
        ((None, None), None, "no commit is recorded"),
        (("0" * 40, "0" * 40), None, "is not in this repository"),
        (("HEAD", "HEAD"), "x", "the patch of what was not committed"),
    ],
)
def test_code_that_is_gone_is_compared_by_its_hashes(
    lab: Lab, commits: tuple[str | None, str | None], dirty: str | None, said: str
) -> None:
    head = lab.commit("one", src__m_dot_py="a = 1\n")
    seals = [
        {
            "content": {
                "code": {
                    "commit": head if commit == "HEAD" else commit,
                    "dirty": dirty,
                    "modules": {"a": str(number), "b": "1"},
                    "nodes": {"train": str(number)},
                }
            }
        }
        for number, commit in enumerate(commits)
    ]
    found = compare_code(lab.root, seals, [None, None])
    assert said in found.note
    assert found.files is None
    assert found.modules == {"a": "changed"}
    assert found.nodes == ("train",)
    assert not found.same

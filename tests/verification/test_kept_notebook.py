"""Which executions of a notebook are kept for the next verification."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fin_kedro.seals.modules import notebook_hash
from fin_kedro.seals.seal import make_seal
from fin_kedro.storage.canonical import canonical_outputs, json_hash
from fin_kedro.verification.kept_notebook import is_current


def kept_notebook(folder: Path, outcome: str = "completed") -> tuple[Path, Path]:
    """A notebook of a project, and its sealed execution as `verify --all` keeps it."""
    (folder / "pyproject.toml").write_text("")
    (folder / "src").mkdir()
    output = {"output_type": "stream", "name": "stdout", "text": "0.5"}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "x", "outputs": [output]}
    source, kept = folder / "n.ipynb", folder / "kept.ipynb"
    source.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    code = {"notebooks": {"n.ipynb": notebook_hash(source)}, "modules": {}}
    outputs = json_hash(canonical_outputs(source))
    parts = {part: {} for part in ("environment", "parameters", "steps", "subject")}
    data = {"read": {}, "written": {"outputs": outputs}}
    content = {**parts, "kind": "notebook", "code": code, "data": data, "outcome": outcome}
    made = {"cells": [cell], "metadata": {"fin_kedro": {"seal": make_seal(content, {})}}}
    kept.write_text(json.dumps(made))
    return source, kept


@pytest.mark.parametrize("fault", ["none", "it failed", "an output edited", "the seal edited"])
def test_only_a_sound_execution_is_kept_for_the_next_time(tmp_path: Path, fault: str) -> None:
    """One that failed once, when data were missing, would otherwise fail for ever."""
    source, kept = kept_notebook(tmp_path, "failed" if fault == "it failed" else "completed")
    text = kept.read_text()
    kept.write_text(text.replace("0.5", "0.6") if fault == "an output edited" else text)
    if fault == "the seal edited":
        kept.write_text(text.replace('"modules": {}', '"modules": {"m": "h"}'))
    assert is_current(kept, source) is (fault == "none")

"""Whether the kept execution of a notebook is sound, and of the notebook's code as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fin_kedro.seals.modules import Sources, notebook_hash
from fin_kedro.seals.seal import check_seal, read_seal
from fin_kedro.storage.canonical import canonical_outputs, json_hash
from fin_kedro.verification.sealed_run import UNREADABLE


def is_current(kept: Path, notebook: Path) -> bool:
    """Whether the kept execution came to its end, is as it was sealed, and of the code as it is."""
    try:
        seal = read_seal(kept)
        check_seal(seal)
        outputs = json_hash(canonical_outputs(kept))
    except UNREADABLE:
        return False
    content = seal["content"]
    sound = content["outcome"] == "completed" and content["data"]["written"]["outputs"] == outputs
    return sound and _is_of(content["code"], notebook) and _tags(notebook) == _tags(kept)


def _is_of(code: Mapping[str, Any], notebook: Path) -> bool:
    """Whether sealed code is that of a notebook and of the modules it imports."""
    project = notebook
    while not (project / "pyproject.toml").is_file():
        project = project.parent
    modules = Sources(project / "src").notebook_closure(notebook)
    same = notebook_hash(notebook) in code.get("notebooks", {}).values()
    return same and all(code["modules"].get(m) == h for m, h in modules.items())


def _tags(notebook: Path) -> list[tuple[Any, Any]]:
    """Cells with their tags: which of them are compared is one of those."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(c.get("id"), tags) for c in cells if (tags := c["metadata"].get("tags"))]

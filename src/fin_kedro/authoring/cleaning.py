"""Notebooks without outputs, counts and stray metadata; nbdev is imported where it is used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fin_kedro.authoring.notebook import Notebook, joined, read_notebook
from fin_kedro.authoring.project import Project, chosen_notebooks

KERNEL = {"display_name": "fin-kedro", "language": "python", "name": "fin-kedro"}


def clean_notebook(content: dict[str, Any], cell_metadata: Iterable[str] = ("tags",)) -> None:
    """Clean a notebook's JSON in place: no outputs, no counts, only metadata that is needed.

    Cell metadata named in `cell_metadata` stays (papermill finds its parameters by a tag), and so
    does the kernel specification with its language, without which papermill does not start.
    """
    from nbdev.clean import clean_nb

    clean_nb(content, allowed_cell_metadata_keys=list(cell_metadata))
    for cell in content["cells"]:
        cell["source"] = joined(cell["source"]).splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    content["metadata"] = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}


def notebook_text(content: dict[str, Any]) -> str:
    """The one text form in which notebooks are kept; JupyterLab writes the same."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def cleaned_text(project: Project, notebook: Notebook) -> str:
    """The text that a notebook has when it is clean."""
    content = json.loads(notebook.text)
    clean_notebook(content, project.cell_metadata)
    return notebook_text(content)


def clean_all(project: Project, paths: Iterable[Path] = ()) -> list[str]:
    """Clean `paths`, or every notebook of the project; names of those that changed."""
    changed = []
    for path in chosen_notebooks(project, paths, project.swept()):
        notebook = read_notebook(path)
        text = cleaned_text(project, notebook)
        if text != notebook.text:
            path.write_text(text, "utf-8")
            changed.append(project.name(path))
    return changed

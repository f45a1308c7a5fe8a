"""The seal of what papermill's own command executes: `papermill --engine fin-kedro in out`.

The engine knows nothing of this package; it finds `EngineSealer` by the entry point
`sealed_kernel.sealer`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from fin_kedro.seals.notebook_seal import SURROUNDINGS, Asked, project_of, seal_notebook
from fin_kedro.seals.seal import stored_patch
from fin_kedro.seals.seal_entries import enter_notebook


class EngineSealer:
    """Seals one execution of the engine, in the notebook's own metadata and in the ledger.

    Args:
        notebook: as it is about to be executed (nbformat 4), parameters injected.
        source: its file.

    ``ask``: what the kernel is to answer at the end.
    """

    def __init__(self, notebook: Mapping[str, Any], source: Path) -> None:
        given = notebook["metadata"].get("papermill", {}).get("parameters", {})
        self._asked = Asked(
            notebook=source,
            project=project_of(source),
            env=os.environ.get("KEDRO_ENV"),
            parameters=dict(given),
            started=datetime.now(UTC),
        )
        self.ask = {"environment": SURROUNDINGS.format(project=str(self._asked.project))}

    def seal(self, executed: Any) -> None:
        """Put the seal, with its occasion, into an executed notebook, and enter it.

        Nothing lies beside a notebook that papermill writes, so the occasion is in it too.
        Raises LedgerError or SigningError when it cannot be entered; the notebook is sealed then.
        """
        kept = executed["metadata"].setdefault("fin_kedro", {})
        seal, patch = seal_notebook(self._asked, executed, kept.get("error"))
        kept.pop("answers", None)
        kept["seal"] = nbformat.from_dict(seal)
        if patch:
            kept["patch"] = stored_patch(patch)
        enter_notebook(seal, project=self._asked.project, env=self._asked.env)

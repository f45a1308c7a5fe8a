"""Where the datasets of a sealed run lie: as recorded, else as the catalog has them now."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from fin_kedro.storage.dataset_state import DatasetHashes
from fin_kedro.verification.sealed_run import Sealed


class Places:
    """Path and version of each dataset of a sealed run, and content hashes of their files."""

    def __init__(self, sealed: Sealed) -> None:
        self._sealed = sealed

    @cached_property
    def recorded(self) -> dict[str, dict[str, Any]]:
        """Path and version of each dataset: as recorded, else as the catalog has it now."""
        places = dict(self._sealed.occasion.get("datasets") or {})
        for name in self._sealed.content["data"]["read"]:
            if not places.get(name, {}).get("path") and (place := self._place_now(name)):
                places[name] = place
        return places

    @cached_property
    def hash_of(self) -> DatasetHashes:
        """Content hash of a dataset's file, by its name and path."""
        return DatasetHashes(self._catalog)

    @cached_property
    def _catalog(self) -> Any:
        """The project's catalog; None when conf has changed so that it does not open."""
        from fin_kedro.project.evidence import open_catalog

        sealed = self._sealed
        try:
            return open_catalog(project_path=sealed.project, env=sealed.env or "base")
        except (OSError, ValueError):
            return None

    def _place_now(self, name: str) -> dict[str, Any] | None:
        if self._catalog is None or name not in self._catalog:
            return None
        dataset, project = self._catalog.get(name), self._sealed.project
        path = Path(str(getattr(dataset, "_filepath", "")))
        version = None
        if getattr(dataset, "_version", None):
            version = max((p.parent.name for p in path.glob(f"*/{path.name}")), default=None)
            path = path / str(version) / path.name
        path = path.relative_to(project) if path.is_relative_to(project) else path
        return {"path": str(path), "version": version}

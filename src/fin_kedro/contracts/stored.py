"""A contract that a run composes, kept as a versioned JSON record."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, Version
from kedro_datasets._typing import TablePreview

from fin_kedro.contracts.model import Contract
from fin_kedro.contracts.reading import contract_preview


class ContractRecordDataset(AbstractVersionedDataset[Contract, Contract]):
    """A composed contract as JSON; contracts written by people are `ContractDataset`.

    Args:
        filepath: path of the ``.json`` file (versioned by Kedro).
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self.metadata = metadata

    def save(self, data: Contract) -> None:
        """Write the contract."""
        path = Path(str(self._get_save_path()))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data.to_dict(), indent=1) + "\n", encoding="utf-8")

    def load(self) -> Contract:
        """Read the contract."""
        return Contract.from_dict(json.loads(Path(str(self._get_load_path())).read_text("utf-8")))

    def preview(self) -> TablePreview:
        """Return one row per column, for Kedro-Viz."""
        return contract_preview(self.load())

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version}

"""Installed distributions made for tests."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path


def distribution(site: Path, name: str, version: str, text: str = "x = 1\n") -> Path:
    """An installed distribution of one module, with its RECORD; the module's path."""
    module = site / name / "__init__.py"
    module.parent.mkdir(parents=True, exist_ok=True)
    module.write_text(text)
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    record = f'"{name}/__init__.py",sha256={digest},{len(text)}\n{folder.name}/RECORD,,\n'
    (folder / "RECORD").write_text(record)
    return module

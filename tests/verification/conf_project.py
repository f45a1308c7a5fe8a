"""A project that is conf only, and a seal of its parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PARAMETERS = {"model": {"depth": 4, "rate": 0.1}, "names": ["a", "b"]}


def project(folder: Path, parameters: Any = PARAMETERS, **files: Any) -> Path:
    """A project that is conf only."""
    base: dict[str, Any] = {
        "conf/base/parameters.yml": parameters,
        "conf/base/policy.yml": {"gates": {"AUC": {"min": 0.7}}},
        "conf/base/mlflow.yml": {"server": {"mlflow_tracking_uri": "${project:data/mlflow.db}"}},
        "conf/base/catalog.yml": {"seal": {"type": "json.JSONDataset", "filepath": "data/s.json"}},
        "conf/base/globals.yml": {"data": "data"},
    }
    for name, content in {**base, **{n.replace("__", "/"): c for n, c in files.items()}}.items():
        path = folder / (name if name.endswith(".yml") else f"{name}.yml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    (folder / "conf/local").mkdir(exist_ok=True)
    return folder


def seal(parameters: Any = PARAMETERS, **occasion: Any) -> dict[str, Any]:
    policy = {"gates": {"AUC": {"min": 0.7}}}
    content = {"subject": {"env": None}, "parameters": {**parameters, "policy": policy}}
    return {"content": content, "occasion": occasion}

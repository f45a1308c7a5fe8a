"""The evidence of one run for a report: catalog entries by version, and the policy that judges it.

The catalog is built from `conf` directly, without a session, plugins or MLflow: it opens in a
fraction of a second and nothing is logged while a report is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.config import MissingConfigException
from kedro.io import DataCatalog, DatasetNotFoundError

from fin_kedro.project.config import ProjectConfigLoader, data_folder, project_config
from fin_kedro.project.loads import note_data
from fin_kedro.project.policy import policy_of
from fin_kedro.storage.dataset_state import DatasetHashes
from fin_kedro.storage.frames import to_frame
from fin_kedro.storage.spill import spill_into
from fin_kedro.storage.whole_versions import keep_versions_whole

if TYPE_CHECKING:
    import pandas as pd

BASE = "base"
PATH_KEYS = ("filepath", "path", "filename", "database")
MLFLOW_WRAPPERS = ("MlflowArtifactDataset", "LoggedDataset")


def open_catalog(
    *,
    project_path: str | Path,
    env: str = BASE,
    versions: Mapping[str, str] | None = None,
    loader: ProjectConfigLoader | None = None,
) -> DataCatalog:
    """The project's catalog with `versions` (dataset name -> version) to load, else the latest.

    `loader` is taken for the conf of `env` where one is open already.
    Datasets wrapped for MLflow are unwrapped: reading a report's evidence logs nothing.
    Raises FileNotFoundError when `project_path` holds no conf for `env`, ValueError when a
    version is asked of a dataset that is unknown or not versioned.
    """
    root = Path(project_path).resolve()
    # a loader is a mapping, empty until somebody sets a part of it: it must not be asked whether
    # it is true
    loader = _loader(project_path, env) if loader is None else loader
    entries = {name: _located(_unwrapped(entry), root) for name, entry in loader["catalog"].items()}
    wanted = {name: version for name, version in (versions or {}).items() if version}
    _check_versioned(entries, wanted)
    try:
        catalog = DataCatalog.from_config(
            entries, _credentials(loader), load_versions=wanted, validation_enabled=False
        )
    except DatasetNotFoundError as error:
        raise ValueError(
            f"versions names datasets that the catalog does not hold: {error} "
            f"It holds {sorted(entries)}."
        ) from error
    keep_versions_whole(catalog)
    spill_into(data_folder(loader, root))
    note_data(catalog, root=root)
    return catalog


def _credentials(loader: ProjectConfigLoader) -> dict[str, Any]:
    """The project's credentials; empty when there are none."""
    try:
        return dict(loader["credentials"])
    except MissingConfigException:
        return {}


def open_policy(
    *, project_path: str | Path, env: str = BASE, workflow: str | None = None
) -> dict[str, Any]:
    """The policy (`policy*.yml`) of the project in `env`, as it binds `workflow`.

    Without a workflow: what binds all. FileNotFoundError when there is none.
    """
    try:
        return policy_of(_loader(project_path, env)["policy"], workflow)
    except MissingConfigException as error:
        raise FileNotFoundError(
            f"No policy in {Path(project_path).resolve() / 'conf' / BASE}; add policy.yml."
        ) from error


def _loader(project_path: str | Path, env: str) -> ProjectConfigLoader:
    """The project's configuration as `kedro run --env` reads it; `base` is a run without --env."""
    conf = Path(project_path).resolve() / "conf"
    for name in {BASE, env}:
        if not (conf / name).is_dir():
            raise FileNotFoundError(
                f"No folder {name!r} in {conf}; there are {_folders(conf)}. Name one with `env`."
            )
    return project_config(Path(project_path).resolve(), None if env == BASE else env)


def _folders(conf: Path) -> list[str]:
    """The environments a project has."""
    return sorted(path.name for path in conf.iterdir() if path.is_dir()) if conf.is_dir() else []


def _unwrapped(entry: Any) -> Any:
    """The dataset inside an MLflow wrapper, without validators, which a reader does not need."""
    if not isinstance(entry, Mapping):
        return entry
    if str(entry.get("type", "")).endswith(MLFLOW_WRAPPERS):
        inner = (
            {"type": entry["dataset"]} if isinstance(entry["dataset"], str) else entry["dataset"]
        )
        versioned = {"versioned": True} if entry.get("versioned") else {}
        return _unwrapped({**inner, **versioned})
    return {key: value for key, value in entry.items() if key != "validator"}


def _located(entry: Any, root: Path) -> Any:
    """The entry with its relative paths made absolute under `root`."""
    if not isinstance(entry, Mapping):
        return entry
    return {
        key: _absolute(value, root) if key in PATH_KEYS else _located(value, root)
        for key, value in entry.items()
    }


def _absolute(value: Any, root: Path) -> Any:
    """A relative local path under `root`; everything else (s3://, /data, :memory:) as it is."""
    if not isinstance(value, str) or ":" in value or Path(value).is_absolute():
        return value
    return (root / value).as_posix()


def _check_versioned(entries: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """ValueError when a version is asked of a dataset that keeps none; Kedro would ignore it."""
    for name, version in wanted.items():
        entry = entries.get(name)
        if isinstance(entry, Mapping) and not entry.get("versioned"):
            raise ValueError(
                f"versions asks for {version!r} of {name!r}, which is not versioned; "
                "set versioned: true in the catalog or drop it from versions."
            )


def load_table(catalog: DataCatalog, name: str) -> pd.DataFrame:
    """Dataset `name` as a pandas frame, whichever engine it comes from (Ibis, Polars, pandas)."""
    loaded = catalog.load(name)
    if hasattr(loaded, "to_pyarrow_batches"):
        return to_frame(loaded)
    return loaded.to_pandas() if hasattr(loaded, "to_pandas") else loaded


def load_json(catalog: DataCatalog, name: str) -> dict[str, Any]:
    """Dataset `name` as a plain dict; an object with `to_dict` (a contract) is turned into one."""
    loaded = catalog.load(name)
    return loaded.to_dict() if hasattr(loaded, "to_dict") else dict(loaded)


def content_hashes(catalog: DataCatalog, names: Iterable[str]) -> dict[str, str]:
    """The hash (sha256, hex) of each dataset's content, as seals have it.

    "" for one that is not a local file or folder.
    """
    hashes, digest_of = {}, DatasetHashes(catalog)
    for name in names:
        dataset = catalog.get(name)
        find = getattr(dataset, "_get_load_path", None)
        path = Path(str(find())) if find else Path(str(getattr(dataset, "_filepath", "")))
        hashes[name] = digest_of(name, path) if path.exists() and path.name else ""
    return hashes

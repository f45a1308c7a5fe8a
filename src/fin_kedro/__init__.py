"""fin_kedro: from a notebook cell to an approved, explained credit or fraud decision."""

import gc
import os
import warnings

__version__ = "0.1.0"

# A bank's machine talks to nobody by itself. Set before any of these libraries is imported.
_NO_TELEMETRY = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "ORT_DISABLE_TELEMETRY": "1",
}
for _name, _value in _NO_TELEMETRY.items():
    os.environ.setdefault(_name, _value)

# Quiet by default: MLflow reports the making of its tables, and every file it copies.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# pandera looks whether Spark's pandas is there; we use Spark through Ibis and Arrow only.
warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")


def settle() -> None:
    """Settle warnings and memory before Kedro loads its plugins (entry point ``kedro.init``).

    kedro-mlflow's own model class lacks type hints, and MLflow says so at every start. The
    plugin is imported anyway; here its warning is caught, as libraries under it override a filter.
    """
    # Imports make a million lasting objects; looking them through again and again for garbage
    # took a sixth of the time that a start takes.
    gc.set_threshold(100_000, 50, 100)
    with warnings.catch_warnings(record=True):
        import kedro_mlflow.mlflow  # noqa: F401

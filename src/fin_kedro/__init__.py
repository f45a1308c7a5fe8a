"""fin_kedro: from a notebook cell to an approved, explained credit or fraud decision."""

import gc
import os
import sys
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
    """Settle numbers, warnings and memory before Kedro loads its plugins (``kedro.init``).

    Sums and logarithms come out alike on any number of cores and on any processor of a family, if
    numeric libraries find their variables when they are imported. What somebody has set stays, and
    the run's seal says so. Time zone and locale are no choice: a run is the same in any shell.

    kedro-mlflow's own model class lacks type hints, and MLflow says so at every start. The
    plugin is imported anyway; here its warning is caught, as libraries under it override a filter.
    """
    from sealed_kernel.fixed import settle_place

    # Imports make a million lasting objects; looking them through again and again for garbage
    # took a sixth of the time that a start takes.
    gc.set_threshold(100_000, 50, 100)
    _fix_numbers()
    settle_place()
    with warnings.catch_warnings(record=True):
        import kedro_mlflow.mlflow  # noqa: F401


def _fix_numbers() -> None:
    """Set threads and processor features, unless NumPy has read its variables already."""
    from sealed_kernel.fixed import PROCESSOR, THREADS, fixed_environment

    if "numpy" in sys.modules:
        return
    fixed = fixed_environment()
    for name in (*THREADS, *PROCESSOR):
        os.environ.setdefault(name, fixed[name])

"""What MLflow keeps of a candidate: its graph behind MLflow's own interface (models from code).

MLflow's ONNX flavour hands text columns to onnxruntime in a form it refuses (pandas 3 strings).
MLflow copies this file into the model and runs it there: it imports nothing of the project.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class Graph(PythonModel):
    """Raw application rows in (missing: NaN or None), calibrated probability out."""

    def load_context(self, context: Any) -> None:
        """Open the graph on one thread."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            context.artifacts["model"], options, providers=["CPUExecutionProvider"]
        )
        facts = self._session.get_modelmeta().custom_metadata_map["fin_kedro"]
        self._inputs: dict[str, str] = json.loads(facts)["inputs"]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Score a frame of raw rows; returns one column, ``probability``."""
        del context, params
        feeds = {
            given.name: _TENSORS[kind](model_input[name])
            for given, (name, kind) in zip(
                self._session.get_inputs(), self._inputs.items(), strict=True
            )
        }
        (probability,) = self._session.run(["probability"], feeds)
        return pd.DataFrame({"probability": probability}, index=model_input.index)


def _numbers(column: pd.Series) -> Any:
    return pd.to_numeric(column).to_numpy("float64", na_value=float("nan"))


def _texts(column: pd.Series) -> Any:
    return column.astype(object).where(column.notna(), "").to_numpy()


def _moments(column: pd.Series) -> Any:
    """Microseconds since 1970 UTC of ISO texts, dates or timestamps."""
    found = pd.to_datetime(column, utc=True, format="ISO8601").dt.as_unit("us")
    return found.astype("int64").astype("float64").where(found.notna()).to_numpy()


_TENSORS = {"number": _numbers, "moment": _moments, "string": _texts}
set_model(Graph())

"""Files of each kind, as a test needs them."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def parquet(table: pa.Table, **how: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


def graph(weight: float, *, name: str = "g", producer: str = "a", date: str = "1") -> bytes:
    from onnx import TensorProto, helper

    node = helper.make_node("Add", ["x", "w"], ["y"])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("x", "y")]
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [weight])
    made = helper.make_graph([node], name, ends[:1], ends[1:], [tensor], doc_string=date)
    model = helper.make_model(made, producer_name=producer, producer_version=date)
    helper.set_model_props(model, {"date": date, "threshold": "0.5"})
    return bytes(model.SerializeToString())


PIXELS = np.random.default_rng(0).integers(0, 256, size=(23, 31, 4), dtype=np.uint8)


def png(image: Image.Image, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **how)
    return buffer.getvalue()


def picture(mode: str) -> Image.Image:
    image = Image.fromarray(PIXELS).convert("RGBA")
    return image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else (
        image.convert(mode)
    )  # fmt: skip


def svg(salt: str) -> bytes:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2, 3], marker="o")
    axes.set_clip_on(True)
    with mpl.rc_context({"svg.hashsalt": salt}):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": dt.datetime.now(dt.UTC)})
    return buffer.getvalue()

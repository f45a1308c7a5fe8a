"""ONNX: who wrote a graph and when changes no hash, what it computes always does."""

from __future__ import annotations

from fin_kedro.storage.canonical import content_hash

from .written import graph


def test_an_onnx_graph_is_what_it_computes() -> None:
    one = content_hash(graph(1.5), ".onnx")
    assert content_hash(graph(1.5, name="9f3b", producer="b", date="2"), ".onnx") == one
    assert content_hash(graph(1.5000001), ".onnx") != one
    assert content_hash(graph(1.5).replace(b"0.5", b"0.6"), ".onnx") != one


def test_the_order_of_an_onnx_models_properties_does_not_count() -> None:
    import onnx

    model = onnx.load_from_string(graph(1.0))
    entries = [(p.key, p.value) for p in model.metadata_props]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(reversed(entries)))
    assert content_hash(model.SerializeToString(), ".onnx") == content_hash(graph(1.0), ".onnx")

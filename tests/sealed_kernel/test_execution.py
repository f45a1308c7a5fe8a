"""Outputs of an execution are the same however the kernel cut its streams."""

from __future__ import annotations

from nbformat.v4 import new_output

from sealed_kernel.execution import join_streams


def test_neighbouring_chunks_of_one_stream_are_joined() -> None:
    def stream(name: str, text: str) -> dict[str, str]:
        return new_output("stream", name=name, text=text)

    display = new_output("display_data", {"text/plain": "x"})
    outputs = [stream("stdout", "a"), stream("stdout", "b"), stream("stderr", "c"), display,
               stream("stderr", "d")]  # fmt: skip
    joined = join_streams(outputs)
    assert [o.get("text") for o in joined] == ["ab", "c", None, "d"], "nothing crosses a display"

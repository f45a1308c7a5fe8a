"""Tracks: any window is the sum of what stands in it, and totals stay within 64 bits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fin_kedro.features.tracks import Track


def test_running_totals_never_leave_64_bits() -> None:
    track, most = Track(1), (1 << 44) - 1
    for t in range(300_000):
        track.insert(t, [most])
        if t % 16 == 15:
            track.drop(t - 32)
    assert track.totals[0][-1] - track.totals[0][-3] == 2 * most
    assert abs(track.totals[0][0]) < 1 << 62


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-5, 5)), min_size=1, max_size=12), st.data()
)
def test_a_track_is_the_sums_of_what_stands_in_it(
    entries: list[tuple[int, int]], data: st.DataObject
) -> None:
    track = Track(1)
    for time, value in entries:
        track.insert(time, [value])
    gone = data.draw(st.integers(0, len(entries) - 1))
    time, value = entries.pop(gone)
    track.remove(time, [value])
    assert list(track.times) == sorted(time for time, _ in entries)
    for edge in range(11):
        at = sum(time < edge for time, _ in entries)
        total = track.totals[0]
        assert total[at] - total[0] == sum(value for time, value in entries if time < edge)

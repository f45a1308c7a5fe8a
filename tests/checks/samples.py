"""Samples that hypothesis draws for the checks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


@st.composite
def scored(draw: st.DrawFn, smallest: int = 8, largest: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A target with both classes and probabilities that may tie."""
    rows = draw(st.integers(smallest, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    digits = draw(st.sampled_from([1, 2, 8]))
    probability = np.clip(np.round(rng.uniform(0, 1, rows), digits), 0.01, 0.99)
    target = (rng.uniform(size=rows) < probability).astype(int)
    target[:2], target[-2:] = 0, 1
    return target, probability

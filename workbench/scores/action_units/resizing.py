"""Bilinear resizing of maps, as PyTorch's `interpolate(mode="bilinear", antialias=True)` does it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt


def resized(values: npt.NDArray[np.floating[Any]], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """One map (h, w) at `size`: linear between pixel centres, edges repeated; a triangle as wide as the step when
    made smaller."""
    height, width = values.shape
    return np.asarray(_weights(height, size[0]) @ np.asarray(values, np.float64) @ _weights(width, size[1]).T)


@lru_cache(maxsize=64)
def _weights(old: int, new: int) -> npt.NDArray[np.float64]:
    """(new, old) weights of each old pixel in each new one; rows sum to 1."""
    step = old / new
    reach = max(step, 1.0)
    at = (np.arange(new) + 0.5) * step - 0.5
    weights = np.maximum(1 - np.abs(at[:, None] - np.arange(old)) / reach, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    weights.setflags(write=False)
    return weights

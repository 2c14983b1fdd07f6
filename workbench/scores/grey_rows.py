"""Many maps in rows made grey and cut at once, each as `cell.split` does one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.heatmaps import otsu, threshold

Grey = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.bool_]


def grey_rows(values: npt.NDArray[np.floating[Any]]) -> Grey:
    """8-bit grey of each row (R, P) by its own min–max, rounded; finite values, no row constant."""
    scaled = values.astype(np.float64)
    low, high = scaled.min(axis=1, keepdims=True), scaled.max(axis=1, keepdims=True)
    scaled -= low
    scaled *= 255.0 / (high - low)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def foregrounds(values: npt.NDArray[np.floating[Any]], grey: Grey, rule: str | float) -> Pixels:
    """Foreground (R, P) of each row by the threshold rule: Otsu's on its grey levels, else `heatmaps.threshold`."""
    if rule == "otsu":
        return np.asarray(grey > np.array([otsu(row) for row in grey], dtype=np.uint8)[:, None])
    return np.array([threshold(row.astype(np.float64), rule) for row in values])

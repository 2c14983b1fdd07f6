"""How a binary mask becomes a soft map; a rule per set, in its file."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from workbench.masks.geometry import Outline
from workbench.masks.points import Points

SIGMA: Final = 0.03  # of the distance of the outer eye corners
RULES: Final[dict[str, tuple[str, ...]]] = {
    "blur": ("sigma",),
    "resampled": ("side", "box"),
    "pyramid": ("slope", "over"),
}


def softened(
    binary: np.ndarray, shapes: list[Outline], rule: dict[str, Any], points: Points, pad: int = 0
) -> np.ndarray:
    """The soft map (h, w) float32 in [0, 1] of a binary one; `pad` pixels around the place's picture are in both.

    blur: Gaussian of standard deviation `sigma` (face units), so that straight edges lie at .5. resampled: bilinear to
    `side` × `side`, mean over `box` × `box`, bilinear back (arXiv 2402.00281's code). pyramid: in each square
    1 − slope · (|dx| + |dy|) / over, the largest of all squares (JAA-Net's code).
    """
    kind = str(rule.get("rule", "blur"))
    if kind == "pyramid":
        return _pyramid(binary, shapes, rule, points, pad)
    if kind == "blur":
        sigma = float(rule.get("sigma", SIGMA)) * points.place.unit
        return np.clip(gaussian_filter(binary.astype(np.float32), sigma, mode="constant"), 0, 1)
    height, width = points.place.size
    side, box = int(rule.get("side", 28)), int(rule.get("box", 3))
    inner = binary[pad : pad + height, pad : pad + width].astype(float)
    coarse = uniform_filter(_resampled(inner, (side, side)), box, mode="mirror")
    out = np.zeros(binary.shape, dtype=np.float32)
    out[pad : pad + height, pad : pad + width] = np.clip(_resampled(coarse, (height, width)), 0, 1)
    return out


def _resampled(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear between pixel centres without smoothing, edges repeated: what OpenCV's resize does."""
    for axis, count in enumerate(size):
        length = values.shape[axis]
        at = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0, length - 1)
        low = np.floor(at).astype(int)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(2)])
        high = np.minimum(low + 1, length - 1)
        values = (1 - share) * values.take(low, axis=axis) + share * values.take(high, axis=axis)
    return values


def _pyramid(binary: np.ndarray, shapes: list[Outline], rule: dict[str, Any], points: Points, pad: int) -> np.ndarray:
    slope = float(rule["slope"]) / points.length(rule["over"])
    down, across = (np.arange(count) - pad for count in binary.shape)
    (ax, ay), (bx, by) = points.turn
    out = np.zeros(binary.shape)
    for shape in shapes:
        if shape.centre is None:
            continue
        x, y = across - shape.centre[0], down[:, None] - shape.centre[1]
        first, second = np.abs(ax * x + ay * y), np.abs(bx * x + by * y)
        half = np.linalg.norm(shape.vertices[0] - shape.vertices[1]) / 2 + shape.radius
        value = 1 - slope * (first + second)
        out = np.maximum(out, np.where(np.maximum(first, second) <= half, value, 0))
    return np.clip(out, 0, 1).astype(np.float32)

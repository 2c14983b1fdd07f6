"""The shape of a region elsewhere on the face: where it fits, and some of those places drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.signal import fftconvolve
from scipy.spatial import Delaunay

from workbench.faithfulness.registry import Floats

INSIDE: Final = 0.95  # of a placed region's mass lies on the face (or as much as of the region itself, if less)
COARSE: Final = 56  # rows of the grid on which places are looked for


def hull(landmarks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels (H, W) bool whose middle lies in the convex hull of landmarks (P, 2), shares of the crop's side."""
    height, width = size
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    inside = Delaunay(landmarks).find_simplex(np.stack([x.ravel(), y.ravel()], 1)) >= 0
    return np.asarray(inside.reshape(size))


@dataclass(frozen=True)
class Shape:
    """A region's own rows and columns (h, w) in [0, 1], and the pixel at which they begin."""

    patch: Floats
    top: int
    left: int

    @classmethod
    def of(cls, region: Floats) -> Shape | None:
        """The shape of a region (H, W), None where it covers nothing."""
        rows, columns = np.nonzero(region > 0)
        if not len(rows):
            return None
        top, left = int(rows.min()), int(columns.min())
        return cls(region[top : rows.max() + 1, left : columns.max() + 1], top, left)


def painted(shapes: Sequence[Shape], size: tuple[int, int]) -> np.ndarray:
    """Shapes as pictures (n, H, W) float32, 0 around them."""
    result = np.zeros((len(shapes), *size), np.float32)
    for picture, one in zip(result, shapes, strict=True):
        height, width = one.patch.shape
        picture[one.top : one.top + height, one.left : one.left + width] = one.patch
    return result


def placements(shape: Shape, face: np.ndarray, count: int, stream: np.random.Generator) -> list[Shape]:
    """The shape at `count` other places of the face (H, W) bool, [] where there are fewer.

    It is moved by whole pixels, upright or mirrored left to right, top to bottom or both, so that its area stays; no
    more of it than of the shape itself (or 5 %, if that is more) leaves the face, none of it the picture. Places are
    drawn with equal chance, none twice; the shape's own place is not among them.
    """
    patch = shape.patch
    step = max(1, face.shape[0] // COARSE)
    mass = patch.sum()
    own = face[shape.top : shape.top + patch.shape[0], shape.left : shape.left + patch.shape[1]]
    least = min(INSIDE, float((patch * own).sum() / mass)) - 1e-9
    fitting: list[tuple[int, int, int]] = []
    forms = [patch, patch[:, ::-1], patch[::-1], patch[::-1, ::-1]]
    for form, flipped in enumerate(forms):
        inside = fftconvolve(face.astype(np.float64), flipped[::-1, ::-1], mode="valid") / mass
        found = np.argwhere(inside[::step, ::step] >= least) * step
        fitting += [(form, int(y), int(x)) for y, x in found if form or (y, x) != (shape.top, shape.left)]
    if len(fitting) < count:
        return []
    chosen = [fitting[index] for index in stream.choice(len(fitting), count, replace=False)]
    return [Shape(forms[form], y, x) for form, y, x in chosen]

"""Lines on faces: mask edges as light polygons, and the canonical face's own features."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from workbench.canonical import FACE_OVAL, CanonicalFace

# Ordered point numbers; left and right are the subject's.
_MESH: Final[dict[str, tuple[int, ...]]] = {
    "oval": (*FACE_OVAL, FACE_OVAL[0]),
    "lips": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61),
    "mouth": (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 78),
    "right eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33),
    "left eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263),
    "right brow": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 70),
    "left brow": (300, 293, 334, 296, 336, 285, 295, 282, 283, 276, 300),
    "nose bridge": (168, 6, 197, 195, 5, 4),
    "nose base": (129, 64, 98, 97, 2, 326, 327, 294, 358),
}
_IBUG: Final[dict[str, tuple[int, ...]]] = {
    "jaw": tuple(range(17)),
    "right brow": tuple(range(17, 22)),
    "left brow": tuple(range(22, 27)),
    "nose bridge": tuple(range(27, 31)),
    "nose base": tuple(range(31, 36)),
    "right eye": (*range(36, 42), 36),
    "left eye": (*range(42, 48), 42),
    "lips": (*range(48, 60), 48),
    "mouth": (*range(60, 68), 60),
}


def features(frame: CanonicalFace) -> dict[str, np.ndarray]:
    """Oval or jaw, brows, eyes, nose and lips of the canonical face: name → (K, 2) x, y in the grid's pixels.

    Empty for a landmark scheme whose point numbers are not known here.
    """
    points = np.asarray(frame.points, float)
    for loops, count in ((_MESH, 468), (_IBUG, 68)):
        known = "mediapipe" in frame.scheme if loops is _MESH else "68" in frame.scheme
        if known and len(points) >= count:
            return {name: points[list(loop)] for name, loop in loops.items()}
    return {}


def scaled_features(frame: CanonicalFace, size: tuple[int, int]) -> list[np.ndarray]:
    """The lines of `features` for a map of `size` (height, width), which may be coarser than the frame's grid."""
    scale = np.array([size[1] / frame.grid[1], size[0] / frame.grid[0]])
    return [(line + 0.5) * scale - 0.5 for line in features(frame).values()]


def edges(region: np.ndarray, tolerance: float = 0.4) -> list[np.ndarray]:
    """The outline of a boolean region (h, w) as closed polygons (K, 2) x, y in pixels.

    Simplified to within `tolerance` pixels, so that a page with hundreds of contours stays small.
    """
    inside = np.ascontiguousarray(region, bool)
    return list(_edges(inside.tobytes(), (inside.shape[0], inside.shape[1]), tolerance))


@lru_cache(maxsize=256)  # a page draws the same few masks hundreds of times
def _edges(packed: bytes, size: tuple[int, int], tolerance: float) -> tuple[np.ndarray, ...]:
    from skimage.measure import approximate_polygon, find_contours

    padded = np.pad(np.frombuffer(packed, bool).reshape(size).astype(float), 1)
    found = [approximate_polygon(line - 1, tolerance) for line in find_contours(padded, 0.5)]
    return tuple(line[:, ::-1] for line in found if len(line) > 3)

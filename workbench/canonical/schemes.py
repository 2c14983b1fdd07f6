"""Landmark schemes, and the table that turns one into another."""

from __future__ import annotations

from typing import Final

import numpy as np

from workbench.errors import UsageError

MEDIAPIPE: Final = "mediapipe478"
IBUG: Final = "ibug68"

# dlib/iBUG order (0-based) → mesh point; commutes with mirroring. After py-feat's region tables (MIT), jaw row ours.
# fmt: off
_MESH_OF_IBUG: Final = np.array([
    127, 234, 93, 132, 58, 136, 149, 148, 152, 377, 378, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # brows
    168, 6, 195, 4, 98, 97, 2, 326, 327,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lip
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lip
])
# The outline of the mesh, from the top of the forehead over the subject's left side; its 36 border points.
FACE_OVAL: Final = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on
SCHEME_OF_COUNT: Final = {478: MEDIAPIPE, 468: MEDIAPIPE, 68: IBUG}


def convert(landmarks: np.ndarray, from_scheme: str, to_scheme: str) -> np.ndarray:
    """Landmarks (…, P, 2) of one scheme in another: `mediapipe478` → `ibug68`, or a scheme to itself.

    UsageError for another pair: 68 points cannot give back 478.
    """
    landmarks = np.asarray(landmarks)
    if from_scheme == to_scheme:
        return landmarks
    if (from_scheme, to_scheme) == (MEDIAPIPE, IBUG):
        return landmarks[..., _MESH_OF_IBUG, :]
    raise UsageError(f"landmarks cannot be converted from {from_scheme!r} to {to_scheme!r}; use 478 mesh points")


def mirror_permutation(points: np.ndarray, middle: float) -> np.ndarray:
    """For each point the index of its mirror image at the vertical line x = `middle` (nearest point)."""
    mirrored = np.column_stack([2 * middle - points[:, 0], points[:, 1]])
    return np.asarray(np.linalg.norm(points[None] - mirrored[:, None], axis=-1).argmin(axis=1))

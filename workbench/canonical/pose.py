"""Head pose from landmarks: the rotation of the canonical face model that explains them best.

Angles in degrees, about the subject's own axes: yaw > 0 turns the head to the subject's left (the nose moves to the
right in the image), pitch > 0 raises the chin, roll > 0 tips the head towards the subject's left shoulder (clockwise
in the image). The order is pitch, then yaw, then roll in the image plane, so that turning the picture changes roll
alone; yaw lies in −90 … 90.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from workbench.canonical.load import table
from workbench.canonical.schemes import IBUG, MEDIAPIPE, SCHEME_OF_COUNT, convert
from workbench.errors import UsageError

# Nose and eye corners: neither expressions nor an open jaw move them, and they are no outlines, which slide with yaw.
_STILL_OF_IBUG: Final = (*range(27, 36), 36, 39, 42, 45)


def head_pose(landmarks: np.ndarray, scheme: str | None = None, *, aspect: float = 1.0) -> np.ndarray:
    """Yaw, pitch and roll in degrees, (…, 3) float64, of landmarks (…, P, 2) as shares of the crop.

    The crop's width ÷ height is `aspect`. With 478 or 468 mesh points, those above the base of the nose are used; with
    68, the nose and the corners of the eyes. A weak-perspective camera is fitted to the canonical face model: least
    squares, then the nearest scaled rotation. A third coordinate (depth in the units of x, smaller = nearer, as
    MediaPipe gives it) makes it the fit of two point clouds.

    Exact for a face of the model's build seen from afar. A longer or shorter nose shifts pitch by some degrees and
    scales yaw; a camera at 40 cm adds up to 5°. Enough to flag turned heads, not to measure where someone looks.

    UsageError for another number of points. Sources: DeMenthon & Davis 1995, IJCV 15 (pose from orthography and
    scaling); Umeyama 1991, IEEE TPAMI 13(4) (nearest rotation).
    """
    landmarks = np.asarray(landmarks, dtype=float)
    if landmarks.ndim < 2 or landmarks.shape[-1] not in (2, 3) or landmarks.shape[-2] not in SCHEME_OF_COUNT:
        raise UsageError(f"landmarks have shape {landmarks.shape}; give (…, 478, 2), (…, 468, 2) or (…, 68, 2) shares")
    model, chosen = _model(scheme or SCHEME_OF_COUNT[landmarks.shape[-2]])
    seen = landmarks[..., chosen, :] * np.array([aspect, 1.0, aspect][: landmarks.shape[-1]])
    seen = seen - seen.mean(axis=-2, keepdims=True)
    if landmarks.shape[-1] == 3:
        u, _, vt = np.linalg.svd(np.swapaxes(seen, -1, -2) @ model)
        u[..., :, 2] *= np.linalg.det(u @ vt)[..., None]
        rotation = u @ vt
    else:
        camera = np.swapaxes(np.linalg.pinv(model) @ seen, -1, -2)
        u, _, vt = np.linalg.svd(camera, full_matrices=False)
        first = u @ vt
        rotation = np.concatenate([first, np.cross(first[..., 0, :], first[..., 1, :])[..., None, :]], axis=-2)
    yaw = np.arcsin(np.clip(rotation[..., 2, 0], -1, 1))
    pitch = -np.arctan2(rotation[..., 2, 1], rotation[..., 2, 2])
    roll = np.arctan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))


def face_model() -> np.ndarray:
    """The canonical face model (468, 3) in cm: x to the image's right, y down, z away from the camera; read-only.

    From MediaPipe (Apache-2.0), as in the tables of the frame `mediapipe478`.
    """
    return _vertices()


@cache
def _vertices() -> np.ndarray:
    front, depth = table("mediapipe478_points.csv")[:468, 1:], table("mediapipe478_depth.csv")[:, 1]
    vertices = np.column_stack([front, -depth])
    vertices.setflags(write=False)
    return vertices


@cache
def _model(scheme: str) -> tuple[np.ndarray, np.ndarray]:
    """The model's still points, centred, and which landmarks of the scheme they are."""
    vertices = _vertices()
    if scheme == MEDIAPIPE:
        base = convert(vertices, MEDIAPIPE, IBUG)[33, 1]
        chosen = np.flatnonzero(vertices[:, 1] <= base)
        points = vertices[chosen]
    else:
        chosen = np.array(_STILL_OF_IBUG)
        points = convert(vertices, MEDIAPIPE, IBUG)[chosen]
    return points - points.mean(axis=0), chosen

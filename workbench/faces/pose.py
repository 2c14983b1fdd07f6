"""Which way a head is turned, from its landmarks alone.

Weak perspective: the image positions of points that expressions hardly move are an affine function of their places on
the canonical head; least squares gives the 2 × 3 matrix, and the nearest scaled rotation (polar decomposition) the
pose. MediaPipe's facial transformation matrix is not used: it assumes a camera, and so depends on where
the face stands in the picture. On 40 renders of known pose it was no closer to the truth than this fit; a border added
to the picture changed it by up to 10°, the fit by up to 2°.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

_HEAD = Path(__file__).parent / "data" / "head.csv"


class Pose(NamedTuple):
    """Degrees, seen by the subject. yaw > 0: turned to the subject's left (the nose moves to the image's right);
    pitch > 0: chin up; roll > 0: tilted to the subject's left shoulder (clockwise in the image). NaN where unknown.

    Zero is the canonical head seen from the front, so that people's own zero differs by some degrees in pitch.
    """

    yaw: float
    pitch: float
    roll: float


UNKNOWN = Pose(float("nan"), float("nan"), float("nan"))


def head_pose(landmarks: np.ndarray, scheme: str) -> Pose:
    """The pose of a head from its landmarks (P, 2) in pixels, x to the right and y down, of `mediapipe478` or `ibug68`.

    `UNKNOWN` where the landmarks are degenerate (all on one line). Measured on 40 renders of two made-up people, yaw up
    to 40°, pitch and roll up to 30°, landmarks by MediaPipe: yaw and roll right to 6°, pitch to 13° about an offset
    that belongs to the person (1° and 7° with `ibug68`, 5° and 15° with `mediapipe478`). Points and weights of
    `mediapipe478`: MediaPipe's Procrustes basis.
    """
    points, places, weights = _head(scheme)
    weights = weights / weights.sum()
    seen = np.asarray(landmarks, dtype=float)[points]
    seen = seen - weights @ seen
    places = places - weights @ places
    affine = (seen * weights[:, None]).T @ places @ np.linalg.inv((places * weights[:, None]).T @ places)
    if not np.isfinite(affine).all():
        return UNKNOWN
    left, scales, right = np.linalg.svd(affine, full_matrices=False)
    if scales[1] < 1e-3 * scales[0] or scales[0] == 0:
        return UNKNOWN
    across, down = left @ right
    return _angles(np.vstack([across, down, np.cross(across, down)]))


def _angles(rotation: np.ndarray) -> Pose:
    """Angles of a rotation from the head's axes to the camera's (x right, y down, z away): nod, then turn, then tilt in
    the image plane, so that turning the picture changes nothing but roll, the slope of the eye line."""
    yaw = np.arcsin(np.clip(rotation[2, 0], -1, 1))
    pitch = np.arctan2(-rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return Pose(*(float(np.degrees(angle)) for angle in (yaw, pitch, roll)))


@cache
def _head(scheme: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Landmark indices, their places (n, 3) on the canonical head and their weights."""
    rows = [line.split(",") for line in _HEAD.read_text(encoding="utf-8").splitlines() if line.startswith(scheme)]
    table = np.array([row[1:] for row in rows], dtype=float)
    return table[:, 0].astype(int), table[:, 1:4], table[:, 4]

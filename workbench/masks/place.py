"""Where a mask set is drawn: a frame, or one face by its own landmarks.

Coordinates are pixels, x to the right, y down; pixel (i, j) is centred on y = i, x = j.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from workbench.canonical import IBUG, MEDIAPIPE, PUBLISHED, convert, load_frame, mirror_permutation
from workbench.canonical.schemes import SCHEME_OF_COUNT
from workbench.errors import UsageError
from workbench.masks.carrying import spline_weights

CORNERS: Final = {MEDIAPIPE: (33, 263), IBUG: (36, 45)}  # outer eye corners, counted from 0
# Mesh points on the middle of the face from top to bottom: there the halves meet.
MIDDLE: Final = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 2, 0, 13, 14, 17, 18, 200, 199, 175, 152)
# The mesh's upper rim, from the subject's right temple over the top of the forehead to the left one.
UPPER_RIM: Final = (127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389, 356)
_UNDER_RIM: Final = slice(4, 13)  # jaw points whose copies at y = 0 of `published` lie above the mesh's face


@dataclass(frozen=True, eq=False)
class Place:
    """Points to draw over.

    frame: the frame's name, "" for a face. size: (height, width). points: {scheme: (68 or 478, 2)}; of the two the one
    that is not known is converted (478 → 68) or estimated (68 → 478). own: the frame's points as they are, helper
    points included. turn: (2, 2) rotation whose rows are the upright face's x and y axes; the identity on a frame.
    corners: (2, 2) upper left and right corner of the frame; of a face, where those of the canonical mesh's frame are
    carried. unit: distance of the outer eye corners in pixels.
    """

    frame: str
    size: tuple[int, int]
    points: dict[str, np.ndarray]
    own: np.ndarray
    turn: np.ndarray
    corners: np.ndarray
    unit: float

    def right_half(self, scale: int = 1, pad: int = 0) -> np.ndarray:
        """Where the subject's right half is: bool, on the grid with `pad` pixels around it, `scale` times finer."""
        height, width = (scale * (side + 2 * pad) for side in self.size)
        across, down = ((np.arange(count) + 0.5) / scale - 0.5 - pad for count in (width, height))
        (ax, ay), (bx, by) = self.turn
        x, y = ax * across + ay * down[:, None], bx * across + by * down[:, None]
        middle = self.points[MEDIAPIPE][list(MIDDLE)] @ self.turn.T
        middle = middle[np.argsort(middle[:, 1])]
        return np.asarray(x <= np.interp(y, middle[:, 1], middle[:, 0]))


@cache
def on_frame(frame: str) -> Place:
    """The frame of that name as a place to draw on."""
    face = load_frame(frame)
    if face.scheme == MEDIAPIPE:
        points = {MEDIAPIPE: face.points, IBUG: convert(face.points, MEDIAPIPE, IBUG)}
    else:
        own = face.points[:68]
        controls = np.vstack([own, face.points[68:85][_UNDER_RIM]]) if frame == PUBLISHED else own
        points = {IBUG: own, MEDIAPIPE: _mesh_weights(frame == PUBLISHED) @ controls}
    corners = np.array([[0.0, 0.0], [face.grid[1], 0.0]])
    return Place(frame, face.grid, points, face.points, np.eye(2), corners, _unit(points, face.scheme))


def on_face(landmarks: np.ndarray, size: tuple[int, int], scheme: str | None = None) -> Place:
    """A face of a picture of `size` (h, w) by its landmarks (478, 468 or 68, 2), shares of the picture.

    The axes are those of the canonical mesh, turned by the similarity that fits it best to the landmarks (least
    squares); so shapes with axes roll with the face. UsageError for other shapes.
    """
    landmarks = np.asarray(landmarks, dtype=float)
    if landmarks.ndim != 2 or landmarks.shape[1:] != (2,) or len(landmarks) not in SCHEME_OF_COUNT:
        raise UsageError(f"landmarks have shape {landmarks.shape}; give (478, 2), (468, 2) or (68, 2) shares")
    known = SCHEME_OF_COUNT[len(landmarks)]
    if scheme not in (None, known):
        raise UsageError(f"{len(landmarks)} landmarks are not of the scheme {scheme!r}")
    own = landmarks * [size[1], size[0]] - 0.5
    if known == MEDIAPIPE:
        if len(own) == 468:  # no mask uses the iris points
            own = np.vstack([own, np.full((10, 2), own.mean(axis=0))])
        points = {MEDIAPIPE: own, IBUG: convert(own, MEDIAPIPE, IBUG)}
    else:
        points = {IBUG: own, MEDIAPIPE: _mesh_weights(False) @ own}
    mesh = load_frame(MEDIAPIPE)
    reference = convert(mesh.points, MEDIAPIPE, IBUG)
    middle, away = points[IBUG].mean(axis=0), reference.mean(axis=0)
    here, there = points[IBUG] - middle, reference - away
    cosine, sine = float((here * there).sum()), float((here[:, 1] * there[:, 0] - here[:, 0] * there[:, 1]).sum())
    length = float(np.hypot(cosine, sine)) or 1.0
    turn = np.array([[cosine, sine], [-sine, cosine]]) / length
    scale = length / float((there**2).sum())
    corners = middle + scale * (np.array([[0.0, 0.0], [mesh.grid[1], 0.0]]) - away) @ turn
    return Place("", size, points, own, turn, corners, _unit(points, known))


@cache
def mirrored_indices(scheme: str) -> np.ndarray:
    """For each point of the scheme (from 0) the index of the one on the face's other side."""
    mesh = load_frame(MEDIAPIPE)
    points = convert(mesh.points, MEDIAPIPE, scheme)
    return mirror_permutation(points, (mesh.grid[1] - 1) / 2)


@cache
def _mesh_weights(with_rim: bool) -> np.ndarray:
    """(478, 68) weights that estimate the mesh from 68 landmarks: the thin-plate spline that carries the canonical
    mesh's own 68 points to them. Rows sum to 1, so the estimate moves, turns and grows with the landmarks.

    with_rim: (478, 68 + 9), the copies at y = 0 of nine jaw points as further controls, where the mesh's rim is.
    """
    mesh = load_frame(MEDIAPIPE).points
    controls = convert(mesh, MEDIAPIPE, IBUG)
    if with_rim:
        rim = mesh[list(UPPER_RIM)]
        x = controls[:17][_UNDER_RIM, 0]
        controls = np.vstack([controls, np.column_stack([x, np.interp(x, rim[:, 0], rim[:, 1])])])
    weights = spline_weights(controls, mesh)
    weights.setflags(write=False)
    return weights


def _unit(points: dict[str, np.ndarray], scheme: str) -> float:
    first, second = (points[scheme][index] for index in CORNERS[scheme])
    return float(np.linalg.norm(first - second))

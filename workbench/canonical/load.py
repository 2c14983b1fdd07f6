"""The frames that exist, read from their tables."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial import Delaunay

from workbench.canonical.frame import PUBLISHED, CanonicalFace, assembled
from workbench.canonical.schemes import IBUG, MEDIAPIPE
from workbench.errors import UnknownNameError

FRAMES: Final[dict[str, tuple[int, int]]] = {MEDIAPIPE: (256, 224), PUBLISHED: (275, 224), IBUG: (212, 224)}
"""Name → (height, width). `ibug68` has the scale of `mediapipe478` (one pixel is as much of the face on both), and
the height that is left without a forehead."""

_DATA: Final = Path(__file__).parent / "frames"
_MARGIN: Final = 4.0  # pixels left free around the face


def load_frame(name: str = MEDIAPIPE, grid: tuple[int, int] | None = None) -> CanonicalFace:
    """The frame of that name: `mediapipe478` (256 × 224, default), `published` (275 × 224) or `ibug68` (212 × 224).

    grid: (height, width) for the same face at another resolution (`CanonicalFace.resized`). Cached.

    UnknownNameError for any other name, UsageError for a grid below 8 pixels. Sources: MediaPipe's canonical face
    model (Apache-2.0), front view; Gaya-Morey et al., arXiv 2401.11835 (MIT), template of 68 landmarks and 21 helper
    points; `ibug68` has the 68 points of the face model that `convert` names, no helper points and no forehead: its
    outline runs along the jaw and the brows.
    """
    if name not in FRAMES:
        raise UnknownNameError("frame", name, FRAMES)
    return _frame(name) if grid is None or tuple(grid) == FRAMES[name] else _resized(name, (int(grid[0]), int(grid[1])))


def frame_of_grid(grid: tuple[int, int]) -> str | None:
    """The frame whose grid is (height, width), or None."""
    return next((name for name, known in FRAMES.items() if known == tuple(grid)), None)


@cache
def _resized(name: str, grid: tuple[int, int]) -> CanonicalFace:
    return _frame(name).resized(grid)


@cache
def _frame(name: str) -> CanonicalFace:
    height, width = FRAMES[name]
    points = table(f"{name}_points.csv")[:, 1:]
    triangles = table(f"{name}_triangles.csv").astype(int)
    if name == PUBLISHED:
        rows, columns = np.mgrid[:height, :width]
        hull = Delaunay(points[[*range(17), *range(68, 85)]])
        face_domain = hull.find_simplex(np.stack([columns, rows], axis=-1)) >= 0
        return assembled(name, IBUG, (height, width), points, triangles, face_domain)
    low, high = points[:468].min(axis=0), points[:468].max(axis=0)
    scale = np.min((np.array([width, height]) - 1 - 2 * _MARGIN) / (high - low))
    points = (points - (low + high) / 2) * scale + [(width - 1) / 2, (height - 1) / 2]
    return assembled(name, MEDIAPIPE if name == MEDIAPIPE else IBUG, (height, width), points, triangles)


def table(name: str) -> np.ndarray:
    """Numbers of a CSV file of this room, without comment lines and header."""
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line and not line.startswith("#")][1:]
    return np.array([[float(cell) for cell in row.split(",")] for row in rows])

"""A frame: the canonical face's points on a grid, its fixed triangles, and the warp between it and a crop.

Coordinates. A grid's pixel (i, j) is centred on y = i, x = j. A share of a crop runs from 0 (left or top edge) to 1
(right or bottom edge), so column j of w covers [j / w, (j + 1) / w] and is centred on (j + 0.5) / w. Left and right
are the subject's: mesh point 33 and dlib points 36-41 are the right eye, which is on the image's left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.spatial import Delaunay

from workbench.canonical.sampling import apply, bilinear
from workbench.canonical.schemes import IBUG, MEDIAPIPE, SCHEME_OF_COUNT, convert
from workbench.canonical.triangles import areas, rasterise
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError

PUBLISHED: Final = "published"
FRAMES: Final[dict[str, tuple[int, int]]] = {MEDIAPIPE: (256, 224), PUBLISHED: (275, 224)}  # name → (height, width)

_DATA: Final = Path(__file__).parent / "frames"
_MARGIN: Final = 4.0  # pixels left free around the mesh


@dataclass(frozen=True, eq=False)
class CanonicalFace:
    """A frame: reference points on a grid, their triangles, and the domain that they cover.

    name: `mediapipe478` (default) or `published`; scheme: landmark scheme of `points`.
    grid: (height, width) in pixels; pixel (i, j) is centred on x = j, y = i (`points` are in these coordinates).
    points: (P, 2) float64 x, y. triangles: (T, 3) int, fixed. domain: (height, width) bool, the union of the
    triangles. face_domain: (height, width) bool, the face alone; equal to `domain` but on `published`, whose
    triangles cover the canvas and whose face is the hull of the jaw and its copies at y = 0.
    triangle_of: for each domain pixel in row order, its triangle; weights: (domain pixels, P) sparse, barycentric.
    """

    name: str
    scheme: str
    grid: tuple[int, int]
    points: np.ndarray
    triangles: np.ndarray
    domain: np.ndarray
    face_domain: np.ndarray
    triangle_of: np.ndarray
    weights: Any

    def warp(self, maps: np.ndarray, landmarks: np.ndarray, scheme: str | None = None) -> np.ndarray:
        """Maps of one face (K, h, w) that cover its whole crop, of any resolution (a raw 7×7 CAM included),
        and its landmarks (P, 2) as shares of the crop → (K, height, width) float32.

        Bilinear between pixel centres, edge values repeated up to the crop's edge; NaN where the face reaches
        outside the crop, 0 outside the triangles. All K maps share one sparse matrix. UsageError for other shapes.
        """
        maps = np.asarray(maps)
        if maps.ndim != 3 or maps.size == 0:
            raise UsageError(f"maps to warp have shape {maps.shape}; give (maps, height, width)")
        count, height, width = maps.shape
        source = self.weights @ self._all_points(landmarks, scheme).astype(np.float32)
        sampling, inside = bilinear(source, height, width)
        out = np.zeros((count, *self.grid), dtype=np.float32)
        apply(sampling, inside, maps, out, self.domain)
        return out

    def warp_image(self, rgb: np.ndarray, landmarks: np.ndarray, scheme: str | None = None) -> np.ndarray:
        """An image (h, w, 3) on the frame's grid → (height, width, 3) float32 in the image's own units; NaN
        wherever there is no face (outside the triangles or the crop), so that `nanmean` gives a mean face."""
        rgb = np.asarray(rgb)
        if rgb.ndim != 3:
            raise UsageError(f"an image to warp has shape {rgb.shape}; give (height, width, channels)")
        out = self.warp(np.moveaxis(rgb, -1, 0), landmarks, scheme)
        out[:, ~self.domain] = np.nan
        return np.moveaxis(out, 0, -1)

    def unwarp(
        self, maps: np.ndarray, landmarks: np.ndarray, size: tuple[int, int], scheme: str | None = None
    ) -> np.ndarray:
        """Maps on this frame (K, height, width) drawn onto one face's crop of `size` (h, w) → (K, h, w) float32,
        NaN outside the face. The face's own triangles are rasterised (tens of ms); masks and overlays use it."""
        maps = np.asarray(maps)
        if maps.ndim != 3 or maps.shape[1:] != self.grid:
            raise FrameMismatchError(f"maps of shape {maps.shape} are not on {self.name}'s grid {self.grid}")
        height, width = size
        on_crop = self._all_points(landmarks, scheme) * [width, height] - 0.5
        domain, _, weights = rasterise(on_crop, self.triangles, size)
        shares = (weights @ self.points + 0.5) / np.array([self.grid[1], self.grid[0]])
        sampling, inside = bilinear(shares.astype(np.float32), *self.grid)
        known = sampling @ self.domain.ravel().astype(np.float32)
        inside &= known > 0.01
        out = np.full((len(maps), height, width), np.nan, dtype=np.float32)
        apply(sampling, inside, np.where(self.domain, maps, 0), out, domain)
        out[:, domain] /= np.where(inside, known, 1)  # at the rim, the face's own pixels alone
        return out

    def folded_share(self, landmarks: np.ndarray, scheme: str | None = None) -> float:
        """Share of the domain (0…1) whose triangle this face turns over: near 0 for a frontal face, large for a
        profile or wrong landmarks."""
        source = self._all_points(landmarks, scheme)
        folded = np.sign(areas(source, self.triangles)) != np.sign(areas(self.points, self.triangles))
        return float(folded[self.triangle_of].mean())

    def shares(self) -> np.ndarray:
        """The frame's own points as shares of its grid (P, 2): the landmarks under which `warp` changes nothing."""
        return (self.points + 0.5) / [self.grid[1], self.grid[0]]

    def _all_points(self, landmarks: np.ndarray, scheme: str | None) -> np.ndarray:
        """Landmarks in this frame's scheme, helper points included: (P, 2) shares of the crop."""
        landmarks = np.asarray(landmarks, dtype=float)
        if landmarks.shape == self.points.shape and scheme in (None, self.scheme):
            return landmarks
        if landmarks.ndim != 2 or landmarks.shape[1:] != (2,) or len(landmarks) not in SCHEME_OF_COUNT:
            raise UsageError(f"landmarks have shape {landmarks.shape}; give (478, 2), (468, 2) or (68, 2) shares")
        landmarks = convert(landmarks, scheme or SCHEME_OF_COUNT[len(landmarks)], self.scheme)
        if self.name == PUBLISHED:
            brow_line = landmarks[:17] * [1.0, 0.0]
            corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
            return np.vstack([landmarks, brow_line, corners])
        if len(landmarks) == 468:  # no triangle uses the iris points
            return np.vstack([landmarks, np.zeros((10, 2))])
        return landmarks


@cache
def load_frame(name: str = MEDIAPIPE) -> CanonicalFace:
    """The frame of that name: `mediapipe478` (256 × 224, default) or `published` (275 × 224); cached.

    UnknownNameError for any other name. Sources: MediaPipe's canonical face model (Apache-2.0), front view;
    Gaya-Morey et al., arXiv 2401.11835 (MIT), template of 68 landmarks and 21 helper points.
    """
    if name not in FRAMES:
        raise UnknownNameError("frame", name, FRAMES)
    height, width = FRAMES[name]
    points = _table(f"{name}_points.csv")[:, 1:]
    triangles = _table(f"{name}_triangles.csv").astype(int)
    if name == MEDIAPIPE:
        low, high = points[:468].min(axis=0), points[:468].max(axis=0)
        scale = np.min((np.array([width, height]) - 1 - 2 * _MARGIN) / (high - low))
        points = (points - (low + high) / 2) * scale + [(width - 1) / 2, (height - 1) / 2]
    domain, triangle_of, weights = rasterise(points, triangles, (height, width))
    face_domain = domain
    if name == PUBLISHED:
        rows, columns = np.mgrid[:height, :width]
        hull = Delaunay(points[[*range(17), *range(68, 85)]])
        face_domain = hull.find_simplex(np.stack([columns, rows], axis=-1)) >= 0
    for array in (points, triangles, domain, face_domain, triangle_of):
        array.setflags(write=False)
    scheme = MEDIAPIPE if name == MEDIAPIPE else IBUG
    return CanonicalFace(name, scheme, (height, width), points, triangles, domain, face_domain, triangle_of, weights)


def frame_of_grid(grid: tuple[int, int]) -> str | None:
    """The frame whose grid is (height, width), or None."""
    return next((name for name, known in FRAMES.items() if known == tuple(grid)), None)


def _table(name: str) -> np.ndarray:
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line and not line.startswith("#")][1:]
    return np.array([[float(cell) for cell in row.split(",")] for row in rows])

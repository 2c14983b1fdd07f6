"""The canonical face: one fixed triangulation per frame, one sparse barycentric warp.

Coordinates. A grid's pixel (i, j) is centred on y = i, x = j. A share of a crop runs from 0 (left or top edge) to 1
(right or bottom edge), so column j of w covers [j / w, (j + 1) / w] and is centred on (j + 0.5) / w. Left and right
are the subject's: mesh point 33 and dlib points 36-41 are the right eye, which is on the image's left.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import sparse
from scipy.spatial import Delaunay

from workbench.errors import FrameMismatchError, UnknownNameError, UsageError

MEDIAPIPE: Final = "mediapipe478"
IBUG: Final = "ibug68"
PUBLISHED: Final = "published"
FRAMES: Final[dict[str, tuple[int, int]]] = {MEDIAPIPE: (256, 224), PUBLISHED: (275, 224)}  # name → (height, width)

_DATA: Final = Path(__file__).parent / "frames"
_MARGIN: Final = 4.0  # pixels left free around the mesh
_BLOCK: Final = 16384
_THREAD: Final = threading.local()
_EDGE: Final = 1e-6  # a source coordinate this far outside the crop is rounding, not "outside"
# dlib/iBUG order (0-based) → mesh point; commutes with mirroring (facts: py-feat's region tables, MIT; jaw row ours)
_MESH_OF_IBUG: Final = np.array(
    [
        127,
        234,
        93,
        132,
        58,
        136,
        149,
        148,
        152,
        377,
        378,
        365,
        288,
        361,
        323,
        454,
        356,  # jaw
        70,
        63,
        105,
        66,
        107,
        336,
        296,
        334,
        293,
        300,  # brows
        168,
        6,
        195,
        4,
        98,
        97,
        2,
        326,
        327,  # nose
        33,
        160,
        158,
        133,
        153,
        144,
        362,
        385,
        387,
        263,
        373,
        380,  # eyes
        61,
        39,
        37,
        0,
        267,
        269,
        291,
        405,
        314,
        17,
        84,
        181,  # outer lip
        78,
        82,
        13,
        312,
        308,
        317,
        14,
        87,  # inner lip
    ]
)
_SCHEME_OF_COUNT: Final = {478: MEDIAPIPE, 468: MEDIAPIPE, 68: IBUG}


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
        sampling, inside = _bilinear(source, height, width)
        out = np.zeros((count, *self.grid), dtype=np.float32)
        _apply(sampling, inside, maps, out, self.domain)
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
        domain, _, weights = _rasterise(on_crop, self.triangles, size)
        shares = (weights @ self.points + 0.5) / np.array([self.grid[1], self.grid[0]])
        sampling, inside = _bilinear(shares.astype(np.float32), *self.grid)
        known = sampling @ self.domain.ravel().astype(np.float32)
        inside &= known > 0.01
        out = np.full((len(maps), height, width), np.nan, dtype=np.float32)
        _apply(sampling, inside, np.where(self.domain, maps, 0), out, domain)
        out[:, domain] /= np.where(inside, known, 1)  # at the rim, the face's own pixels alone
        return out

    def folded_share(self, landmarks: np.ndarray, scheme: str | None = None) -> float:
        """Share of the domain (0…1) whose triangle this face turns over: near 0 for a frontal face, large for a
        profile or wrong landmarks."""
        source = self._all_points(landmarks, scheme)
        folded = np.sign(_areas(source, self.triangles)) != np.sign(_areas(self.points, self.triangles))
        return float(folded[self.triangle_of].mean())

    def shares(self) -> np.ndarray:
        """The frame's own points as shares of its grid (P, 2): the landmarks under which `warp` changes nothing."""
        return (self.points + 0.5) / [self.grid[1], self.grid[0]]

    def _all_points(self, landmarks: np.ndarray, scheme: str | None) -> np.ndarray:
        """Landmarks in this frame's scheme, helper points included: (P, 2) shares of the crop."""
        landmarks = np.asarray(landmarks, dtype=float)
        if landmarks.shape == self.points.shape and scheme in (None, self.scheme):
            return landmarks
        if landmarks.ndim != 2 or landmarks.shape[1:] != (2,) or len(landmarks) not in _SCHEME_OF_COUNT:
            raise UsageError(f"landmarks have shape {landmarks.shape}; give (478, 2), (468, 2) or (68, 2) shares")
        landmarks = convert(landmarks, scheme or _SCHEME_OF_COUNT[len(landmarks)], self.scheme)
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
    domain, triangle_of, weights = _rasterise(points, triangles, (height, width))
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


def _table(name: str) -> np.ndarray:
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line and not line.startswith("#")][1:]
    return np.array([[float(cell) for cell in row.split(",")] for row in rows])


def _areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Twice the signed area of each triangle."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    ab, ac = b - a, c - a
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])


def _rasterise(points: np.ndarray, triangles: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, Any]:
    """Domain (h, w), triangle of each domain pixel, and barycentric weights (domain pixels, P) as a sparse matrix.

    Triangles folded over (orientation other than most of the mesh's area) are left out; where two still cover a
    pixel, the one in which it lies deepest wins: the choice does not depend on the order and mirrors with the mesh.
    """
    height, width = grid
    depth = np.full(grid, -1e-9)
    owner = np.full(grid, -1)
    barycentric = np.zeros((height, width, 3))
    doubled = _areas(points, triangles)
    for t in np.flatnonzero(doubled * np.sign(doubled.sum()) > 1e-9):
        (ax, ay), (bx, by), (cx, cy) = points[triangles[t]]
        left, right = max(int(np.ceil(min(ax, bx, cx) - 1e-9)), 0), min(int(max(ax, bx, cx) + 1e-9), width - 1)
        top, bottom = max(int(np.ceil(min(ay, by, cy) - 1e-9)), 0), min(int(max(ay, by, cy) + 1e-9), height - 1)
        if left > right or top > bottom:
            continue
        x, y = np.arange(left, right + 1)[None, :], np.arange(top, bottom + 1)[:, None]
        area = doubled[t]
        wb = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
        wc = ((y - ay) * (bx - ax) - (x - ax) * (by - ay)) / area
        wa = 1.0 - wb - wc
        deep = np.minimum(np.minimum(wa, wb), wc)
        window = (slice(top, bottom + 1), slice(left, right + 1))
        better = deep > depth[window]
        depth[window][better] = deep[better]
        owner[window][better] = t
        barycentric[window][better] = np.stack([wa[better], wb[better], wc[better]], axis=-1)
    domain = owner >= 0
    triangle_of = owner[domain]
    weights = np.clip(barycentric[domain], 0.0, 1.0)
    n = len(triangle_of)
    matrix = sparse.csr_array(
        (weights.ravel().astype(np.float32), triangles[triangle_of].ravel(), np.arange(n + 1) * 3),
        shape=(n, len(points)),
    )
    return domain, triangle_of, matrix


def _scratch(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices, data (n, 4) and row pointers of a sampling matrix, kept per thread: fresh pages cost more than sums."""
    if getattr(_THREAD, "rows", None) != n:
        _THREAD.arrays = (
            np.empty((n, 4), dtype=np.int32),
            np.empty((n, 4), dtype=np.float32),
            np.arange(0, 4 * n + 1, 4, dtype=np.int32),
        )
        _THREAD.rows = n
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray] = _THREAD.arrays
    return arrays


def _bilinear(shares: np.ndarray, height: int, width: int) -> tuple[Any, np.ndarray]:
    """Sparse matrix (positions, height · width) that samples a map at `shares` of it, and which lie inside it.

    The matrix lives in this thread's scratch memory: the next call overwrites it.
    """
    n = len(shares)
    indices, data, pointers = _scratch(n)
    inside = np.empty(n, dtype=bool)
    for start in range(0, n, _BLOCK):  # in blocks: temporaries of a whole grid cost more in memory than in sums
        rows = slice(start, start + _BLOCK)
        ok = np.ones(len(shares[rows]), dtype=bool)
        sides = []
        for share, size in ((shares[rows, 0], width), (shares[rows, 1], height)):
            ok &= (share >= -_EDGE) & (share <= 1 + _EDGE)
            at = np.fmax(np.fmin(share * np.float32(size) - np.float32(0.5), np.float32(size - 1)), np.float32(0))
            first = at.astype(np.int32)
            sides.append((first, np.minimum(first + 1, size - 1), at - first.astype(np.float32)))
        (left, right, dx), (above, below, dy) = sides
        both = dx * dy
        above, below = above * width, below * width
        inside[rows] = ok
        for k, index in enumerate((above + left, above + right, below + left, below + right)):
            indices[rows, k] = index
        for k, weight in enumerate((1 - dx - dy + both, dx - both, dy - both, both)):
            data[rows, k] = weight
    return sparse.csr_array((data.ravel(), indices.ravel(), pointers), shape=(n, height * width)), inside


def _apply(sampling: Any, inside: np.ndarray, maps: np.ndarray, out: np.ndarray, domain: np.ndarray) -> None:
    """Write every sampled map into its domain; one by one, which is faster than scattering a transposed block."""
    whole = bool(inside.all())
    for source, target in zip(maps.reshape(len(maps), -1), out, strict=True):
        values = sampling @ source.astype(np.float32, copy=False)
        if not whole:
            values[~inside] = np.nan
        target[domain] = values

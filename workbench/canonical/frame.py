"""A frame: the canonical face's points on a grid, its fixed triangles, and the warp between it and a crop.

Coordinates. A grid's pixel (i, j) is centred on y = i, x = j. A share of a crop runs from 0 (left or top edge) to 1
(right or bottom edge), so column j of w covers [j / w, (j + 1) / w] and is centred on (j + 0.5) / w. Left and right
are the subject's: mesh point 33 and dlib points 36-41 are the right eye, which is on the image's left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from scipy import sparse

from workbench.canonical import tensors
from workbench.canonical.density import coverage, mass_factor
from workbench.canonical.sampling import Strip, interpolate, sample, strips
from workbench.canonical.schemes import SCHEME_OF_COUNT, convert
from workbench.canonical.triangles import areas, rasterise
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError

PUBLISHED: Final = "published"
Semantics = Literal["value", "density"]
SEMANTICS: Final = ("value", "density")


@dataclass(frozen=True, eq=False)
class CanonicalFace:
    """A frame: reference points on a grid, their triangles, and the domain that they cover.

    name: `mediapipe478` (default), `published` or `ibug68`; scheme: landmark scheme of `points`.
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

    def warp(self, maps: Any, landmarks: Any, scheme: str | None = None, *, semantics: Semantics = "value") -> Any:
        """Maps that cover whole crops, of any resolution (a raw 7×7 CAM included), on the canonical face.

        One face: maps (K, h, w), landmarks (P, 2) as shares of the crop → (K, height, width) float32. Several: maps
        (F, K, h, w), landmarks (F, P, 2) → (F, K, height, width). All K maps of a face share one operator. NumPy in,
        NumPy out; a torch tensor of maps gives a tensor on the same device (landmarks may be either).

        `value`: a pixel is worth what the map is worth at the place it comes from; bilinear between pixel centres,
        edge values repeated up to the crop's edge. `density`: values are amounts per pixel of the map; they are
        multiplied by the area (in pixels of the map) that the canonical pixel comes from, so that the sum over the
        canonical face is the sum over the face's own area (exactly for a constant map; see `density`). NaN where the
        face reaches outside the crop, 0 outside the triangles. UsageError for other shapes or names.
        """
        _known(semantics)
        on_device = tensors.is_tensor(maps)
        maps = maps if on_device else np.asarray(maps)
        if maps.ndim not in (3, 4) or 0 in maps.shape:
            raise UsageError(
                f"maps to warp have shape {tuple(maps.shape)}; give (maps, height, width), or (faces, maps, height, "
                "width)"
            )
        points = self.landmark_points(tensors.to_numpy(landmarks), scheme)
        if points.ndim != maps.ndim - 1 or (maps.ndim == 4 and len(points) != len(maps)):
            raise UsageError(
                f"maps of shape {tuple(maps.shape)} do not go with landmarks of shape {tuple(np.shape(landmarks))}; "
                "give (maps, height, width) with (points, 2), or (faces, maps, height, width) with (faces, points, 2)"
            )
        stacked, points = (maps, points) if maps.ndim == 4 else (maps[None], points[None])
        factor = self._mass(points, stacked.shape[2:]) if semantics == "density" else None
        if on_device:
            out = tensors.warp(self.weights, self.domain, points, stacked, factor)
        else:
            out = np.zeros((*stacked.shape[:2], *self.grid), dtype=np.float32)
            sample(self._strips, points, self._corners, stacked, out, factor)
        return out if maps.ndim == 4 else out[0]

    def warp_image(self, rgb: np.ndarray, landmarks: np.ndarray, scheme: str | None = None) -> np.ndarray:
        """An image (h, w, 3) on the frame's grid → (height, width, 3) float32 in the image's own units; NaN
        wherever there is no face (outside the triangles or the crop), so that `nanmean` gives a mean face."""
        rgb = np.asarray(rgb)
        if rgb.ndim != 3:
            raise UsageError(f"an image to warp has shape {rgb.shape}; give (height, width, channels)")
        out = np.asarray(self.warp(np.moveaxis(rgb, -1, 0), landmarks, scheme))
        out[:, ~self.domain] = np.nan
        return np.moveaxis(out, 0, -1)

    def unwarp(
        self,
        maps: np.ndarray,
        landmarks: np.ndarray,
        size: tuple[int, int],
        scheme: str | None = None,
        *,
        semantics: Semantics = "value",
    ) -> np.ndarray:
        """Maps on this frame (K, height, width) drawn onto one face's crop of `size` (h, w) → (K, h, w) float32,
        NaN outside the face; several faces as in `warp`: (F, K, height, width) → (F, K, h, w).

        The inverse of `warp` with the same semantics, up to interpolation. The face's own triangles are rasterised
        (tens of ms a face); masks and overlays use it.
        """
        _known(semantics)
        maps = np.asarray(maps)
        if maps.ndim not in (3, 4) or maps.shape[-2:] != self.grid:
            raise FrameMismatchError(f"maps of shape {maps.shape} are not on {self.name}'s grid {self.grid}")
        points = self.landmark_points(landmarks, scheme)
        if maps.ndim == 3:
            return self._unwarp(maps, points, size, semantics)
        if points.ndim != 3 or len(points) != len(maps):
            raise UsageError(f"{len(maps)} faces' maps, but landmarks of shape {np.shape(landmarks)}; give one a face")
        return np.stack([self._unwarp(*face, size, semantics) for face in zip(maps, points, strict=True)])

    def folded_share(self, landmarks: np.ndarray, scheme: str | None = None) -> Any:
        """Share of the domain (0…1) whose triangle a face turns over: near 0 for a frontal face, large for a profile
        or wrong landmarks. One number for landmarks (P, 2), (F,) float64 for (F, P, 2)."""
        source = self.landmark_points(landmarks, scheme)
        folded = np.sign(areas(source, self.triangles)) != np.sign(areas(self.points, self.triangles))
        share = folded @ (np.bincount(self.triangle_of, minlength=len(self.triangles)) / len(self.triangle_of))
        return float(share) if share.ndim == 0 else share

    def shares(self) -> np.ndarray:
        """The frame's own points as shares of its grid (P, 2): the landmarks under which `warp` changes nothing."""
        return (self.points + 0.5) / [self.grid[1], self.grid[0]]

    def resized(self, grid: tuple[int, int]) -> CanonicalFace:
        """The same face on another grid (height, width): points, triangles and domain stretched to it.

        For work at low resolution: a raw 7×7 map needs no 256 × 224 grid. Maps of different grids do not mix.
        UsageError for a grid smaller than 8 pixels a side.
        """
        height, width = (int(side) for side in grid)
        if min(height, width) < 8:
            raise UsageError(f"the grid {height} × {width} is too small for a face; give at least 8 × 8 pixels")
        points = self.shares() * [width, height] - 0.5
        rows = ((np.arange(height) + 0.5) / height * self.grid[0]).astype(int)
        columns = ((np.arange(width) + 0.5) / width * self.grid[1]).astype(int)
        face_domain = None if self.face_domain is self.domain else self.face_domain[rows][:, columns]
        return assembled(self.name, self.scheme, (height, width), points, self.triangles, face_domain)

    def landmark_points(self, landmarks: np.ndarray, scheme: str | None = None) -> np.ndarray:
        """Landmarks (…, P, 2) in this frame's scheme, helper points included: (…, P, 2) shares of the crop.

        UsageError for another number of points, for a scheme that cannot give this frame's, and for landmarks that are
        not finite.
        """
        landmarks = np.asarray(landmarks, dtype=float)
        if not np.isfinite(landmarks).all():
            raise UsageError("landmarks are not finite; leave that face out, or detect it again")
        if landmarks.shape[-2:] == self.points.shape and scheme in (None, self.scheme):
            return landmarks
        if landmarks.ndim not in (2, 3) or landmarks.shape[-1] != 2 or landmarks.shape[-2] not in SCHEME_OF_COUNT:
            raise UsageError(f"landmarks have shape {landmarks.shape}; give (478, 2), (468, 2) or (68, 2) shares")
        landmarks = convert(landmarks, scheme or SCHEME_OF_COUNT[landmarks.shape[-2]], self.scheme)
        if self.name == PUBLISHED:
            brow_line = landmarks[..., :17, :] * [1.0, 0.0]
            corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
            corners = np.broadcast_to(corners, (*landmarks.shape[:-2], 4, 2))
            return np.concatenate([landmarks, brow_line, corners], axis=-2)
        if landmarks.shape[-2] == 468:  # no triangle uses the iris points
            return np.concatenate([landmarks, np.zeros((*landmarks.shape[:-2], 10, 2))], axis=-2)
        return landmarks

    @cached_property
    def _strips(self) -> tuple[Strip, ...]:
        return strips(self.weights, self.domain, self.triangle_of, self.points, self.triangles)

    @cached_property
    def _corners(self) -> np.ndarray:
        return np.unique(self.triangles)

    @cached_property
    def _coverage(self) -> Any:
        return coverage(self.points, self.triangles, self.domain)

    def _mass(self, points: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
        return mass_factor(self._coverage, areas(points * [size[1], size[0]], self.triangles))

    def _unwarp(self, maps: np.ndarray, points: np.ndarray, size: tuple[int, int], semantics: str) -> np.ndarray:
        height, width = size
        on_crop = points * [width, height] - 0.5
        domain, triangle_of, weights = rasterise(on_crop, self.triangles, size)
        shares = (weights @ self.points + 0.5) / np.array([self.grid[1], self.grid[0]])
        known, inside = interpolate(shares, self.domain[None].astype(np.float32))
        inside &= known[0] > 0.01
        values, _ = interpolate(shares, np.where(self.domain, maps, 0))
        values /= np.where(inside, known[0], 1)  # at the rim, the face's own pixels alone
        if semantics == "density":
            own, canonical = areas(on_crop, self.triangles), areas(self.points, self.triangles)
            values *= np.abs(canonical / np.where(own == 0, 1, own))[triangle_of].astype(np.float32)
        values[:, ~inside] = np.nan
        out = np.full((len(maps), height, width), np.nan, dtype=np.float32)
        out[:, domain] = values
        return out


def assembled(
    name: str,
    scheme: str,
    grid: tuple[int, int],
    points: np.ndarray,
    triangles: np.ndarray,
    face_domain: np.ndarray | None = None,
) -> CanonicalFace:
    """A frame from its points and triangles: its domain is rasterised, its arrays are made read-only."""
    domain, triangle_of, weights = rasterise(points, triangles, grid)
    narrow = (weights.data, weights.indices.astype(np.int32), weights.indptr.astype(np.int32))
    weights = sparse.csr_array(narrow, shape=weights.shape)
    face_domain = domain if face_domain is None else face_domain
    for array in (points, triangles, domain, face_domain, triangle_of):
        array.setflags(write=False)
    return CanonicalFace(name, scheme, grid, points, triangles, domain, face_domain, triangle_of, weights)


def _known(semantics: str) -> None:
    if semantics not in SEMANTICS:
        raise UnknownNameError("semantics", semantics, SEMANTICS)

"""Bilinear sampling of maps at the places of a crop that a frame's pixels come from.

A place is a barycentric mean of landmarks, with weights that are computed once for a frame. Along a row of the grid and
within a triangle it moves by equal steps, so that a face costs one small sparse product, for the start and the step of
every such run. A map is then read at the places between its own pixel centres, whatever its resolution.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import sparse

from workbench.canonical.triangles import areas

_BLOCK: Final = 32768  # places at a time: temporaries of a whole grid cost more in memory than in sums
_FEW: Final = 3  # up to so many maps a face are gathered at once; more share one matrix
_VALUES: Final = 2**18  # values of a product of many maps at once: what still fits the cache
_TOGETHER: Final = 8  # but at least so many maps, as their products share the reading of the matrix
_EDGE: Final = 1e-6  # a place this far outside the crop is rounding, not "outside"
_CLEAR: Final = 1e-3  # pixels between a place and the last centre at which rounding cannot matter
_THREAD: Final = threading.local()


@dataclass(frozen=True, eq=False)
class Strip:
    """Some rows of a frame's grid, few enough for temporaries to stay in the cache.

    domain: (rows, width) bool with n pixels. runs: (2 R, P) sparse, the weights of the first pixel of each of R runs,
    then what they change by from one pixel to the next; lengths: (R,) pixels; offset: (n,) steps from the run's start.
    Where runs are short (low resolution) they would not pay: `runs` holds the n pixels' weights, `lengths` is None.
    """

    rows: slice
    domain: np.ndarray
    runs: Any
    lengths: np.ndarray | None
    offset: np.ndarray

    @property
    def size(self) -> int:
        """How many pixels of the domain it holds."""
        return len(self.offset)

    def places(self, points: np.ndarray) -> np.ndarray:
        """Places (2, F · n) float32 as shares of each face's crop, x and y, face after face; points (F, P, 2)."""
        lengths = self.lengths if self.lengths is None or len(points) == 1 else np.tile(self.lengths, len(points))
        found = np.empty((2, len(points) * self.size), np.float32)
        for axis in (0, 1):
            if len(points) == 1:  # a product with one vector is faster than with a matrix of one column
                ends = self.runs @ points[0, :, axis].astype(np.float32)
            else:
                ends = (self.runs @ points[:, :, axis].T.astype(np.float32)).T
            if lengths is None:
                found[axis] = ends.reshape(-1)
                continue
            ends = ends.reshape(len(points), 2, -1)
            step = np.repeat(ends[:, 1].ravel(), lengths).reshape(len(points), -1)
            step *= self.offset
            np.add(np.repeat(ends[:, 0].ravel(), lengths), step.ravel(), out=found[axis])
        return found


def strips(
    weights: Any, domain: np.ndarray, triangle_of: np.ndarray, points: np.ndarray, triangles: np.ndarray
) -> tuple[Strip, ...]:
    """A frame cut into strips of about equal size, from its arrays (see `CanonicalFace`)."""
    ends = np.concatenate([[0], np.cumsum(domain.sum(axis=1))])
    number = max(1, -(-int(ends[-1]) // _BLOCK))
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], number + 1)[1:-1])
    a, b, c = (points[triangles[:, k]] for k in range(3))
    doubled = areas(points, triangles)
    change = np.stack([b[:, 1] - c[:, 1], c[:, 1] - a[:, 1], a[:, 1] - b[:, 1]], axis=-1)
    change /= np.where(doubled == 0, 1, doubled)[:, None]  # of the three weights, a column further right
    rows, columns = np.nonzero(domain)
    found = []
    for top, bottom in itertools.pairwise([0, *cuts.tolist(), len(domain)]):
        here = slice(ends[top], ends[bottom])
        if here.start == here.stop:
            continue
        row, column, triangle = rows[here], columns[here], triangle_of[here]
        new = np.ones(len(row), dtype=bool)
        new[1:] = (triangle[1:] != triangle[:-1]) | (row[1:] != row[:-1]) | (column[1:] != column[:-1] + 1)
        starts = np.flatnonzero(new)
        lengths = np.diff(np.append(starts, len(row)))
        owner = triangle[starts]
        steps = sparse.csr_array(
            (change[owner].astype(np.float32).ravel(), triangles[owner].ravel(), np.arange(len(owner) + 1) * 3),
            shape=(len(owner), len(points)),
        )
        short = 2 * len(starts) > len(row)
        runs = weights[here] if short else sparse.vstack([weights[here][starts], steps], format="csr")
        runs.indices, runs.indptr = runs.indices.astype(np.int32), runs.indptr.astype(np.int32)
        offset = (np.arange(len(row)) - np.repeat(starts, lengths)).astype(np.float32)
        part = np.ascontiguousarray(domain[top:bottom])
        found.append(Strip(slice(top, bottom), part, runs, None if short else lengths, offset))
    return tuple(found)


@dataclass(frozen=True)
class _Source:
    """What maps (h, w) look like in memory, and where the places of a batch of faces can lie on them."""

    size: tuple[int, int]
    row: int  # stored width, at least 2
    within: bool  # no place lies outside the crop
    clear: bool  # every place lies between the map's own pixel centres


def sample(
    frame: tuple[Strip, ...],
    points: np.ndarray,
    used: np.ndarray,
    maps: np.ndarray,
    out: np.ndarray,
    factor: np.ndarray | None = None,
) -> None:
    """Write maps (F, K, h, w) of F faces, read where the frame's pixels come from, into `out` (F, K, height, width).

    frame: its strips; points: (F, P, 2) shares of the crop, of which triangles have the corners `used`. Values are
    bilinear between pixel centres, edge values repeated up to the crop's edge, NaN outside it, and multiplied by
    `factor` (F, n) where given; nothing is written outside the domain. The result for one face does not depend on the
    others, nor on how many maps it has.
    """
    size = (maps.shape[2], maps.shape[3])
    maps = _wide(maps)
    corners = points[:, used]  # a place lies between the corners of its triangle
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    sides = np.array(size[::-1])
    clear = bool((low * sides >= 0.5 + _CLEAR).all() and ((1 - high) * sides >= 0.5 + _CLEAR).all())
    source = _Source(size, maps.shape[3], bool((low >= 0).all() and (high <= 1).all()), clear)
    if maps.shape[1] > _FEW:
        for f, face in enumerate(maps):
            _shared(frame, points[f : f + 1], face, source, out[f], None if factor is None else factor[f])
        return
    per = max(1, _BLOCK // sum(strip.size for strip in frame))
    for start in range(0, len(maps), per):
        faces = slice(start, start + per)
        done = 0
        for strip in frame:
            values, outside = _gathered(strip.places(points[faces]), strip.size, maps[faces], source)
            if factor is not None:
                values *= factor[faces, done : done + strip.size].ravel()
            if outside is not None:
                values[:, outside] = np.nan
            for k, one in enumerate(values):
                for f, row in enumerate(one.reshape(-1, strip.size)):
                    out[start + f, k, strip.rows][strip.domain] = row
            done += strip.size


def interpolate(shares: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps (K, h, w) at `shares` (n, 2) of them → values (K, n) float32, and which places lie inside (n,).

    Bilinear as in `sample`; the nearest edge's value outside.
    """
    wide = _wide(maps[None])
    places = np.ascontiguousarray(shares.T.astype(np.float32, copy=False))
    source = _Source((maps.shape[1], maps.shape[2]), wide.shape[3], False, False)
    values, outside = _gathered(places, len(shares), wide, source)
    return values, np.ones(len(shares), bool) if outside is None else ~outside


def _wide(maps: np.ndarray) -> np.ndarray:
    """Maps (…, h, w) float32 of at least 2 × 2 pixels, so that every place has a right and a lower neighbour."""
    maps = np.ascontiguousarray(maps, dtype=np.float32)
    for axis in (-1, -2):
        if maps.shape[axis] == 1:
            maps = np.repeat(maps, 2, axis=axis)
    return maps


def _corners(
    shares: np.ndarray, source: _Source
) -> Iterator[tuple[slice, np.ndarray, tuple[np.ndarray, ...], np.ndarray | None]]:
    """Block by block: its places, index of the upper left neighbour, weights of the four, and which lie outside."""
    low, high = np.float32(-_EDGE), np.float32(1 + _EDGE)
    sides = np.array([[source.size[1]], [source.size[0]]], np.float32)
    last = np.maximum(sides - 2, 0)  # a place is read from here at the latest, and from the next pixel
    for start in range(0, shares.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        places = shares[:, block]
        outside = None if source.within else np.any((places < low) | (places > high), axis=0)
        at = places * sides
        at -= np.float32(0.5)
        if not source.clear:
            np.maximum(at, np.float32(0), out=at)
            np.minimum(at, sides - 1, out=at)
        first = np.floor(at)
        if not source.clear:
            np.minimum(first, last, out=first)
        dx, dy = np.subtract(at, first, out=at)
        left, above = first.astype(np.int32)
        above *= source.row
        above += left
        both = dx * dy
        right, below, own = dx - both, dy - both, 1 - dx
        own -= below
        yield block, above, (own, right, below, both), outside


def _gathered(shares: np.ndarray, n: int, maps: np.ndarray, source: _Source) -> tuple[np.ndarray, np.ndarray | None]:
    """Values (K, F · n) of maps (F, K, stored h, stored w) at the places, and which lie outside (F · n,), if any."""
    faces, count = maps.shape[:2]
    values = np.empty((count, faces * n), dtype=np.float32)
    outside = None if source.within else np.empty(faces * n, dtype=bool)
    flat = [np.ascontiguousarray(maps[:, k]).ravel() for k in range(count)]
    pixels = maps.shape[2] * source.row
    for block, index, parts, beyond in _corners(shares, source):
        if outside is not None:
            outside[block] = beyond
        if faces > 1:
            index += np.arange(block.start, block.start + len(index), dtype=np.int32) // np.int32(n) * np.int32(pixels)
        where = index.astype(np.intp)
        for k, map_ in enumerate(flat):
            total = values[k, block]
            np.multiply(np.take(map_, where, mode="clip"), parts[0], out=total)
            for offset, part in zip((1, source.row, source.row + 1), parts[1:], strict=True):
                read = np.take(map_[offset:], where, mode="clip")
                read *= part
                total += read
    return values, outside if outside is not None and outside.any() else None


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


def _shared(
    frame: tuple[Strip, ...],
    points: np.ndarray,
    maps: np.ndarray,
    source: _Source,
    out: np.ndarray,
    scale: np.ndarray | None,
) -> None:
    """Write maps (K, stored h, stored w) of one face, all read by one sparse matrix (n, stored pixels)."""
    n, row = sum(strip.size for strip in frame), source.row
    indices, data, pointers = _scratch(n)
    outside = None if source.within else np.empty(n, dtype=bool)
    done = 0
    for strip in frame:
        for _, index, parts, beyond in _corners(strip.places(points), source):
            here = slice(done, done + len(index))
            done += len(index)
            if outside is not None:
                outside[here] = beyond
            for k, (offset, part) in enumerate(zip((0, 1, row, row + 1), parts, strict=True)):
                np.add(index, np.int32(offset), out=indices[here, k])
                data[here, k] = part
    flat = maps.reshape(len(maps), -1)
    matrix = sparse.csr_array((data.ravel(), indices.ravel(), pointers), shape=(n, flat.shape[1]))
    outside = outside if outside is not None and outside.any() else None
    domain = np.concatenate([strip.domain for strip in frame])
    rows = out[:, frame[0].rows.start : frame[-1].rows.stop]
    step = max(_TOGETHER, _VALUES // n)
    for start in range(0, len(flat), step):
        some = flat[start : start + step]
        if len(some) < _TOGETHER:
            values = np.stack([matrix @ one for one in some])
        else:
            values = (matrix @ np.ascontiguousarray(some.T)).T
        if scale is not None:
            values = values * scale
        if outside is not None:
            values[:, outside] = np.nan
        if n * len(some) <= _VALUES:
            rows[start : start + step][:, domain] = values
            continue
        for target, one in zip(rows[start : start + step], values, strict=True):
            target[domain] = one

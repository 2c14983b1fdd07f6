"""Bilinear sampling of maps at the places of a crop that a frame's pixels come from.

A place is a barycentric mean of landmarks (`weights`, computed once for a frame), so that every face of a batch costs
one sparse product; a map is then read there between its own pixel centres, whatever its resolution.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from scipy import sparse

_BLOCK: Final = 16384  # places at a time: temporaries of a whole grid cost more in memory than in sums
_FEW: Final = 3  # up to so many maps a face are gathered at once; more share one matrix
_VALUES: Final = 2**18  # values of a product of many maps at once: what still fits the cache
_EDGE: Final = 1e-6  # a place this far outside the crop is rounding, not "outside"
_THREAD: Final = threading.local()


def sample(
    weights: Any,
    points: np.ndarray,
    maps: np.ndarray,
    out: np.ndarray,
    domain: np.ndarray,
    factor: np.ndarray | None = None,
) -> None:
    """Write maps (F, K, h, w) of F faces, read at weights · points, into the domain of `out` (F, K, height, width).

    weights: (n, P) sparse, rows in the domain's order; points: (F, P, 2) shares of the crop. Values are bilinear
    between pixel centres, edge values repeated up to the crop's edge, NaN outside it, and multiplied by `factor`
    (F, n) where given. The result for one face does not depend on the others, nor on how many maps it has.
    """
    count, size = maps.shape[1], (maps.shape[2], maps.shape[3])
    maps = _wide(maps)
    stored = (maps.shape[2], maps.shape[3])
    source = maps.reshape(*maps.shape[:2], -1)
    n = weights.shape[0]
    per = max(1, _BLOCK // max(n, 1)) if count <= _FEW else 1
    for start in range(0, len(maps), per):
        faces = slice(start, min(start + per, len(maps)))
        shares = _places(weights, points[faces])
        scale = None if factor is None else factor[faces].ravel()
        if count > _FEW:
            matrix, inside = _matrix(shares, size, stored)
            _apply(matrix, None if inside.all() else ~inside, scale, source[start], out[start], domain)
            continue
        values, inside = _gathered(shares, n, source[faces], size, stored[1])
        if scale is not None:
            values *= scale
        if not inside.all():
            values[:, ~inside] = np.nan
        for k, one in enumerate(values):
            for f, row in enumerate(one.reshape(-1, n)):
                out[start + f, k][domain] = row


def interpolate(shares: np.ndarray, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maps (K, h, w) at `shares` (n, 2) of them → values (K, n) float32, and which places lie inside (n,).

    Bilinear as in `sample`; the nearest edge's value outside.
    """
    wide = _wide(maps[None])
    source = wide.reshape(1, len(maps), -1)
    places = np.ascontiguousarray(shares.T.astype(np.float32, copy=False))
    return _gathered(places, len(shares), source, maps.shape[1:], wide.shape[3])


def _wide(maps: np.ndarray) -> np.ndarray:
    """Maps (…, h, w) float32 of at least 2 × 2 pixels, so that every place has a right and a lower neighbour."""
    maps = np.ascontiguousarray(maps, dtype=np.float32)
    for axis in (-1, -2):
        if maps.shape[axis] == 1:
            maps = np.repeat(maps, 2, axis=axis)
    return maps


def _places(weights: Any, points: np.ndarray) -> np.ndarray:
    """Places (2, F · n) float32 as shares of each face's crop, x and y, face after face."""
    if len(points) == 1:  # two products with one vector are twice as fast as one with two
        return np.stack([weights @ np.ascontiguousarray(points[0, :, axis], np.float32) for axis in (0, 1)])
    found = [(weights @ np.ascontiguousarray(points[:, :, axis].T, np.float32)).T.ravel() for axis in (0, 1)]
    return np.stack(found)


def _corners(
    shares: np.ndarray, size: tuple[int, int], row: int
) -> Iterator[tuple[slice, np.ndarray, tuple[np.ndarray, ...], np.ndarray | None]]:
    """Block by block: its places, index of the upper left neighbour, weights of the four, and which lie inside.

    size: (h, w) of the map that the shares refer to; row: its stored width (see `_wide`).
    """
    low, high = np.float32(-_EDGE), np.float32(1 + _EDGE)
    within = bool(shares.min() >= low and shares.max() <= high)
    for start in range(0, shares.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        x, y = shares[:, block]
        inside = None if within else (x >= low) & (x <= high) & (y >= low) & (y <= high)
        (left, dx), (above, dy) = _split(x, size[1]), _split(y, size[0])
        above *= row
        above += left
        both = dx * dy
        yield block, above, (1 - dx - dy + both, dx - both, dy - both, both), inside


def _split(share: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Left (upper) neighbour, at most the last but one, and the distance from it in pixels."""
    at = share * np.float32(size)
    at -= np.float32(0.5)
    np.maximum(at, np.float32(0), out=at)
    np.minimum(at, np.float32(size - 1), out=at)
    first = at.astype(np.int32)
    np.minimum(first, max(size - 2, 0), out=first)
    at -= first
    return first, at


def _gathered(
    shares: np.ndarray, n: int, source: np.ndarray, size: tuple[int, int], row: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values (K, F · n) of source (F, K, stored pixels) at the places, and which lie inside (F · n,)."""
    faces, count, pixels = source.shape
    values = np.empty((count, faces * n), dtype=np.float32)
    inside = np.ones(faces * n, dtype=bool)
    flat = [np.ascontiguousarray(source[:, k]).ravel() for k in range(count)]
    for block, index, parts, known in _corners(shares, size, row):
        if known is not None:
            inside[block] = known
        if faces > 1:
            index = index + np.arange(block.start, min(block.stop, faces * n), dtype=np.int32) // n * np.int32(pixels)
        index = index.astype(np.intp)
        for k, map_ in enumerate(flat):
            total = values[k, block]
            np.multiply(np.take(map_, index, mode="clip"), parts[0], out=total)
            for offset, part in zip((1, row, row + 1), parts[1:], strict=True):
                read = np.take(map_[offset:], index, mode="clip")
                read *= part
                total += read
    return values, inside


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


def _matrix(shares: np.ndarray, size: tuple[int, int], stored: tuple[int, ...]) -> tuple[Any, np.ndarray]:
    """Sparse matrix (n, stored pixels) that reads a map at the places, and which lie inside it.

    The matrix lives in this thread's scratch memory: the next call overwrites it.
    """
    n, row = shares.shape[1], stored[1]
    indices, data, pointers = _scratch(n)
    inside = np.ones(n, dtype=bool)
    for block, index, parts, known in _corners(shares, size, row):
        if known is not None:
            inside[block] = known
        for k, (offset, part) in enumerate(zip((0, 1, row, row + 1), parts, strict=True)):
            np.add(index, np.int32(offset), out=indices[block, k])
            data[block, k] = part
    return sparse.csr_array((data.ravel(), indices.ravel(), pointers), shape=(n, stored[0] * row)), inside


def _apply(
    matrix: Any,
    outside: np.ndarray | None,
    scale: np.ndarray | None,
    maps: np.ndarray,
    out: np.ndarray,
    domain: np.ndarray,
) -> None:
    """Write every map (K, pixels) of one face into its domain.

    Small products take several maps at once; large ones go one by one, as a transposed block is slow to scatter.
    """
    n = matrix.shape[0]
    step = max(1, _VALUES // n)
    for start in range(0, len(maps), step):
        some = maps[start : start + step]
        if len(some) < 8:
            values = [matrix @ one for one in some]
        else:
            values = list((matrix @ np.ascontiguousarray(some.T)).T)
        for k, one in enumerate(values):
            if scale is not None:
                one = one * scale
            if outside is not None:
                one[outside] = np.nan
            out[start + k][domain] = one

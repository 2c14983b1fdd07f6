"""Bilinear sampling of maps at given places of a crop, as one sparse product for all maps of a face."""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np
from scipy import sparse

_BLOCK: Final = 16384
_THREAD: Final = threading.local()
_EDGE: Final = 1e-6  # a source coordinate this far outside the crop is rounding, not "outside"


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


def bilinear(shares: np.ndarray, height: int, width: int) -> tuple[Any, np.ndarray]:
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


def apply(sampling: Any, inside: np.ndarray, maps: np.ndarray, out: np.ndarray, domain: np.ndarray) -> None:
    """Write every sampled map into its domain; one by one, which is faster than scattering a transposed block."""
    whole = bool(inside.all())
    for source, target in zip(maps.reshape(len(maps), -1), out, strict=True):
        values = sampling @ source.astype(np.float32, copy=False)
        if not whole:
            values[~inside] = np.nan
        target[domain] = values

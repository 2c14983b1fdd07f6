"""Triangles of a frame: their areas, and which of them owns each pixel of the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Twice the signed area of each triangle: points (…, P, 2), triangles (T, 3) → (…, T)."""
    a, b, c = (points[..., triangles[:, k], :] for k in range(3))
    ab, ac = b - a, c - a
    return np.asarray(ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0])


def rasterise(points: np.ndarray, triangles: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, Any]:
    """Domain (h, w), triangle of each domain pixel, and barycentric weights (domain pixels, P) as a sparse matrix.

    Triangles folded over (orientation other than most of the mesh's area) are left out; where two still cover a
    pixel, the one in which it lies deepest wins: the choice does not depend on the order and mirrors with the mesh.
    """
    height, width = grid
    depth = np.full(grid, -1e-9)
    owner = np.full(grid, -1)
    barycentric = np.zeros((height, width, 3))
    doubled = areas(points, triangles)
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

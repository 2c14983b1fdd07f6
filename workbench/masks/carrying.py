"""Carrying any place of a face from one set of landmarks to another, as fixed weights on the landmarks."""

from __future__ import annotations

import numpy as np


def spline_weights(controls: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (m, n) of the thin-plate spline through `controls` (n, 2) at the places `at` (m, 2).

    `weights @ targets` is where the spline that carries the controls to `targets` (n, 2) carries `at`: exact at the
    controls, and for any affine map. Bookstein (1989), Principal warps, IEEE TPAMI 11(6).
    """
    count = len(controls)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bending(controls, controls)
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :], system[count + 1 :, :count] = controls, controls.T
    rows = np.hstack([_bending(at, controls), np.ones((len(at), 1)), at])
    return np.asarray(np.linalg.solve(system.T, rows.T).T[:, :count])


def _bending(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    square = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    return np.asarray(square * np.log(np.where(square > 0, square, 1)))


def triangle_weights(points: np.ndarray, triangles: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Weights (m, n) of the places `at` (m, 2), each in the triangle where it lies deepest, or the nearest."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    sound = np.abs(area) > 1e-9
    a, b, c, area, triangles = a[sound], b[sound], c[sound], area[sound], triangles[sound]
    weights = np.zeros((len(at), len(points)))
    for row, (x, y) in enumerate(at):
        wb = ((x - a[:, 0]) * (c[:, 1] - a[:, 1]) - (y - a[:, 1]) * (c[:, 0] - a[:, 0])) / area
        wc = ((y - a[:, 1]) * (b[:, 0] - a[:, 0]) - (x - a[:, 0]) * (b[:, 1] - a[:, 1])) / area
        shares = np.column_stack([1 - wb - wc, wb, wc])
        best = int(shares.min(axis=1).argmax())
        weights[row, triangles[best]] += shares[best]
    return weights

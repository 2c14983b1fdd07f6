"""Shapes to pixels: triangles as the published masks fill them, and polygons, hulls and lines with a radius."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError


def filled_triangle(corners: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Pixels (height, width) bool of a triangle (3, 2) of x, y, its border pixels included.

    Corners are rounded to pixels (halves down). On the grid it equals, pixel for pixel, filling an integer contour with
    OpenCV's drawContours(…, -1), by which the masks of arXiv 2401.11835 were made: the inside at pixel centres,
    and the three sides as 8-connected lines drawn from left to right.
    """
    points = np.ceil(np.asarray(corners, dtype=float) - 0.5).astype(int)
    out = np.zeros(grid, dtype=bool)
    low, high = np.clip(points.min(axis=0), 0, None), points.max(axis=0) + 1
    y, x = np.mgrid[low[1] : max(min(high[1], grid[0]), low[1]), low[0] : max(min(high[0], grid[1]), low[0])]
    following = np.roll(points, -1, axis=0)
    sides = np.stack(
        [(b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) for a, b in zip(points, following, strict=True)]
    )
    (ax, ay), (bx, by), (cx, cy) = points
    if (bx - ax) * (cy - ay) != (by - ay) * (cx - ax):  # else no inside: three points on a line
        out[y, x] = (sides >= 0).all(axis=0) | (sides <= 0).all(axis=0)
    for a, b in zip(points, following, strict=True):
        column, row = _line(a, b)
        on_grid = (column >= 0) & (column < grid[1]) & (row >= 0) & (row < grid[0])
        out[row[on_grid], column[on_grid]] = True
    return out


def _line(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of the 8-connected line of two pixels; ties stay with the left end."""
    (x0, y0), (x1, y1) = (b, a) if b[0] < a[0] else (a, b)
    run, rise = int(x1 - x0), abs(int(y1 - y0))
    down = 1 if y1 >= y0 else -1
    step = np.arange(max(run, rise, 0) + 1)
    if run >= rise:
        return x0 + step, y0 + down * _rounded(step * rise, run)
    return x0 + _rounded(step * run, rise), y0 + down * step


def _rounded(numerator: np.ndarray, denominator: int) -> np.ndarray:
    """numerator / denominator to the nearest integer, halves down."""
    if denominator == 0:
        return numerator
    return -((denominator - 2 * numerator) // (2 * denominator))


def grown(vertices: np.ndarray, grid: tuple[int, int], radius: float, closed: bool = True) -> np.ndarray:
    """Pixels (height, width) bool whose centres lie in a polygon (n, 2) of x, y, or within `radius` pixels of it.

    `closed=False` takes the vertices as a line (one vertex: a disk), which has no inside. A negative radius leaves the
    border alone: only the inside counts.
    """
    out = _inside(vertices, grid) if closed else np.zeros(grid, dtype=bool)
    if radius < 0:
        return out
    ends = np.roll(vertices, -1, axis=0) if closed else np.vstack([vertices[1:], vertices[-1:]])
    for (ax, ay), (bx, by) in zip(vertices, ends, strict=True):
        rows, columns = (
            slice(max(int(np.floor(min(a, b) - radius)), 0), max(int(np.ceil(max(a, b) + radius)) + 1, 0))
            for a, b in ((ay, by), (ax, bx))
        )
        y, x = np.arange(grid[0])[rows, None], np.arange(grid[1])[None, columns]
        if not y.size or not x.size:
            continue
        length = (bx - ax) ** 2 + (by - ay) ** 2
        along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1) if length else 0.0
        away = np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay))
        out[rows, columns] |= away <= radius + 1e-9
    return out


def _inside(vertices: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Pixel centres inside a polygon, even-odd: each crossing of a row's line flips all pixels left of it."""
    out = np.zeros(grid, dtype=bool)
    low, high = np.ceil(vertices.min(axis=0)), np.floor(vertices.max(axis=0)) + 1
    left, right = max(int(low[0]), 0), min(int(high[0]), grid[1])
    top, bottom = max(int(low[1]), 0), min(int(high[1]), grid[0])
    if left >= right or top >= bottom:
        return out
    flips = np.zeros((bottom - top, right - left + 1), dtype=bool)
    for (ax, ay), (bx, by) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        rows = np.arange(max(int(np.ceil(min(ay, by))), top), min(int(np.ceil(max(ay, by))), bottom))
        if len(rows):
            crossing = ax + (rows - ay) * (bx - ax) / (by - ay)
            count = np.clip(np.ceil(crossing) - left, 0, right - left).astype(int)  # pixels left of the crossing
            flips[rows - top, 0] ^= True
            flips[rows - top, count] ^= True
    out[top:bottom, left:right] = np.logical_xor.accumulate(flips, axis=1)[:, :-1]
    return out


def hull(points: np.ndarray) -> np.ndarray:
    """The corners (m, 2) of the convex hull of points (n, 2), in order; points on one line are returned as they are."""
    if len(points) < 3:
        return points
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        return points

"""Correlations of resampled maps, row by row, and their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.heatmaps.resampling import Units

Floats = npt.NDArray[np.float64]


def interval(estimate: float, on_lattice: float, drawn: Floats, level: float) -> tuple[float, float]:
    """Ends of a correlation's interval from draws on a lattice, mirrored on Fisher's scale; they hold the estimate."""
    known = drawn[np.isfinite(drawn)]
    if len(known) < max(len(drawn) / 2, 2) or not np.isfinite(estimate):
        return np.nan, np.nan
    low, high = np.quantile(fisher(known), ((1 - level) / 2, (1 + level) / 2))
    middle, centre = fisher(np.array([estimate, on_lattice]))
    ends = np.tanh([middle + centre - high, middle + centre - low])
    return min(float(ends[0]), estimate), max(float(ends[1]), estimate)


def fisher(r: Floats) -> Floats:
    """Fisher's z of correlations, ±1 pulled in by 1e-12."""
    return np.asarray(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)))


def halves(units: Units, splits: int, seed: int) -> npt.NDArray[np.float32]:
    """Which images are in the first half of each split, and then which in the second: (2 · splits, images)."""
    base = (np.arange(units.count) % 2).astype(np.float32)
    first = np.random.default_rng([seed, 1]).permuted(np.tile(base, (splits, 1)), axis=1)[:, units.of]
    return np.concatenate([first, 1 - first]).astype(np.float32)


def correlations(one: npt.NDArray[np.floating[Any]], other: npt.NDArray[np.floating[Any]]) -> Floats:
    """Pearson's correlation of each row of one with the same row of the other, over pixels with data in all rows that
    have any; NaN for rows without data or without variation."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    there = np.isfinite(a).any(axis=1) & np.isfinite(b).any(axis=1)
    out = np.full(len(a), np.nan)
    if not there.any():
        return out
    a, b = a[there], b[there]
    shared = np.isfinite(a).all(axis=0) & np.isfinite(b).all(axis=0)
    if shared.sum() < 2:
        return out
    a, b = a[:, shared], b[:, shared]
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        out[there] = np.where(size > 0, np.clip((a * b).sum(axis=1) / size, -1, 1), np.nan)
    return out

"""Differences that units have: their mean, its interval, and a sign-flip test."""

from __future__ import annotations

from typing import Final

import numpy as np

from workbench.faithfulness.registry import Floats
from workbench.statistics.permutation import p_value, resolution

ENUMERATED: Final = 12  # units up to which all flips of sign are tried
DRAWN: Final = 9999


def unit_means(values: Floats, units: np.ndarray) -> Floats:
    """Means (U, C) of values (N, C) over the images of each unit (N,) of whole numbers; NaN images do not count."""
    known = np.isfinite(values)
    count = np.zeros((int(units.max()) + 1, values.shape[1]))
    total = count.copy()
    np.add.at(count, units, known)
    np.add.at(total, units, np.where(known, values, 0))
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def flipped(differences: Floats, seed: int = 0) -> tuple[float, float]:
    """Two-sided p of the mean of differences (U,) under all flips of their signs, and the smallest p there could be.

    All 2^U flips up to 12 units, else 9,999 drawn ones. Valid where a unit's difference is as likely to be −d as d.
    NaN units are left out; (NaN, NaN) without any.
    """
    values = differences[np.isfinite(differences)]
    count = len(values)
    if not count:
        return float("nan"), float("nan")
    if count <= ENUMERATED:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        p = p_value(abs(values.mean()), np.abs(signs @ values / count), enumerated=True)
        return float(p), 2 * resolution(2**count, enumerated=True)
    signs = np.random.default_rng(seed).choice(np.array([-1, 1]), (DRAWN, count))
    p = p_value(abs(values.mean()), np.abs(signs @ values / count), enumerated=False)
    return float(p), resolution(DRAWN, enumerated=False)

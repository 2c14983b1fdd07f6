"""The difference with as many units in one group as in the other, so that unequal numbers pass for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.comparison.groups.contrast import Contrast

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EqualN:
    """mean, low, high (P,): of the difference maps of equally large subsamples, and the middle 95 % of them; rms,
    rms_low, rms_high: the same of their root mean square."""

    mean: Floats
    low: Floats
    high: Floats
    rms: float
    rms_low: float
    rms_high: float


def equal_n(contrast: Contrast, draws: int, seed: int | Sequence[int]) -> EqualN:
    """Subsamples the larger group, without replacement, to the smaller one's number of units, `draws` times.

    The spread says how much hangs on whom the larger group would have kept; it is no confidence interval of the
    difference, as the smaller group stays the same.
    """
    first, second = contrast.first, contrast.second
    swapped = len(first) < len(second)
    large, small = (second, first) if swapped else (first, second)
    known = ~np.isnan(large)
    start = np.zeros((draws, len(large)), np.float32)
    start[:, : len(small)] = 1
    weights = np.random.default_rng(seed).permuted(start, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ np.where(known, large, np.float32(0))) / (weights @ known.astype(np.float32))
        other = np.where(np.isnan(small), 0, small).sum(axis=0) / (~np.isnan(small)).sum(axis=0)
        drawn = (other - means if swapped else means - other).astype(np.float64)
        rms = np.sqrt(np.nanmean(drawn**2, axis=1))
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    ends = np.quantile(rms, (0.025, 0.975))
    return EqualN(drawn.mean(axis=0), low, high, float(rms.mean()), float(ends[0]), float(ends[1]))

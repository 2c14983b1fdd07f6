"""Tests of a difference map: each pixel, each pixel among all, clusters of pixels, regions; one set of arrangements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.comparison.groups.arrangements import Arrangements
from workbench.comparison.groups.clusters import clusters, largest
from workbench.comparison.groups.contrast import Contrast

Floats = npt.NDArray[np.float64]
_BLOCK_BYTES: Final = 32 * 2**20
_TIE: Final = 1e-5  # of single precision's sums: this near, two arrangements are as extreme as each other


@dataclass(frozen=True)
class Tested:
    """Of P pixels: t, p (two-sided, each for itself), p_max (family-wise over all of them), and the clusters' label
    (P,) with `cluster_p` (P,), NaN outside clusters. p_differ: of the heaviest cluster, 1 where there is none. rms:
    root mean square of the difference; null_rms, null_rms_upper: mean and 95th percentile without any difference.
    """

    t: Floats
    p: Floats
    p_max: Floats
    label: npt.NDArray[np.int64]
    cluster_p: Floats
    p_differ: float
    rms: float
    null_rms: float
    null_rms_upper: float


def tested(
    contrast: Contrast, arrangements: Arrangements, inside: npt.NDArray[np.bool_], cluster_level: float
) -> Tested:
    """Every test of one difference map, draws in blocks. inside: (y, x), where the P pixels lie.

    cluster_level: two-sided p of a pixel's t from which it joins a cluster; it shapes the clusters, not the error rate.
    Sources: Nichols & Holmes 2002, Human Brain Mapping 15 (maximum statistic); Maris & Oostenveld 2007 (clusters).
    """
    statistic = contrast.statistic()
    t = contrast.observed().astype(np.float64)
    units = len(contrast.first) + (0 if contrast.paired else len(contrast.second))
    threshold = float(stats.t.isf(cluster_level / 2, units - (1 if contrast.paired else 2)))
    grid = np.zeros(inside.shape)
    grid[inside] = t
    labels, masses = clusters(grid, threshold)
    size = np.abs(t)
    weights = arrangements.weights
    step = max(1, _BLOCK_BYTES // max(1, 24 * len(t)))
    above, higher = np.zeros(len(t)), np.zeros(len(t))
    heavier = np.zeros(len(masses))
    rms = np.empty(len(weights))
    for start in range(0, len(weights), step):
        part = slice(start, start + step)
        drawn, difference = statistic(weights[part])
        drawn_size = np.abs(drawn)
        above += (drawn_size >= size * (1 - _TIE)).sum(axis=0)
        tops = np.sort(drawn_size.max(axis=1))
        higher += len(tops) - np.searchsorted(tops, size * (1 - _TIE))
        if len(masses):
            found = np.sort(largest(drawn, threshold, inside))
            heavier += len(found) - np.searchsorted(found, masses * (1 - _TIE))
        rms[part] = np.sqrt(np.nanmean(difference.astype(np.float64) ** 2, axis=1))
    of_cluster = arrangements.p(heavier)
    label = labels[inside]
    undefined = ~np.isfinite(contrast.difference)
    p, p_max = (np.where(undefined, np.nan, arrangements.p(k)) for k in (above, higher))
    return Tested(
        np.where(undefined, np.nan, t),
        p,
        p_max,
        label,
        np.concatenate([[np.nan], of_cluster])[label],
        float(of_cluster[0]) if len(of_cluster) else 1.0,
        float(np.sqrt(np.nanmean(contrast.difference**2))),
        float(rms.mean()),
        float(np.quantile(rms, 0.95)),
    )


def tested_regions(contrast: Contrast, arrangements: Arrangements) -> tuple[Floats, Floats]:
    """(p, p_max) of the mean differences (K,) of regions: each for itself, and family-wise over all of them."""
    statistic = contrast.statistic()
    size = np.abs(contrast.observed().astype(np.float64))
    step = max(1, _BLOCK_BYTES // max(1, 24 * len(size)))
    above, higher = np.zeros(len(size)), np.zeros(len(size))
    for start in range(0, len(arrangements.weights), step):
        drawn = np.abs(statistic(arrangements.weights[start : start + step])[0])
        above += (drawn >= size * (1 - _TIE)).sum(axis=0)
        higher += (drawn.max(axis=1)[:, None] >= size * (1 - _TIE)).sum(axis=0)
    undefined = ~np.isfinite(contrast.difference)
    p, p_max = (np.where(undefined, np.nan, arrangements.p(k)) for k in (above, higher))
    return p, p_max

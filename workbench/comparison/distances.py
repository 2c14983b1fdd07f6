"""Distances between maps, and the trees that they give."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from workbench.comparison.tree import Matrix


def correlation_distances(maps: npt.NDArray[np.floating[Any]]) -> Matrix:
    """1 − Pearson's correlation of each pair of maps (M, P), exactly symmetric with a zero diagonal.

    For maps of one size this is 1 − OpenCV's TM_CCOEFF_NORMED. NaN for a constant map.
    """
    centred = maps.astype(np.float64) - maps.mean(axis=1, keepdims=True, dtype=np.float64)
    norm = np.sqrt((centred**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (centred @ centred.T) / np.outer(norm, norm)
    distances = 1 - np.clip((r + r.T) / 2, -1, 1)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances, dtype=np.float64)


def leaf_sets(linkage: Matrix) -> list[frozenset[int]]:
    """The leaves below each merge of a linkage matrix, in order of merges."""
    count = len(linkage) + 1
    below = [frozenset([i]) for i in range(count)]
    for left, right, *_ in linkage:
        below.append(below[int(left)] | below[int(right)])
    return below[count:]


def linkage_of(distances: Matrix, method: str) -> tuple[Matrix, float]:
    """SciPy\'s linkage matrix of square distances, and its cophenetic correlation (NaN where it is undefined)."""
    condensed = squareform(distances, checks=False)
    merges = hierarchy.linkage(condensed, method)
    if len(distances) < 3 or not np.ptp(condensed) > 0:
        return merges, float("nan")
    return merges, float(hierarchy.cophenet(merges, condensed)[0])

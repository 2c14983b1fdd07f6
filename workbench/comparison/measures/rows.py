"""Distances that do not ask where a pixel lies."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from workbench.comparison.distances import Matrix, Rows, correlation_distances, cosine_distances, distance


@distance(
    "correlation",
    takes="rows",
    high=2.0,
    words="1 − correlation",
    euclidean=True,
    reference="Gaya-Morey et al. 2024, arXiv 2401.11835 (1 − normalised cross-correlation)",
)
def correlation(rows: Rows) -> Matrix:
    """1 − Pearson's correlation over pixels, the published one."""
    return correlation_distances(rows)


@distance("cosine", takes="rows", high=2.0, words="1 − cosine", euclidean=True, reference="Salton & McGill 1983")
def cosine(rows: Rows) -> Matrix:
    """1 − the cosine over pixels: the mean stays in, so maps that are nowhere negative lie close together."""
    return cosine_distances(rows)


@distance(
    "spearman",
    takes="rows",
    high=2.0,
    words="1 − rank correlation",
    euclidean=True,
    reference="Spearman 1904, American Journal of Psychology 15",
)
def spearman(rows: Rows) -> Matrix:
    """1 − Spearman's rank correlation over pixels; ties share their mean rank."""
    return correlation_distances(rankdata(rows, axis=1))


@distance(
    "soft_iou",
    takes="rows",
    high=1.0,
    words="1 − soft IoU",
    euclidean=True,
    reference="Ruzicka 1958, Biologia 13; Ioffe 2010, ICDM (the kernel is positive definite)",
)
def soft_iou(rows: Rows) -> Matrix:
    """1 − sum of minima over sum of maxima (Ruzicka), of maps stretched to [0, 1] on the domain."""
    unit = stretched(rows)
    total = unit.sum(axis=1)
    found = np.zeros((len(unit), len(unit)))
    for a in range(len(unit) - 1):
        apart = np.abs(unit[a + 1 :] - unit[a]).sum(axis=1)  # maxima − minima
        both = total[a] + total[a + 1 :]  # maxima + minima
        with np.errstate(invalid="ignore", divide="ignore"):
            found[a, a + 1 :] = found[a + 1 :, a] = 2 * apart / (both + apart)
    return found


def stretched(rows: Rows) -> Matrix:
    """Each row from its lowest value to its highest on [0, 1]; NaN for a constant row."""
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((rows - low) / (high - low), dtype=np.float64)

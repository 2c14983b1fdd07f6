"""Overlapping regions: how much of each pixel is whose."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UnknownNameError

OVERLAPS: Final = ("plain", "shared")
REST: Final = "rest"


def shares(masks: npt.NDArray[np.floating[Any]], overlap: str = "plain") -> npt.NDArray[np.float64]:
    """Masks (K, P) in [0, 1] → weight of each pixel in each region and in the rest, (K + 1, P) in [0, 1].

    plain: the masks themselves, so that what regions share counts in each; the rest is what no region covers,
    Π (1 − m). shared: Shapley values, which sum to 1 in each pixel: those that `region_shap` would give the regions of
    a score that is the sum of a map over the pixels shown. There hiding several regions lets through Π (1 − m) over the
    hidden ones, so a region's value is ∫₀¹ m_p Π_{q ≠ p} (1 − (1 − t) m_q) dt (Owen's multilinear extension, 1972), a
    polynomial that Gauss–Legendre nodes integrate exactly; of k binary masks on one pixel each gets 1/k.
    UnknownNameError for another `overlap`.
    """
    if overlap not in OVERLAPS:
        raise UnknownNameError("overlap", overlap, OVERLAPS)
    m = np.asarray(masks, dtype=np.float64)
    rest = (1 - m).prod(axis=0, keepdims=True)
    if overlap == "plain":
        return np.concatenate([m, rest])
    nodes, weights = np.polynomial.legendre.leggauss(max(1, (len(m) + 1) // 2))
    found = np.zeros_like(m)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        through = 1 - (1 - node) * m  # at least the node, which is above 0
        found += weight * m * through.prod(axis=0) / through
    return np.concatenate([found, rest])

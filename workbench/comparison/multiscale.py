"""Multiscale bootstrap: an approximately unbiased p-value from how support changes with the size of the resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

SCALES: Final = tuple(round(0.5 + 0.1 * k, 1) for k in range(10))
"""Sizes of resamples, as shares of the number of units."""
MINIMUM_UNITS: Final = 20
_ROUNDS: Final = 50
_LEAST: Final = 1e-12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Multiscale:
    """What the multiscale bootstrap says of one branch.

    p: approximately unbiased p-value of the branch, large where the data speak for it; 1 − p is the p-value of the
        hypothesis that the branch does not exist. standard_error: that of p, from the number of draws; NaN where every
        draw of (almost) every size agreed, so that nothing could be fitted. chosen: the same corrected for the branch
        having been picked because the tree shows it, 1 − (1 − p)/Φ(−c).
    v, c: signed distance to the border of the region in which the branch exists, and the border's curvature, in
        z(r) = v√r + c/√r. fit: p-value of Pearson's χ² of the shares, small where that form does not hold.
    scales, shares: relative sizes r, and the share of resamples that hold the branch at each.
    """

    p: float
    standard_error: float
    chosen: float
    v: float
    c: float
    fit: float
    scales: tuple[float, ...]
    shares: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        named = {k: getattr(self, k) for k in ("p", "standard_error", "chosen", "v", "c", "fit")}
        plain = {k: None if np.isnan(x) else x for k, x in named.items()}
        return plain | {"scales": list(self.scales), "shares": list(self.shares)}


def multiscale(
    shares: Sequence[float] | npt.NDArray[Any],
    scales: Sequence[float] | npt.NDArray[Any],
    draws: int | Sequence[int] | npt.NDArray[Any],
) -> Multiscale:
    """The approximately unbiased p-value from shares (R,) of resamples of relative sizes (R,), `draws` at each.

    z(r) = −Φ⁻¹(share) is fitted as v√r + c/√r by iteratively reweighted least squares, which is the likelihood of the
    counts, and p = Φ(−(v − c)). Weighted least squares of z alone would drop sizes at which every draw holds the
    branch, and then call certain branches uncertain. With fewer than two sizes at which draws disagree p is 1 or 0,
    without a standard error. Exact for a half space (c = 0), whose p-value is Φ(−v).

    Source: Shimodaira 2002, Systematic Biology 51, eq. 4–8; 2004, Annals of Statistics 32; Suzuki & Shimodaira 2006,
    Bioinformatics 22; `chosen`: Terada & Shimodaira 2017, arXiv 1711.00949.
    """
    share, r = np.asarray(shares, dtype=np.float64), np.asarray(scales, dtype=np.float64)
    count = np.broadcast_to(np.asarray(draws, dtype=np.float64), share.shape)
    used = (share > 0) & (share < 1) & (count > 0)
    kept = {"scales": tuple(float(x) for x in r), "shares": tuple(float(x) for x in share)}
    if used.sum() < 2:
        nan = float("nan")
        valid = share[count > 0]
        p = nan if not valid.size else float(valid.mean() >= 0.5)
        return Multiscale(p, nan, p, nan, nan, nan, **kept)
    share, r, count = share[count > 0], r[count > 0], count[count > 0]
    design = np.stack([np.sqrt(r), 1 / np.sqrt(r)], axis=1)
    v, c, covariance, squares = _fitted(design, share, count)
    spread = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    freedom = len(share) - 2
    return Multiscale(
        float(ndtr(c - v)),
        float(_density(v - c) * np.sqrt(spread)),
        float(np.clip(1 - ndtr(v - c) / ndtr(-c), 0, 1)),
        float(v),
        float(c),
        float(chi2.sf(squares, freedom)) if freedom else float("nan"),
        **kept,
    )


def _fitted(design: Floats, share: Floats, count: Floats) -> tuple[float, float, Floats, float]:
    """v, c, their covariance, and Pearson's χ² of the shares."""
    at = np.linalg.lstsq(design, -ndtri((share * count + 0.5) / (count + 1)), rcond=None)[0]
    for _ in range(_ROUNDS):
        z = design @ at
        expected, density = np.clip(ndtr(-z), _LEAST, 1 - _LEAST), np.maximum(_density(z), _LEAST)
        weight = count * density**2 / (expected * (1 - expected))
        covariance = np.linalg.pinv(design.T @ (weight[:, None] * design))
        before, at = at, covariance @ design.T @ (weight * (z - (share - expected) / density))
        if np.abs(at - before).max() < 1e-10:
            break
    expected = np.clip(ndtr(-(design @ at)), _LEAST, 1 - _LEAST)
    squares = float((count * (share - expected) ** 2 / (expected * (1 - expected))).sum())
    return float(at[0]), float(at[1]), covariance, squares


def _density(z: Any) -> Any:
    return np.exp(-0.5 * np.square(z)) / np.sqrt(2 * np.pi)

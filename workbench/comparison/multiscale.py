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


@dataclass(frozen=True)
class Multiscale:
    """What the multiscale bootstrap says of one branch.

    p: approximately unbiased p-value of the branch, large where the data speak for it; 1 − p is the p-value of the
        hypothesis that the branch does not exist. standard_error: that of p, from the number of draws; NaN where every
        draw of (almost) every size agreed, so that nothing could be fitted. chosen: the same corrected for the branch
        having been picked because the tree shows it, 1 − (1 − p)/Φ(−c).
    v, c: signed distance to the border of the region in which the branch exists, and the border's curvature, in
        z(r) = v√r + c/√r. fit: p-value of the weighted squares' sum, small where that form does not hold.
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

    z = −Φ⁻¹(share) is fitted as v√r + c/√r by least squares weighted with the inverse variance of z, and
    p = Φ(−(v − c)). Sizes at which no draw or every draw holds the branch carry no z and are left out; with fewer than
    two others p is 1 or 0, without a standard error. Exact for a half space (c = 0), whose p-value is Φ(−v).

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
    z = -ndtri(share[used])
    weight = count[used] * _density(z) ** 2 / (share[used] * (1 - share[used]))
    design = np.stack([np.sqrt(r[used]), 1 / np.sqrt(r[used])], axis=1)
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
    v, c = covariance @ design.T @ (weight * z)
    squares = float((weight * (z - design @ [v, c]) ** 2).sum())
    spread = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    freedom = int(used.sum()) - 2
    return Multiscale(
        float(ndtr(c - v)),
        float(_density(v - c) * np.sqrt(spread)),
        float(np.clip(1 - ndtr(v - c) / ndtr(-c), 0, 1)),
        float(v),
        float(c),
        float(chi2.sf(squares, freedom)) if freedom else float("nan"),
        **kept,
    )


def _density(z: Any) -> Any:
    return np.exp(-0.5 * np.square(z)) / np.sqrt(2 * np.pi)

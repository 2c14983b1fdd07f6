"""Bootstrap intervals and one-sided p-values of statistics of a mean, which noise pulls to one side.

A score of a mean map is not a mean of scores. Noise pulls it away from the score of the noiseless map, and pulls that
of a redrawn map, which is noisier, as far again: draws lie beside the estimate, not around it. Quantiles of the draws
then miss the truth almost always, and BCa's correction asks for quantiles beyond the last draw. And a score that counts
pixels above a threshold jumps, so that draws of the same few units vary less than new units would. `ends` takes BCa
where draws lie around the estimate and vary as the jackknife says, and elsewhere reaches from the estimate to the
estimate corrected for bias, with the larger of two standard errors on either side. `docs/coverage.md` has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from workbench.errors import UsageError

LEVEL: Final = 0.95
GROUPS: Final = 50  # of the jackknife: leaving out one of many units overstates the spread of what jumps
BCA: Final = "bca"
CORRECTED: Final = "corrected"
FEWEST_FOR_BCA: Final = 20  # units
LARGEST_SHIFT: Final = 0.2  # of z0, in standard errors
LARGEST_RATIO: Final = 1.1  # of the jackknife's standard error to the bootstrap's

Floats = npt.NDArray[np.float64]
UNBOUNDED: Final = (-float("inf"), float("inf"))


@dataclass(frozen=True)
class Ends:
    """Intervals: `low` and `high` (C,), NaN where there is none; `method` (C,) `bca`, `corrected` or ""."""

    low: Floats
    high: Floats
    method: npt.NDArray[np.str_]


def ends(
    estimate: npt.ArrayLike,
    drawn: npt.ArrayLike,
    left_out: npt.ArrayLike,
    units: int,
    span: tuple[float, float] = UNBOUNDED,
    level: float = LEVEL,
) -> Ends:
    """Ends of the intervals of C statistics.

    estimate (C,); drawn (B, C), of B draws of whole units; left_out (G, C), of all units but one, or but one of G equal
    groups; `units`: how many there are; span: the range of the statistic. No interval for fewer than two units, an
    unknown estimate, or where fewer than half of the draws give a value. UsageError where the shapes do not fit.

    `bca` (from 20 units on, |z0| ≤ .2, the jackknife's standard error at most 1.1 of the bootstrap's, its levels inside
    the draws): the bias-corrected and accelerated interval, its normal quantiles stretched by √(k/(k−1)) · t/z for k
    units. `corrected`, elsewhere: with b the mean of the draws less the estimate e and s = `standard_error`, from the
    smaller of e and e − b less t·s to the larger plus t·s, t of k − 1 degrees of freedom; where the span is finite all
    of it on the arcsine scale, so that no end leaves the span. Below 30 units of noisy maps it still holds the truth
    too rarely, yet far more often than percentiles do, which are never used.

    Sources: Efron 1987, JASA 82(397), section 2 and 6 (acceleration by the jackknife); Hesterberg 2015, The American
    Statistician 69(4), section 4 (stretching); Davison & Hinkley 1997, section 5.2 (bias, transformed scale). The rule
    between them, and the jackknife's part, were chosen by measured coverage.
    """
    e, d, left = _columns(estimate, drawn, left_out)
    low, high, method = np.full(len(e), np.nan), np.full(len(e), np.nan), np.full(len(e), "", dtype="<U9")
    enough = np.isfinite(e) & (np.isfinite(d).sum(axis=0) >= max(len(d) / 2, 2))
    if units < 2:
        return Ends(low, high, method)
    t = float(stdtrit(units - 1, (1 + level) / 2))
    for c in np.flatnonzero(enough):
        values, rest = d[np.isfinite(d[:, c]), c], left[np.isfinite(left[:, c]), c]
        low[c], high[c], method[c] = _interval(float(e[c]), values, rest, units, span, t)
    return Ends(low, high, method)


def p_above(
    estimate: npt.ArrayLike,
    drawn: npt.ArrayLike,
    units: int,
    than: float = 0.0,
    left_out: npt.ArrayLike | None = None,
) -> Floats:
    """One-sided p-values (C,) that the statistic is not above `than`, small where it is; arguments as for `ends`.

    Student's t with k − 1 degrees of freedom, of the smaller of the estimate and the estimate corrected for bias, over
    `standard_error`: smooth, so that hundreds of draws resolve a correction over many cells. Below α only where the
    `corrected` interval of level 1 − 2α (on the plain scale) lies above `than`. Without `left_out` the standard error
    is the bootstrap's alone, and false positives are two to three times as many. Where no draw differs from the
    others, 1, or 1/(B + 1) if all lie above. NaN as `ends` has no interval.
    """
    e, d, left = _columns(estimate, drawn, np.full((0, np.size(estimate)), np.nan) if left_out is None else left_out)
    p = np.full(len(e), np.nan)
    enough = np.isfinite(e) & (np.isfinite(d).sum(axis=0) >= max(len(d) / 2, 2))
    if units < 2:
        return p
    for c in np.flatnonzero(enough):
        values, rest = d[np.isfinite(d[:, c]), c], left[np.isfinite(left[:, c]), c]
        above = min(float(e[c]), 2 * float(e[c]) - float(values.mean())) - than
        error = standard_error(values, rest, units)
        if error <= 1e-12 * max(1.0, abs(float(e[c]))):
            p[c] = 1 / (len(values) + 1) if above > 1e-12 else 1.0
        else:
            p[c] = stdtr(units - 1, -above / error)
    return p


def standard_error(drawn: npt.ArrayLike, left_out: npt.ArrayLike, units: int) -> float:
    """The larger of the bootstrap's standard error, times √(k/(k−1)) for k units, and the jackknife's over G groups.

    drawn (B,), left_out (G,), G = 0 for none. Source of the second: Efron & Stein 1981, Annals of Statistics 9(3),
    which shows that it errs to the large side; Shao & Wu 1989, Annals of Statistics 17(3), for groups.
    """
    boot = float(np.std(np.asarray(drawn, dtype=np.float64), ddof=1)) * float(np.sqrt(units / (units - 1)))
    return max(boot, jackknife_error(left_out))


def jackknife_error(left_out: npt.ArrayLike) -> float:
    """√((G−1)/G · Σ(θ_g − θ̄)²) over what G leave-one-group-out statistics (G,) give; 0 for fewer than two."""
    rest = np.asarray(left_out, dtype=np.float64)
    if len(rest) < 2:
        return 0.0
    return float(np.sqrt((len(rest) - 1) / len(rest) * ((rest - rest.mean()) ** 2).sum()))


def acceleration(left_out: npt.ArrayLike) -> float:
    """BCa's a = Σu³ / (6 (Σu²)^1.5) with u = θ̄ − θ_g over the leave-one-group-out statistics; 0 where all are equal.

    Source: Efron 1987, equation 6.6 in its jackknife form (Efron & Tibshirani 1993, equation 14.15).
    """
    rest = np.asarray(left_out, dtype=np.float64)
    u = rest.mean() - rest if len(rest) else rest
    square = float((u**2).sum())
    return float((u**3).sum() / (6 * square**1.5)) if square > 0 else 0.0


def shift(estimate: float, drawn: npt.ArrayLike) -> float:
    """BCa's z0: the normal quantile of the share of draws below the estimate, ties counted half; ±∞ if none or all."""
    values = np.asarray(drawn, dtype=np.float64)
    share = ((values < estimate).sum() + (values <= estimate).sum()) / (2 * len(values))
    return float(ndtri(share))


def bca_levels(z0: float, a: float, z: float) -> tuple[float, float]:
    """The shares of the draws at which the interval of normal quantiles ±z ends (Efron 1987, equation 3.5)."""
    found = [float(ndtr(z0 + (z0 + w) / (1 - a * (z0 + w)))) for w in (-z, z)]
    return found[0], found[1]


def _interval(
    e: float, drawn: Floats, left_out: Floats, units: int, span: tuple[float, float], t: float
) -> tuple[float, float, str]:
    if units >= FEWEST_FOR_BCA and len(left_out) > 2 and drawn.min() < drawn.max():
        spread = float(np.std(drawn, ddof=1)) * np.sqrt(units / (units - 1))
        z0 = shift(e, drawn)
        if abs(z0) <= LARGEST_SHIFT and jackknife_error(left_out) <= LARGEST_RATIO * spread:
            below, above = bca_levels(z0, acceleration(left_out), np.sqrt(units / (units - 1)) * t)
            least = 2 / len(drawn)
            if least <= below < above <= 1 - least:
                low, high = np.quantile(drawn, (below, above))
                return float(low), float(high), BCA
    middle, draws, rest = _scaled(np.array([e]), span)[0], _scaled(drawn, span), _scaled(left_out, span)
    corrected = 2 * middle - draws.mean()
    reach = t * standard_error(draws, rest, units)
    low, high = _back(np.array([min(middle, corrected) - reach, max(middle, corrected) + reach]), span)
    return float(low), float(high), CORRECTED


def _scaled(values: Floats, span: tuple[float, float]) -> Floats:
    """The arcsine scale of a statistic in a finite span; itself otherwise."""
    width = span[1] - span[0]
    if not np.isfinite(width):
        return values
    return np.asarray(np.arcsin(np.sqrt(np.clip((values - span[0]) / width, 0, 1))))


def _back(values: Floats, span: tuple[float, float]) -> Floats:
    width = span[1] - span[0]
    if not np.isfinite(width):
        return np.clip(values, *span)
    return np.asarray(span[0] + width * np.sin(np.clip(values, 0, np.pi / 2)) ** 2)


def _columns(estimate: npt.ArrayLike, drawn: npt.ArrayLike, left_out: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    e, d, left = (np.asarray(x, dtype=np.float64) for x in (estimate, drawn, left_out))
    if e.ndim != 1 or d.ndim != 2 or left.ndim != 2 or not d.shape[1] == left.shape[1] == len(e):
        raise UsageError(
            "an interval needs an estimate (C,), draws (B, C) and leave-one-out values (G, C), "
            f"not {e.shape}, {d.shape} and {left.shape}"
        )
    return e, d, left

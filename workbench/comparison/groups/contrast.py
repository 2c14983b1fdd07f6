"""The difference of two groups at each pixel, over its standard error, for the observed and for any other grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workbench.comparison.groups.arrangements import Arrangements, flipped, relabelled

LARGEST: Final = 1e4  # |t| where two groups differ without any spread
_FLAT: Final = 1e-6  # of the values' own size: a standard error below this is none


@dataclass(frozen=True)
class Contrast:
    """Values (U, P) of two groups: first (A, P) and second (B, P), or paired, row by row.

    NaN is a unit without data at that pixel, which then rests on the others.
    """

    first: npt.NDArray[np.float32]
    second: npt.NDArray[np.float32]
    paired: bool

    @property
    def difference(self) -> npt.NDArray[np.float64]:
        """Mean of the first minus mean of the second (paired: mean difference of units with both), (P,)."""
        if self.paired:
            return _mean(self.first.astype(np.float64) - self.second)
        return _mean(self.first) - _mean(self.second)

    def arrangements(self, draws: int, seed: int | Sequence[int]) -> Arrangements:
        """Groupings that are as likely as the observed one if the groups mean nothing."""
        if self.paired:
            return flipped(len(self.first), draws, seed)
        return relabelled(len(self.first), len(self.second), draws, seed)

    def observed(self) -> npt.NDArray[np.float32]:
        """t (P,) of the grouping as it is."""
        weights = np.ones((1, len(self.first)), np.float32)
        if not self.paired:
            weights = np.concatenate([weights, np.zeros((1, len(self.second)), np.float32)], axis=1)
        return self.statistic()(weights)[0][0]

    def statistic(self) -> Statistic:
        """What turns weights (draws, units) into t and difference."""
        return Statistic(self)

    def hedges_g(self) -> npt.NDArray[np.float64]:
        """Standardised difference (P,), corrected for few units; NaN where neither group spreads.

        Independent groups: over the pooled standard deviation of units, times 1 − 3/(4(A + B − 2) − 1). Paired: over
        the root of both groups' mean variance, times 1 − 3/(4(n − 1) − 1).
        Sources: Hedges 1981, Journal of Educational Statistics 6(2); Lakens 2013, Frontiers in Psychology 4, 863.
        """
        a, b = self.first.astype(np.float64), self.second.astype(np.float64)
        if self.paired:
            gap = np.isnan(a) | np.isnan(b)
            a, b = np.where(gap, np.nan, a), np.where(gap, np.nan, b)
        count_a, count_b = (~np.isnan(a)).sum(axis=0), (~np.isnan(b)).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            rest_a, rest_b = _squares(a), _squares(b)
            if self.paired:
                freedom = count_a - 1.0
                spread = np.sqrt((rest_a + rest_b) / (2 * freedom))
            else:
                freedom = count_a + count_b - 2.0
                spread = np.sqrt((rest_a + rest_b) / freedom)
            g = (1 - 3 / (4 * freedom - 1)) * self.difference / spread
        size = np.nanmax(np.abs(np.concatenate([a, b])), initial=0)
        return np.asarray(np.where((spread > _FLAT * size) & (freedom > 0), g, np.nan))


class Statistic:
    """t of many groupings at once, as matrix products of their weights with the units' values and squares.

    Independent groups: Welch's t, which stays near its level where spreads differ and the groups' sizes do too (Janssen
    1997, Statistics & Probability Letters 36). Paired: the one-sample t of the differences. Values are centred over
    all units first, which changes no t and keeps single precision exact enough.
    """

    def __init__(self, contrast: Contrast) -> None:
        self.paired = contrast.paired
        if self.paired:
            values = contrast.first.astype(np.float64) - contrast.second
        else:
            values = np.concatenate([contrast.first, contrast.second]).astype(np.float64)
        known = ~np.isnan(values)
        size = np.abs(np.where(known, values, 0)).max(axis=0, initial=0)
        if not self.paired:
            values = values - _mean(values)
        self.floor = (_FLAT * size).astype(np.float32)
        self.gaps = not known.all()
        self.known = known.astype(np.float32)
        self.values = np.where(known, values, 0).astype(np.float32)
        self.squares = self.values**2

    def __call__(self, weights: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """(t, difference), (draws, P) each; t is 0 where nothing differs or fewer than two units are in a group."""
        total = self.values.sum(axis=0)
        squares = self.squares.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.paired:
                count = self.known.sum(axis=0) if self.gaps else np.float32(len(self.values))
                difference = (weights @ self.values) / count
                spread = np.maximum(squares - count * difference**2, 0)
                error = np.sqrt(spread / (count - 1) / count)
            else:
                sums = weights @ self.values
                parts = weights @ self.squares
                if self.gaps:
                    first = weights @ self.known
                    second = self.known.sum(axis=0) - first
                else:
                    first = weights.sum(axis=1, keepdims=True)
                    second = len(self.values) - first
                mean_a, mean_b = sums / first, (total - sums) / second
                difference = mean_a - mean_b
                spread_a = np.maximum(parts / first - mean_a**2, 0) / (first - 1)
                spread_b = np.maximum((squares - parts) / second - mean_b**2, 0) / (second - 1)
                error = np.sqrt(spread_a + spread_b)
            t = difference / error
        flat = ~(error > self.floor)
        known = np.isfinite(difference) & np.isfinite(error)
        limit = np.where(np.abs(difference) > self.floor, np.sign(difference) * LARGEST, 0)
        t = np.where(known, np.where(flat, limit, np.clip(t, -LARGEST, LARGEST)), 0)
        return np.asarray(t, dtype=np.float32), np.asarray(difference, dtype=np.float32)


def _mean(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=0, dtype=np.float64) / known.sum(axis=0))


def _squares(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Σ (v − mean)² over the units with data."""
    rest = np.where(np.isnan(values), 0.0, values - _mean(values))
    return np.asarray((rest**2).sum(axis=0))

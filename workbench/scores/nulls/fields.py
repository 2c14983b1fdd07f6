"""The null of a map with no place of its own: fields as smooth as the map, with its values, inside the domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UsageError
from workbench.scores.block import Block
from workbench.scores.nulls.registry import NullResult, Scored, null
from workbench.scores.registry import FLAT, Floats, Pixels, Score, midranks
from workbench.statistics.fields import LEAST_PIXELS, Orders, correlation_of, placed, smooth_orders
from workbench.statistics.permutation import p_value, upper

LONGEST: Final = 69  # pixels of the coarse grid's longer side: a 275 × 224 map is taken at 69 × 56
NO_FAST_FORM: Final = (
    "no fast form; random fields are drawn for scores of numbers of pixels, of sums or of weights only"
)
TOO_SMALL: Final = f"fewer than {LEAST_PIXELS} pixels of the coarse grid, too few to estimate the map's smoothness from"
CONSTANT: Final = "the map is constant, or its foreground empty or full"


@null(
    "field",
    hypothesis="the map is a stationary random field in the domain, as smooth as it is and with its values, and has "
    "nothing to do with the mask",
    sampled=True,
    reference="Viladomat et al. 2014, Biometrics 70(2); Burt et al. 2020, NeuroImage 220 (BrainSMASH)",
)
def field(scored: Scored, *, draws: int = 1440, seed: int = 0) -> NullResult:
    """Random fields inside the domain with the map's own spatial autocorrelation and exactly its values.

    Taken on a coarse grid of at most 69 pixels a side, where values are means and masks majorities over blocks of
    pixels, and the foreground is the brightest pixels at its own share; the score that the draws are held against is
    computed there too. p is one-sided, (1 + draws as good)/(1 + draws). A field prefers no place of the domain, a map
    that keeps to the middle does: with a mask in the middle p is then too small (`inflation`).

    Raises UsageError for fewer than one draw, or gaps among the pixels counted.
    """
    if draws < 1:
        raise UsageError(f"draws is {draws}; a null distribution needs at least one")
    if not np.isfinite(scored.values[scored.counted]).all():
        raise UsageError("the map has gaps among the pixels that scores are taken on; count pixels with data only")
    coarse, count = _Coarse.of(scored), len(scored.masks)
    reason = {name: NO_FAST_FORM for name, score in scored.scores.items() if not _fast(score)}
    if why := coarse.refuses():
        reason = {**dict.fromkeys(scored.scores, why), **reason}
    tested = {name: score for name, score in scored.scores.items() if name not in reason}
    seen, drawn = coarse.scores(tested, draws, seed) if tested else ({}, {})
    p, mean, high = ({name: np.full(count, np.nan) for name in scored.scores} for _ in range(3))
    for name, score in tested.items():
        known = np.isfinite(seen[name]) & np.isfinite(scored.observed[name]) & np.isfinite(drawn[name]).any(axis=0)
        null_of = drawn[name][:, known]
        p[name][known] = p_value(seen[name][known], null_of, enumerated=False, sign=score.sign)
        mean[name][known] = np.nanmean(null_of, axis=0)
        high[name][known] = upper(null_of, sign=score.sign)
    return NullResult(p, mean, high, draws=draws, enumerated=False, reason=reason)


def _fast(score: Score) -> bool:
    return any(form is not None for form in (score.counts, score.sums, score.weights))


@dataclass(frozen=True)
class _Coarse:
    """A map on the coarse grid: its values (P,) on the domain (y, x), masks (K, P), and how many are foreground."""

    values: Floats
    domain: Pixels
    masks: Pixels
    area: int

    @classmethod
    def of(cls, scored: Scored) -> _Coarse:
        step = -(-max(scored.counted.shape) // LONGEST)
        counted = _pooled(scored.counted, step)
        domain = 2 * counted >= _pooled(np.ones_like(scored.counted), step)
        inside = counted[domain]
        values = _pooled(np.where(scored.counted, scored.values, 0.0), step)[domain] / inside
        masks = [2 * _pooled(mask & scored.counted, step)[domain] >= inside for mask in scored.masks]
        share = scored.foreground[scored.counted].mean() if scored.counted.any() else 0.0
        return cls(values, domain, np.array(masks, dtype=bool), int(np.rint(share * len(values))))

    def refuses(self) -> str:
        """Why no field can be drawn, else ""."""
        if len(self.values) < LEAST_PIXELS:
            return TOO_SMALL
        flat = np.ptp(self.values) <= np.sqrt(FLAT) * np.abs(self.values).max()
        return CONSTANT if flat or not 0 < self.area < len(self.values) else ""

    def scores(self, scores: Mapping[str, Score], draws: int, seed: int) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Of the map itself, (K,) by name, and of each draw, (draws, K) by name."""
        picture = np.zeros(self.domain.shape)
        picture[self.domain] = self.values
        correlation = correlation_of(picture, self.domain)
        ascending = np.argsort(self.values, kind="stable")[None]
        seen = self._of(ascending, scores)
        drawn = [self._of(orders, scores) for orders in smooth_orders(correlation, self.domain, draws, seed)]
        return {name: seen[name][0] for name in scores}, {n: np.concatenate([d[n] for d in drawn]) for n in scores}

    def _of(self, orders: Orders, scores: Mapping[str, Score]) -> dict[str, Floats]:
        """Scores of maps with these orders of pixels (B, P) and the map's own values: (B, K) by name."""
        laid = placed(orders, np.sort(self.values))
        foreground = np.zeros(orders.shape, dtype=bool)
        np.put_along_axis(foreground, orders[:, -self.area :], True, axis=1)
        block, found = Block(laid, foreground, self.masks), {}
        ranked = [name for name, score in scores.items() if score.ranks]
        if ranked:  # the draws share the map's ranks, so that nothing is ranked again
            ranks = Block(placed(orders, midranks(np.sort(self.values)[None])[0]), foreground, self.masks)
        for name, score in scores.items():
            found[name] = ranks.of(replace(score, ranks=False)) if name in ranked else block.of(score)
        return found


def _pooled(picture: npt.NDArray[Any], step: int) -> Floats:
    """Sums over blocks of step × step pixels, the last of a row or column being smaller."""
    rows, columns = (np.arange(0, size, step) for size in picture.shape)
    return np.asarray(np.add.reduceat(np.add.reduceat(picture.astype(np.float64), rows, axis=0), columns, axis=1))

"""Many maps against many masks at once, with what several scores share computed once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from workbench.scores.registry import Floats, Pixels, Score, Values, finite, midranks


class Block:
    """Maps (B, P) on the domain's pixels against masks (K, P).

    values: grey 0 … 255, or any values whose marginal is the map's; foreground (B, P) bool; places (P, 2), rows and
    columns in units of the grid's height.
    """

    def __init__(self, values: Values, foreground: Pixels, masks: Pixels, places: Floats | None = None) -> None:
        self.values, self.foreground, self.masks, self.places = values, foreground, masks, places

    def of(self, score: Score) -> Floats:
        """The score of each map with each mask, (B, K); NaN for a map with a pixel that is not finite."""
        return np.where(self._known[:, None], self._of(score), np.nan)

    def _of(self, score: Score) -> Floats:
        if score.counts is not None:
            return finite(score.counts, self._both, self._area[:, None], self._masks_area, self.masks.shape[1])
        if score.sums is not None:
            inside, total, squares = self._rank_sums if score.ranks else self._value_sums
            return finite(score.sums, inside, total[:, None], squares[:, None], self._masks_area, self.masks.shape[1])
        if score.weights is not None:
            found = np.full((len(self.values), len(self.masks)), np.nan)
            for area in np.unique(self._masks_area[self._masks_area > 0]):
                same = self._masks_area == area
                found[:, same] = _product(score.weights(self.values, int(area)), self.masks[same])
            return np.minimum(found, 1)
        rest = (self.places,) if score.takes == "places" else ()
        rows = zip(np.asarray(self.values, dtype=np.float64), self.foreground, strict=True)
        return np.array([[score.function(v, f, mask, *rest) for mask in self.masks] for v, f in rows], dtype=np.float64)

    def chance(self, score: Score) -> Floats | None:
        """The score at the overlap (or sum inside) that independence would give, (B, K); None for other scores.

        Of a score with `even`: that of the map which lies evenly over the domain.
        """
        everything = self.masks.shape[1]
        share = self._masks_area / everything
        if score.chance is not None:
            levels = np.array([[score.chance(a / everything, b) for b in share] for a in self._area], dtype=np.float64)
            return np.where(share > 0, levels, np.nan)
        if score.even is not None and self.places is not None:
            level = np.array([score.even(mask, self.places) for mask in self.masks], dtype=np.float64)
            return np.tile(level, (len(self.values), 1))
        if score.counts is not None:
            area = self._area[:, None]
            return finite(score.counts, area * share, area, self._masks_area, everything)
        if score.sums is not None:
            _, total, squares = self._rank_sums if score.ranks else self._value_sums
            total, squares = total[:, None], squares[:, None]
            return finite(score.sums, total * share, total, squares, self._masks_area, everything)
        if score.weights is not None:
            return np.where(self._varied[:, None] & (self._masks_area > 0), share, np.nan)
        return None

    @cached_property
    def _known(self) -> Pixels:
        return np.asarray(np.isfinite(self.values).all(axis=1))

    @cached_property
    def _varied(self) -> Pixels:
        return np.asarray(self.values.max(axis=1) > self.values.min(axis=1))

    @cached_property
    def _both(self) -> Floats:
        return _product(self.foreground, self.masks)

    @cached_property
    def _area(self) -> Floats:
        return self.foreground.sum(axis=1).astype(np.float64)

    @cached_property
    def _masks_area(self) -> Floats:
        return self.masks.sum(axis=1).astype(np.float64)

    @cached_property
    def _value_sums(self) -> tuple[Floats, Floats, Floats]:
        return _sums(np.asarray(self.values, dtype=np.float64), self.masks)

    @cached_property
    def _rank_sums(self) -> tuple[Floats, Floats, Floats]:
        return _sums(midranks(self.values), self.masks)


def _sums(values: Floats, masks: Pixels) -> tuple[Floats, Floats, Floats]:
    return _product(values, masks), values.sum(axis=1), np.einsum("bp,bp->b", values, values)


def _product(rows: Values | Pixels, masks: Pixels) -> Floats:
    """Sums of rows (B, P) in masks (K, P): (B, K). Counts of pixels are exact (they stay below 2⁵³)."""
    if len(rows) == 1:  # BLAS would start threads for one short row
        return np.array([[rows[0][mask].sum() for mask in masks]], dtype=np.float64)
    return np.asarray(np.asarray(rows, dtype=np.float64) @ masks.T.astype(np.float64))

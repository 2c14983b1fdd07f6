"""The null of unrelated places: the map is laid over the masks wherever it could have been."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import numpy as np

from workbench.errors import UsageError
from workbench.scores.nulls.registry import NullResult, Scored, null
from workbench.scores.registry import Floats, Pixels, Score, finite, midranks
from workbench.statistics.permutation import TIE, p_value, upper
from workbench.statistics.toroidal import Spectrum, shifted_sums

NO_SUM: Final = "all shifts are enumerated for scores of numbers of pixels, of sums of values and of weights only"
PART: Final = "a map's ranks and weights change with every shift where scores are taken on part of the grid only"


@null(
    "toroidal",
    hypothesis="the map's place on the grid has nothing to do with the mask's: every shift of it is as likely",
    sampled=False,
    reference="Lotwick & Silverman 1982, JRSS B 44(3)",
)
def toroidal(scored: Scored, *, draws: int = 0, seed: int = 0) -> NullResult:
    """Every shift of the map on the torus of its grid, which keeps its smoothness, its values and its area.

    All shifts are scored, the unmoved map among them, so that nothing is drawn; `draws` and `seed` do nothing. A map
    and a mask that both keep to the middle agree better than most shifts of them do: p is then too small. On a part of
    the grid (`counted`) a shifted map loses what leaves that part and brings in what enters it, 0 where there are no
    data, so that its area inside varies; where the map has no data outside that part, most shifts lose heat, and p is
    too small again. A shift at which a score is undefined (an empty or full foreground has none) does not count.

    Raises UsageError where a score of the unmoved map is not the one observed, or the map has gaps in `counted`.
    """
    shifted = _Map(scored)
    found = {name: np.full((3, len(scored.masks)), np.nan) for name in scored.scores}
    reason = {name: why for name, score in scored.scores.items() if (why := shifted.refuses(score))}
    for k, mask in enumerate(scored.masks):
        over = _Over(shifted, mask)
        for name, score in scored.scores.items():
            if name not in reason and np.isfinite(scored.observed[name][k]):
                drawn = over.scores(score).ravel()
                _check(name, k, float(scored.observed[name][k]), float(drawn[0]))
                share = p_value(drawn[0], drawn, enumerated=True, sign=score.sign)
                found[name][:, k] = float(share), np.nanmean(drawn), float(upper(drawn, sign=score.sign))
    p, mean, high = ({name: rows[i] for name, rows in found.items()} for i in range(3))
    return NullResult(p, mean, high, draws=scored.counted.size, enumerated=True, reason=reason)


def _check(name: str, k: int, observed: float, unmoved: float) -> None:
    if not abs(unmoved - observed) <= TIE * max(1.0, abs(observed)):
        raise UsageError(
            f"the unmoved map has {name} {unmoved:.6g} with mask {k}, and {observed:.6g} was observed; give the "
            f"values, the foreground and the pixels that it was observed with"
        )


class _Map:
    """One map, each of its pictures transformed once for all masks."""

    def __init__(self, scored: Scored) -> None:
        self.counted, self.whole = scored.counted, bool(scored.counted.all())
        self._foreground = scored.foreground
        if not np.isfinite(scored.values[scored.counted]).all():
            raise UsageError("the map has gaps among the pixels that scores are taken on; count pixels with data only")
        self._filled = np.where(np.isfinite(scored.values), scored.values, 0.0)

    def refuses(self, score: Score) -> str:
        """Why a score cannot be had at every shift, else ""."""
        if score.counts is None and score.sums is None and score.weights is None:
            return NO_SUM
        return PART if (score.ranks or score.weights is not None) and not self.whole else ""

    @cached_property
    def everything(self) -> int:
        return int(self.counted.sum())

    @cached_property
    def foreground(self) -> Spectrum:
        return Spectrum.of(self._foreground)

    @cached_property
    def values(self) -> Spectrum:
        return Spectrum.of(self._filled)

    @cached_property
    def _twice_ranks(self) -> Floats:
        return 2 * midranks(self._filled.reshape(1, -1)).reshape(self._filled.shape)

    @cached_property
    def twice_ranks(self) -> Spectrum:
        """Twice, as mean ranks of ties are halves and sums of whole numbers are exact."""
        return Spectrum.of(self._twice_ranks)

    def weighed(self, score: Score, area: int) -> Spectrum | None:
        """The map's weights for a mask of this area, which move with it on the whole grid; None where undefined."""
        assert score.weights is not None
        weights = score.weights(self._filled.reshape(1, -1), area).reshape(self._filled.shape)
        return Spectrum.of(weights) if np.isfinite(weights).all() else None

    @cached_property
    def area(self) -> Floats:
        """Of the foreground among the pixels counted, at every shift; NaN where nothing or everything is foreground."""
        area = self._total(self._foreground)
        return np.where((area > 0) & (area < self.everything), area, np.nan)

    @cached_property
    def sums(self) -> tuple[Floats, Floats]:
        """Of the values and of their squares, over the pixels counted, at every shift."""
        return self._total(self._filled), self._total(self._filled**2)

    @cached_property
    def rank_sums(self) -> tuple[float, float]:
        return float(self._twice_ranks.sum() / 2), float((self._twice_ranks**2).sum() / 4)

    @cached_property
    def _domain(self) -> Spectrum:
        return Spectrum.of(self.counted)

    def _total(self, picture: Any) -> Floats:
        return np.asarray(picture.sum(dtype=np.float64)) if self.whole else shifted_sums(picture, self._domain)


class _Over:
    """A map over one mask, at every shift."""

    def __init__(self, shifted: _Map, mask: Pixels) -> None:
        self.map, inside = shifted, mask & shifted.counted
        self.mask, self.area = Spectrum.of(inside), int(inside.sum())

    def scores(self, score: Score) -> Floats:
        """(y, x), at each shift."""
        if score.counts is not None:
            return finite(score.counts, self._both, self.map.area, self.area, self.map.everything)
        if score.weights is not None:
            weights = self.map.weighed(score, self.area)
            grid = self.map.counted.shape
            return np.full(grid, np.nan) if weights is None else np.minimum(shifted_sums(weights, self.mask), 1)
        assert score.sums is not None
        inside, sums = (self._ranks, self.map.rank_sums) if score.ranks else (self._values, self.map.sums)
        return finite(score.sums, inside, *sums, self.area, self.map.everything)

    @cached_property
    def _both(self) -> Floats:
        return shifted_sums(self.map.foreground, self.mask)

    @cached_property
    def _values(self) -> Floats:
        return shifted_sums(self.map.values, self.mask)

    @cached_property
    def _ranks(self) -> Floats:
        return shifted_sums(self.map.twice_ranks, self.mask) / 2

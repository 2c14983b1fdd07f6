"""Bootstrap intervals of scores of global heatmaps, over subjects where they are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import stats

from workbench.heatmaps.resampling import replicates
from workbench.scores.block import Block
from workbench.scores.cell import Ground, split
from workbench.scores.registry import Score

DRAWS: Final = 400
LEVEL: Final = 0.95
QUANTILES: Final = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)

Row = npt.NDArray[np.float64]
Interval = dict[str, tuple[Row, Row]]


def intervals_of(
    ground: Ground,
    maps: xr.DataArray,
    model: int,
    explainer: int,
    images: npt.NDArray[np.intp],
    normalise: str,
    weights: npt.NDArray[np.float32],
    columns: list[int],
    estimate: Mapping[str, Row],
    units: int,
) -> Interval:
    """Lower and upper end of the 95 % interval of each score against the masks in `columns`: name → (low, high) rows.

    Per draw: mean of the drawn maps, grey, threshold, score; then `ends` over the draws that give a value, NaN where
    fewer than half do. Draws are the rows of `weights`, the same for all networks and explainers. `estimate`: the
    scores of the undrawn mean, name → row over `columns`; `units`: how many subjects (or images) `images` come from.
    """
    means = replicates(maps, model, explainer, images, normalise, ground.cut, weights)
    masks, domain = ground.masks[columns][:, ground.cut], ground.domain[ground.cut]
    places = np.argwhere(ground.cut) / ground.cut.shape[0]
    drawn = {name: np.full((len(means), len(columns)), np.nan) for name in ground.scores}
    for r, mean in enumerate(means):
        data = ~np.isnan(mean)
        if not data.any() or not np.ptp(mean[data]) > 0:
            continue
        pixels, foreground = split(ground, mean[data])
        inside, here = domain[data], masks[:, domain & data]
        values, foreground = pixels[inside].astype(np.float64), foreground[inside]
        block = Block(values[None], foreground[None], here, places[domain & data])
        for name, score in ground.scores.items():
            drawn[name][r] = block.of(score)[0]
    return {name: ends(rows, estimate[name], units, ground.scores[name]) for name, rows in drawn.items()}


def ends(drawn: npt.NDArray[np.float64], estimate: Row, units: int, score: Score) -> tuple[Row, Row]:
    """Ends of the reversed bootstrap interval: drawn scores (draws, K) and the score itself (K,) → two rows (K,).

    A mean over fewer faces is noisier, and noise pulls a score towards chance: drawn scores lie as far on that side of
    the estimate as the estimate lies of the truth. So their quantiles are mirrored at the estimate (percentiles
    would add the bias once more: simulated means of 8 to 30 faces had the truth in 10 to 60 of 100 intervals, mirrored
    in 80 to 96), on the arcsine scale, so that no end leaves the score's range. They are stretched by
    √(k/(k−1)) · t/z for k units, as few units vary less than what they were drawn from.

    Sources: Davison & Hinkley 1997, section 5.2 (basic interval, on a transformed scale); Hesterberg 2015, The American
    Statistician 69(4), section 4 (stretching).
    """
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    enough = (np.isfinite(drawn).sum(axis=0) >= len(drawn) / 2) & np.isfinite(estimate)
    if not enough.any() or units < 2:
        return low, high
    quantiles = np.nanquantile(drawn[:, enough], QUANTILES, axis=0)
    factor = np.sqrt(units / (units - 1)) * stats.t.ppf(QUANTILES[1], units - 1) / stats.norm.ppf(QUANTILES[1])
    middle = _angle(estimate[enough], score)
    mirrored = [middle - factor * (_angle(q, score) - middle) for q in quantiles]
    low[enough], high[enough] = _back(mirrored[1], score), _back(mirrored[0], score)
    return low, high


def _angle(values: Row, score: Score) -> Row:
    """The arcsine scale of a bounded score; the score itself where its range is not bounded."""
    width = score.high - score.low
    if not np.isfinite(width):
        return values
    return np.asarray(np.arcsin(np.sqrt(np.clip((values - score.low) / width, 0, 1))))


def _back(angles: Row, score: Score) -> Row:
    width = score.high - score.low
    if not np.isfinite(width):
        return angles
    return np.asarray(score.low + width * np.sin(np.clip(angles, 0, np.pi / 2)) ** 2)

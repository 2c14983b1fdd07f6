"""Percentile bootstrap intervals of scores of global heatmaps, over subjects where they are known."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.heatmaps.resampling import replicates
from workbench.scores.cell import Ground, split

DRAWS: Final = 400
QUANTILES: Final = (0.025, 0.975)

Interval = dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]


def intervals_of(
    ground: Ground,
    maps: xr.DataArray,
    model: int,
    explainer: int,
    images: npt.NDArray[np.intp],
    normalise: str,
    weights: npt.NDArray[np.float32],
    columns: list[int],
) -> Interval:
    """Lower and upper end of the 95 % interval of each score against the masks in `columns`: name → (low, high) rows.

    Per draw: mean of the drawn maps, grey, threshold, score; then percentiles over the draws that give a value. Draws
    are the rows of `weights`, the same for all networks and explainers. Source: Efron & Tibshirani 1993, chapter 13.
    """
    means = replicates(maps, model, explainer, images, normalise, ground.cut, weights)
    masks, domain = ground.masks[columns][:, ground.cut], ground.domain[ground.cut]
    drawn = {name: np.full((len(means), len(columns)), np.nan) for name in ground.scores}
    for r, mean in enumerate(means):
        data = ~np.isnan(mean)
        if not data.any() or not np.ptp(mean[data]) > 0:
            continue
        pixels, foreground = split(ground, mean[data])
        inside, here = domain[data], masks[:, domain & data]
        values, foreground = pixels[inside].astype(np.float64), foreground[inside]
        for name, score in ground.scores.items():
            drawn[name][r] = [score.function(values, foreground, m) for m in here]
    out: Interval = {}
    for name, rows in drawn.items():
        enough = np.isfinite(rows).sum(axis=0) >= len(rows) / 2
        ends = np.full((2, len(columns)), np.nan)
        if enough.any():
            ends[:, enough] = np.nanquantile(rows[:, enough], QUANTILES, axis=0)
        out[name] = (ends[0], ends[1])
    return out

"""Percentile bootstrap intervals of scores of global heatmaps, over subjects where they are known."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.heatmaps import grey, otsu, threshold
from workbench.heatmaps.resampling import replicates
from workbench.scores.cell import Ground

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
    means = replicates(maps, model, explainer, images, normalise, ground.domain, weights)
    masks = ground.masks[columns][:, ground.domain]
    drawn = {name: np.full((len(means), len(columns)), np.nan) for name in ground.scores}
    for r, mean in enumerate(means):
        counted = ~np.isnan(mean)
        if not counted.any() or not np.ptp(mean[counted]) > 0:
            continue
        whole = bool(counted.all())
        row, here = (mean, masks) if whole else (mean[counted], masks[:, counted])
        pixels = grey(row)
        foreground = pixels > otsu(pixels) if ground.rule == "otsu" else threshold(row, ground.rule)
        values = pixels.astype(np.float64)
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

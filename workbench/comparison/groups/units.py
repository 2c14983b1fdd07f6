"""One map a unit and group: the maps of a subject are averaged before anything is compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.heatmaps.aggregate import blocks
from workbench.heatmaps.checks import OK
from workbench.heatmaps.resampling import Units
from workbench.vocabulary import X, Y

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """What is compared: boxes of `step` × `step` pixels of the maps, (rows, columns) of them, inside the domain."""

    step: int
    shape: tuple[int, int]
    domain: npt.NDArray[np.bool_]
    y: Floats
    x: Floats

    @property
    def inside(self) -> npt.NDArray[np.bool_]:
        """Boxes (rows, columns) of which at least half lies in the domain."""
        return _boxes(self.domain[None].astype(np.float32), self.step)[0] >= 0.5


def grid_of(maps: xr.DataArray, domain: npt.NDArray[np.bool_] | None, rows: int | None) -> Grid:
    """The finest grid of whole-pixel boxes with at most `rows` rows (None: the maps' own)."""
    height, width = maps.sizes[Y], maps.sizes[X]
    step = 1 if rows is None else max(1, -(-height // rows))
    shape = (-(-height // step), -(-width // step))
    inside = np.ones((height, width), bool) if domain is None else domain
    rows_at, columns_at = (np.asarray(np.arange(n) * step + (step - 1) / 2, dtype=np.float64) for n in shape)
    return Grid(step, shape, inside, rows_at, columns_at)


@dataclass(frozen=True)
class Means:
    """Mean maps of one group's units: `unit` (U,) numbers, `maps` (U, P) on the grid's inside, `regions` (U, K)."""

    unit: npt.NDArray[np.intp]
    maps: npt.NDArray[np.float32]
    regions: Floats
    images: int

    def take(self, units: npt.NDArray[np.intp]) -> Means:
        """These units only, in this order."""
        at = np.searchsorted(self.unit, units)
        return Means(units, self.maps[at], self.regions[at], self.images)


def unit_means(
    maps: xr.DataArray,
    cell: tuple[int, int],
    images: npt.NDArray[np.intp],
    normalise: str,
    units: Units,
    grid: Grid,
    masks: npt.NDArray[np.float32],
) -> Means:
    """Means over each unit's usable images of the normalised maps, in blocks of images; NaN where no image has data.

    cell: network and explainer. masks: (K, y, x), weights of each region's mean.
    """
    inside = grid.inside
    names = np.unique(units.of[images])
    total, seen = np.zeros((len(names), int(inside.sum())), np.float32), np.zeros((len(names), 1), np.float32)
    gaps: npt.NDArray[np.float32] | None = None
    inner, weights = np.zeros((len(names), len(masks))), np.zeros((len(names), len(masks)))
    flat = (masks * grid.domain).reshape(len(masks), grid.domain.size)
    count = 0
    for chosen, values, status in blocks(maps, *cell, images, normalise):
        good = np.array([said == OK for said in status])
        if not good.any():
            continue
        count += int(good.sum())
        at = np.searchsorted(names, units.of[chosen[good]])
        kept = np.where(grid.domain, values[good], np.nan)
        boxes = _boxes(kept, grid.step)[:, inside]
        missing = np.isnan(boxes)
        np.add.at(total, at, np.where(missing, np.float32(0), boxes))
        np.add.at(seen, at, np.float32(1))
        if missing.any():
            gaps = np.zeros_like(total) if gaps is None else gaps
            np.add.at(gaps, at, missing.astype(np.float32))
        if len(masks):
            lines = kept.reshape(len(kept), -1)
            known = np.isfinite(lines)
            np.add.at(inner, at, np.where(known, lines, 0).astype(np.float64) @ flat.T)
            np.add.at(weights, at, known.astype(np.float64) @ flat.T)
    there = np.flatnonzero(seen[:, 0] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total[there] / (seen[there] if gaps is None else seen[there] - gaps[there])
        regions = inner[there] / weights[there]
    return Means(names[there], mean.astype(np.float32), regions, count)


def _boxes(values: npt.NDArray[np.float32], step: int) -> npt.NDArray[np.float32]:
    """Means over boxes of `step` × `step` pixels, of those with data: (n, y, x) → (n, rows, columns)."""
    if step == 1:
        return values
    height, width = values.shape[1:]
    down, across = -height % step, -width % step
    padded = np.pad(values, ((0, 0), (0, down), (0, across)), constant_values=np.nan)
    known = np.isfinite(padded)
    starts = np.arange(0, height + down, step), np.arange(0, width + across, step)

    def summed(part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(np.add.reduceat(np.add.reduceat(part, starts[0], axis=1), starts[1], axis=2))

    with np.errstate(invalid="ignore", divide="ignore"):
        means = summed(np.where(known, padded, np.float32(0))) / summed(known.astype(np.float32))
    return np.asarray(means, dtype=np.float32)

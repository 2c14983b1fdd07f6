"""Scores of redrawn global heatmaps: whole subjects where they are known, all masks, the centre blob beside each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.heatmaps.resampling import Units, leave_out_weights, replicates_of
from workbench.scores.block import Block
from workbench.scores.cell import LEAST_COVERAGE, Ground
from workbench.scores.centre import centre_blob
from workbench.scores.grey_rows import foregrounds, grey_rows
from workbench.statistics.bootstrap import GROUPS

DRAWS: Final = 400
_BLOCK_BYTES: Final = 32 * 2**20  # of float64 values that are scored at a time
_MEANS_BYTES: Final = 256 * 2**20  # of mean maps that are held at a time, unless those of one cell are more

Row = npt.NDArray[np.float64]
Scores = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Resampled:
    """Scores with every mask, name → (B, K), of B draws of whole units; (G, K) of G means that leave units out.

    `blob`, `left_out_blob`: of the centred Gaussian cut at the area of that very draw's foreground. NaN where a draw
    has no score, and throughout for scores that are too costly to be drawn. `units`: how many the images come from.
    """

    drawn: Scores
    blob: Scores
    left_out: Scores
    left_out_blob: Scores
    units: int


def resampled(
    ground: Ground,
    maps: xr.DataArray,
    model: int,
    explainer: int,
    images: npt.NDArray[np.intp],
    normalise: str,
    weights: npt.NDArray[np.float32],
    units: Units,
) -> Resampled:
    """Scores of the means of one cell's maps under each draw, a row of `weights` (B, N), and with units left out.

    The draws are the same for all networks and explainers, so that differences between cells can be drawn too. Units
    are left out one by one, or in at most 50 groups. Differences (own mask less the others, own less blob) are formed
    draw by draw, on `left_out` too, and given to `statistics.bootstrap.ends` and `p_above`. Images are read once, some
    at a time; memory is that of B + G mean maps in single precision.
    """
    return next(resampled_cells(ground, maps, model, explainer, [images], normalise, weights, units))


def resampled_cells(
    ground: Ground,
    maps: xr.DataArray,
    model: int,
    explainer: int,
    cells: Sequence[npt.NDArray[np.intp]],
    normalise: str,
    weights: npt.NDArray[np.float32],
    units: Units,
) -> Iterator[Resampled]:
    """The same of several cells of one network and explainer that share no image, read together while memory allows."""
    together = max(1, _MEANS_BYTES // (4 * (len(weights) + GROUPS) * max(1, int(ground.cut.sum()))))
    for start in range(0, len(cells), together):
        part = cells[start : start + together]
        rows = [np.concatenate([weights, leave_out_weights(units, images, GROUPS)])[:, images] for images in part]
        made = replicates_of(maps, model, explainer, part, normalise, ground.cut, rows)
        for images, means in zip(part, made, strict=True):
            yield _scored(ground, means, len(weights), len(set(units.of[images].tolist())))


def _scored(ground: Ground, means: npt.NDArray[np.floating[Any]], first: int, units: int) -> Resampled:
    own, blob = score_rows(ground, means)
    return Resampled(
        {name: rows[:first] for name, rows in own.items()},
        {name: rows[:first] for name, rows in blob.items()},
        {name: rows[first:] for name, rows in own.items()},
        {name: rows[first:] for name, rows in blob.items()},
        units,
    )


def score_rows(ground: Ground, rows: npt.NDArray[np.floating[Any]]) -> tuple[Scores, Scores]:
    """Scores of maps in rows (R, P) over the pixels of `ground.cut`, NaN without data, and of the blob at their areas.

    Name → (R, K) each, as `cell.measure` gives them map by map; NaN where it refuses a map.
    """
    own = {name: np.full((len(rows), len(ground.masks)), np.nan) for name in ground.scores}
    blob = {name: np.full((len(rows), len(ground.masks)), np.nan) for name in ground.scores}
    for chosen, data in _alike(rows):
        cut = np.zeros_like(ground.cut)
        cut[ground.cut] = data
        counted = ground.domain & cut
        if counted.sum() < LEAST_COVERAGE * ground.domain.sum():
            continue
        masks, places = ground.at(counted)
        inside = counted[cut]
        values = rows[chosen] if data.all() else rows[np.ix_(chosen, np.flatnonzero(data))]
        varied = values.max(axis=1) > values.min(axis=1)
        chosen, values = chosen[varied], values[varied]
        if not len(chosen):
            continue
        grey = grey_rows(values)
        foreground = foregrounds(values, grey, ground.rule)
        within = foreground if inside.all() else foreground[:, inside]
        some = within.any(axis=1) & ~within.all(axis=1)
        if not some.any():
            continue
        chosen, foreground, within = chosen[some], foreground[some], within[some]
        block = Block(grey[some][:, inside].astype(np.float64), within, masks, places)
        blobs = _BlobAtArea(ground, cut, counted)
        equal = [blobs.of(int(n)) for n in foreground.sum(axis=1)]
        for name, score in ground.scores.items():
            if not score.costly:
                own[name][chosen] = block.of(score)
                blob[name][chosen] = [scores[name] for scores in equal]
    return own, blob


class _BlobAtArea:
    """The centred Gaussian with as many bright pixels as a map; it has few grey levels, so few of its cuts differ."""

    def __init__(self, ground: Ground, cut: npt.NDArray[np.bool_], counted: npt.NDArray[np.bool_]) -> None:
        self.ground, self.counted = ground, counted
        self.grey = centre_blob((cut.shape[0], cut.shape[1]))[cut]
        self.inside = counted[cut]
        self.ordered = np.sort(self.grey)
        self.key = np.packbits(cut).tobytes()

    def of(self, bright: int) -> Mapping[str, Row]:
        """Scores with every mask where `bright` of the pixels of the cut are foreground; ties stay together."""
        below = self.ordered[len(self.ordered) - bright - 1]
        least = int(below) + 1 if below < self.ordered[-1] else int(below)
        key = self.key + b"above" + bytes([least])
        if key not in self.ground.centre:
            masks, places = self.ground.at(self.counted)
            values = self.grey[self.inside]
            block = Block(values[None].astype(np.float64), (values >= least)[None], masks, places)
            self.ground.centre[key] = {
                name: block.of(score)[0] for name, score in self.ground.scores.items() if not score.costly
            }
        return self.ground.centre[key]


def _alike(rows: npt.NDArray[np.floating[Any]]) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]]:
    """Some rows at a time that have data on the same pixels: (their numbers, those pixels)."""
    step = max(1, _BLOCK_BYTES // (8 * max(1, rows.shape[1])))
    for start in range(0, len(rows), step):
        data = ~np.isnan(rows[start : start + step])
        numbers = np.arange(start, start + len(data))
        if data.all():
            yield numbers, data[0]
            continue
        keys = [row.tobytes() for row in np.packbits(data, axis=1)]
        for key in dict.fromkeys(keys):
            same = np.array([k == key for k in keys])
            yield numbers[same], data[np.argmax(same)]

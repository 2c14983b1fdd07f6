"""Scores of the map turned and mirrored: how much of a score the map's outline alone would bring. No test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from workbench.errors import UsageError
from workbench.scores.block import Block
from workbench.scores.nulls.registry import Scored
from workbench.scores.registry import Floats

Motion = tuple[tuple[int, int], tuple[int, int]]  # from a place's offset (down, right) to that of where it came from

MOTIONS: Final[Mapping[str, Motion]] = {
    "turned 90° left": ((0, 1), (-1, 0)),
    "turned 180°": ((-1, 0), (0, -1)),
    "turned 90° right": ((0, -1), (1, 0)),
    "mirrored left to right": ((1, 0), (0, -1)),
    "mirrored upside down": ((-1, 0), (0, 1)),
}


def rotated(scored: Scored) -> dict[str, dict[str, Floats]]:
    """Scores (K,) by name of the map in each of five other positions: motion → score → row.

    The map is turned (left: against the clock) and mirrored about the middle of `counted`, to the nearest pixel; what
    leaves the grid or `counted` is lost, and where it has no data it is 0. There is no p-value: five positions and the
    map's own could not give one below 1/6, and they are not exchangeable, as a map of a face knows up from down, and
    left from right hardly, whether or not it knows the expression. NaN for a score of a foreground that is lost or
    fills `counted`. UsageError where nothing is counted.
    """
    if not scored.counted.any():
        raise UsageError("no pixel is counted, so that the map has no middle to be turned about; give a domain")
    rows, columns = np.nonzero(scored.counted)
    middle = np.array([[rows.min() + rows.max()], [columns.min() + columns.max()]]) / 2
    offsets = np.stack([rows, columns]) - middle
    values = np.where(np.isfinite(scored.values), scored.values, 0.0)
    grid = np.array(values.shape)[:, None]
    grey, above = [], []
    for motion in MOTIONS.values():
        source = np.floor(np.array(motion) @ offsets + middle + 0.5).astype(int)
        on_grid = ((source >= 0) & (source < grid)).all(axis=0)
        y, x = np.where(on_grid, source, 0)
        grey.append(np.where(on_grid, values[y, x], 0.0))
        above.append(on_grid & scored.foreground[y, x])
    places = np.argwhere(scored.counted) / scored.counted.shape[0]
    block = Block(np.array(grey), np.array(above), scored.masks[:, scored.counted], places)
    divided = np.any(above, axis=1) & ~np.all(above, axis=1)
    found = {
        name: np.where((divided | (score.takes != "foreground"))[:, None], block.of(score), np.nan)
        for name, score in scored.scores.items()
    }
    return {motion: {name: found[name][i] for name in found} for i, motion in enumerate(MOTIONS)}

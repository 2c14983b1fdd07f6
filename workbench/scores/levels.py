"""Numbers of pixels above each of a map's values: what every threshold would give, at once."""

from __future__ import annotations

import numpy as np

from workbench.scores.registry import Floats, Pixels, Values


def down_the_levels(values: Values, masks: Pixels) -> tuple[Floats, Floats, Floats]:
    """From the brightest value down: the values that occur (L,), pixels at least as bright (L,), those in each mask.

    values (P,), finite; masks (K, P); the third is (K, L). Pixels of one value come together. Values that are whole
    numbers of 0 … 255 are counted in bins, any others sorted.
    """
    v = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        bins = v.astype(np.uint8)
    levels, place = (np.arange(256.0), bins) if (bins == v).all() else np.unique(v, return_inverse=True)
    size = len(levels)
    every = np.bincount(place, minlength=size)
    inside = [np.bincount(place[mask], minlength=size) for mask in masks]
    occurs = every > 0
    down = np.array([every, *inside], dtype=np.float64)[:, occurs][:, ::-1].cumsum(axis=1)
    return levels[occurs][::-1], down[0], down[1:]

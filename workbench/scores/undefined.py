"""Why a score has no value, in words."""

from __future__ import annotations

from typing import Final

import numpy as np

from workbench.scores.registry import FLAT, Pixels, Score, Values

NO_PIXEL: Final = "the domain holds no pixel with data"
MISSING: Final = "the map has no value at a pixel of the domain"
INFINITE: Final = "the map holds infinite values"
CONSTANT: Final = "the map is constant"
NO_MASK: Final = "the mask is empty in the domain"
NO_FOREGROUND: Final = "the foreground is empty"
WHOLE_MASK: Final = "the mask covers the whole domain"
NONE_OUTSIDE: Final = "the map has no heat outside the mask, and the score no upper bound"
OTHER: Final = "the score has no finite value for this map and mask"


def why_undefined(score: Score, values: Values, foreground: Pixels, mask: Pixels) -> str:
    """Why a score of one map (P,) and mask (P,) is NaN, in a sentence without capital or full stop.

    To be asked where it is: the first reason that applies is given, the map's before the mask's.
    """
    if not mask.size:
        return NO_PIXEL
    if np.isnan(values).any():
        return MISSING
    if not np.isfinite(values).all():
        return INFINITE
    if not np.max(values) > np.min(values):
        return CONSTANT
    if score.takes == "foreground" and not foreground.any():
        return NO_FOREGROUND
    if not mask.any():
        return NO_MASK
    if mask.all():
        return WHOLE_MASK
    if not np.isfinite(score.best) and not np.abs(values[~mask]).sum() > FLAT * np.abs(values).sum():
        return NONE_OUTSIDE
    return OTHER

"""What a score is worth by chance: a region of the same area that knows nothing of the mask.

With a foreground that covers a share a of the domain and a mask that covers b, both placed independently, the expected
overlap is ab. A score of numbers of pixels is taken at that overlap: for precision (ab/a) and recall (ab/b) that is
exactly their expectation, as it is for F1 (2ab/(a+b): the areas are fixed, so only the overlap varies); IoU is the
ratio of expectations ab/(a+b−ab). A score of sums of values is taken at the mask's share of the sum.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from workbench.scores.block import Block
from workbench.scores.registry import Floats, Pixels, Score, Values

SHUFFLES: Final = 24  # of the pixels, for a score without a closed form


def chance_levels(
    score: Score, values: Values, foreground: Pixels, masks: Pixels, places: Floats | None = None, seed: int = 0
) -> Floats:
    """The score's chance level for one map (P,) and each mask (K, P): (K,).

    Its closed form, else the mean over shuffles of the map's pixels. A shuffle keeps the values and the area and
    destroys the layout, so it is no test: maps are smooth, and the spread of smooth maps is wider than that of shuffled
    ones (`scores.nulls` holds the tests).
    """
    closed = Block(values[None], foreground[None], masks, places).chance(score)
    if closed is not None:
        return closed[0]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(values)) for _ in range(SHUFFLES)]
    drawn = [Block(values[None, o], foreground[None, o], masks, places).of(score)[0] for o in orders]
    return np.asarray(np.mean(drawn, axis=0), dtype=np.float64)

"""What a score is worth by chance: a region of the same area that knows nothing of the mask.

With a foreground that covers a share a of the domain and a mask that covers b, both placed independently, the expected
overlap is ab. Precision (ab/a) and recall (ab/b) have exactly that expectation, as has F1 (2ab/(a+b): the areas are
fixed, so only the overlap varies); IoU is given as the ratio of expectations ab/(a+b−ab).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from workbench.scores.registry import Pixels, Score, Values

SHUFFLES: Final = 24  # of the pixels, for a score without a closed form


def chance_iou(a: float, b: float) -> float:
    """ab / (a + b − ab)."""
    return a * b / (a + b - a * b) if a + b > 0 else float("nan")


def chance_precision(a: float, b: float) -> float:
    """The mask's share b."""
    return b if a > 0 else float("nan")


def chance_recall(a: float, b: float) -> float:
    """The foreground's share a."""
    return a if b > 0 else float("nan")


def chance_f1(a: float, b: float) -> float:
    """2ab / (a + b)."""
    return 2 * a * b / (a + b) if a + b > 0 else float("nan")


def chance_none(a: float, b: float) -> float:
    """0: an independent map is uncorrelated."""
    return 0.0 if 0 < b < 1 else float("nan")


def chance_level(score: Score, values: Values, foreground: Pixels, mask: Pixels, seed: int = 0) -> float:
    """The score's chance level for this map and mask: its closed form, else the mean over shuffles of the map's pixels.

    A shuffle keeps the values and the area and destroys the layout, so it is no test: maps are smooth, and the spread
    of smooth maps is wider than that of shuffled ones.
    """
    if score.chance is not None:
        return score.chance(np.count_nonzero(foreground) / mask.size, np.count_nonzero(mask) / mask.size)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(SHUFFLES):
        order = rng.permutation(mask.size)
        drawn.append(score.function(values[order], foreground[order], mask))
    return float(np.mean(drawn))

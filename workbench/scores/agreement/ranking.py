"""How far the map puts the mask's pixels before all others; only the order of its values counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.scores.levels import down_the_levels
from workbench.scores.registry import Floats, Pixels, Values, score, summed, weighed


@summed("auc", ranks=True, reference="Mann & Whitney 1947; Fawcett 2006, Pattern Recognition Letters 27(8), section 7")
def auc(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Probability that a pixel of the mask is brighter than one outside it (area under the ROC curve), ties one half.

    .5 by chance, 1 where every pixel of the mask is brighter than every other; undefined where the mask covers the
    whole domain.
    """
    return np.clip((inside - mask * (mask + 1) / 2) / (mask * (everything - mask)), 0, 1)


@score(
    "average_precision",
    takes="values",
    chance=lambda a, b: b,
    reference="Manning, Raghavan & Schütze 2008, section 8.4, as scikit-learn's average_precision_score",
)
def average_precision(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Mean of the precision over all thresholds, each weighted with the recall that it adds.

    By chance the mask's share b of the domain, which is the limit for many pixels (P of them without ties: higher by
    less than (1 − b)(1 + ln P)/P). Pixels of one value enter together, without interpolation.
    """
    v, masked = np.asarray(values, dtype=np.float64), int(np.count_nonzero(mask))
    if not masked or not np.isfinite(v).all() or not v.max() > v.min():
        return float("nan")
    _, count, (inside,) = down_the_levels(v, mask[None])
    return float((np.diff(inside, prepend=0) * (inside / count)).sum() / masked)


@weighed("pointing_game", reference="Zhang et al. 2018, International Journal of Computer Vision 126")
def pointing_game(values: Floats, area: int) -> Floats:
    """Whether the brightest pixel lies in the mask; of several that are equally bright, the share that does.

    1 or 0 for one map without ties, so that it is read as a rate over many. The paper counts a hit within 15 pixels
    of the object too; here the mask is taken as it is.
    """
    brightest = values == values.max(axis=1, keepdims=True)
    return brightest / brightest.sum(axis=1, keepdims=True)


@weighed("relevance_rank", reference="Arras, Osman & Samek 2022, Information Fusion 81, arXiv 2003.07258")
def relevance_rank(values: Floats, area: int) -> Floats:
    """Share of the brightest pixels, as many as the mask has, that lies in the mask (relevance rank accuracy).

    Pixels that tie at the last place share it: the mean over all orders of the tied ones.
    """
    last = values.shape[1] - area
    cut = np.partition(values, last, axis=1)[:, last, None]
    above, level = values > cut, values == cut
    left = area - above.sum(axis=1, keepdims=True)
    return (above + level * (left / level.sum(axis=1, keepdims=True))) / area

"""The scores of a map against a mask, each with its closed-form chance level at equal areas."""

from __future__ import annotations

import numpy as np
from numpy import count_nonzero as count

from workbench.scores.chance import chance_f1, chance_iou, chance_none, chance_precision, chance_recall
from workbench.scores.registry import Pixels, Values, score

_REFERENCE = "Gaya-Morey et al. 2024, arXiv 2401.11835"


@score("iou", chance=chance_iou, reference=_REFERENCE)
def iou(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Intersection over union of foreground and mask (Jaccard index)."""
    both = count(foreground & mask)
    either = count(foreground) + count(mask) - both
    return both / either if either else float("nan")


@score("precision", chance=chance_precision, reference=_REFERENCE)
def precision(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Share of the foreground that lies in the mask."""
    area = count(foreground)
    return count(foreground & mask) / area if area else float("nan")


@score("recall", chance=chance_recall, reference=_REFERENCE)
def recall(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Share of the mask that the foreground covers."""
    area = count(mask)
    return count(foreground & mask) / area if area else float("nan")


@score("f1", chance=chance_f1, reference=_REFERENCE)
def f1(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Harmonic mean of precision and recall (Dice coefficient)."""
    areas = count(foreground) + count(mask)
    return 2 * count(foreground & mask) / areas if areas else float("nan")


@score("correlation", takes="values", span=(-1.0, 1.0), chance=chance_none, reference=_REFERENCE)
def correlation(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Pearson's correlation of the grey map with the 0/1 mask."""
    n, inside = mask.size, count(mask)
    if not 0 < inside < n:
        return float("nan")
    centred = values - values.mean()
    spread = float(np.einsum("i,i", centred, centred))  # einsum: BLAS would start threads for one short row
    if not spread > 0:
        return float("nan")
    return float(np.clip(np.einsum("i,i", centred, mask) / np.sqrt(spread * inside * (1 - inside / n)), -1, 1))

"""The scores of a map against a mask, each with its closed-form chance level at equal areas."""

from __future__ import annotations

import numpy as np

from workbench.scores.chance import chance_f1, chance_iou, chance_none, chance_precision, chance_recall
from workbench.scores.registry import Pixels, Values, score

_REFERENCE = "Gaya-Morey et al. 2024, arXiv 2401.11835"


@score("iou", chance=chance_iou, reference=_REFERENCE)
def iou(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Intersection over union of foreground and mask (Jaccard index)."""
    both = int((foreground & mask).sum())
    either = int(foreground.sum()) + int(mask.sum()) - both
    return both / either if either else float("nan")


@score("precision", chance=chance_precision, reference=_REFERENCE)
def precision(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Share of the foreground that lies in the mask."""
    area = int(foreground.sum())
    return int((foreground & mask).sum()) / area if area else float("nan")


@score("recall", chance=chance_recall, reference=_REFERENCE)
def recall(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Share of the mask that the foreground covers."""
    area = int(mask.sum())
    return int((foreground & mask).sum()) / area if area else float("nan")


@score("f1", chance=chance_f1, reference=_REFERENCE)
def f1(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Harmonic mean of precision and recall (Dice coefficient)."""
    areas = int(foreground.sum()) + int(mask.sum())
    return 2 * int((foreground & mask).sum()) / areas if areas else float("nan")


@score("correlation", takes="values", span=(-1.0, 1.0), chance=chance_none, reference=_REFERENCE)
def correlation(values: Values, foreground: Pixels, mask: Pixels) -> float:
    """Pearson's correlation of the grey map with the 0/1 mask."""
    n, inside = mask.size, int(mask.sum())
    spread = float(values.std()) if n else 0.0
    if not (0 < inside < n and spread > 0):
        return float("nan")
    share = inside / n
    return float((values[mask].mean() - values.mean()) * share / (spread * np.sqrt(share * (1 - share))))

"""Overlap of the foreground with the mask, from numbers of pixels."""

from __future__ import annotations

from typing import Any

from workbench.scores.registry import counted

_REFERENCE = "Gaya-Morey et al. 2024, arXiv 2401.11835"


@counted("iou", reference=_REFERENCE)
def iou(both: Any, foreground: Any, mask: Any, everything: Any) -> Any:
    """Intersection over union of foreground and mask (Jaccard index)."""
    return both / (foreground + mask - both)


@counted("precision", reference=_REFERENCE)
def precision(both: Any, foreground: Any, mask: Any, everything: Any) -> Any:
    """Share of the foreground that lies in the mask."""
    return both / foreground


@counted("recall", reference=_REFERENCE)
def recall(both: Any, foreground: Any, mask: Any, everything: Any) -> Any:
    """Share of the mask that the foreground covers."""
    return both / mask


@counted("f1", reference=_REFERENCE)
def f1(both: Any, foreground: Any, mask: Any, everything: Any) -> Any:
    """Harmonic mean of precision and recall (Dice coefficient)."""
    return 2 * both / (foreground + mask)

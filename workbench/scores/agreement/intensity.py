"""How much of the map's intensity lies in the mask, from sums of values; no threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.scores.registry import FLAT, summed


@summed("correlation", span=(-1.0, 1.0), reference="Gaya-Morey et al. 2024, arXiv 2401.11835")
def correlation(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Pearson's correlation of the grey map with the 0/1 mask (normalised correlation).

    0 by chance, 1 for the mask itself, −1 for its negative; undefined where the mask covers the whole domain.
    """
    spread = squares - total**2 / everything
    masked = mask * (1 - mask / everything)
    return np.clip((inside - total * mask / everything) / np.sqrt(np.where(spread > 0, spread, np.nan) * masked), -1, 1)


@summed("cosine", reference="Belharbi et al. 2024, arXiv 2402.00281 (CAM-COS)")
def cosine(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Cosine of the angle between the grey map and the 0/1 mask, both taken as vectors of pixels.

    1 for the mask itself, 0 where they share nothing. Nothing is subtracted, so that heat which lies everywhere scores
    high: a nearly even map has the square root of the mask's share.
    """
    return np.clip(inside / np.sqrt(squares * mask), 0, 1)


@summed("relevance_mass", reference="Arras, Osman & Samek 2022, Information Fusion 81, arXiv 2003.07258")
def relevance_mass(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Share of the map's intensity that lies in the mask (relevance mass accuracy).

    The mask's share of the domain by chance. Of the grey map, whose darkest pixel is 0: the paper sums positive
    relevance before any scaling.
    """
    return np.clip(inside / total, 0, 1)


@summed("energy_ratio", best=np.inf, span=(0.0, np.inf), reference="after Kohlbrenner et al. 2020, arXiv 1910.09840")
def energy_ratio(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Mean intensity inside the mask over mean intensity outside it.

    1 by chance, 0 where nothing lies inside, without an upper bound: undefined where nothing lies outside (as for the
    mask itself) or where the mask covers the whole domain.
    """
    outside = total - inside
    return inside / mask * (everything - mask) / np.where(outside > FLAT * total, outside, np.nan)


@summed("soft_iou", reference="Ružička 1958; Deza & Deza 2009, Encyclopedia of Distances")
def soft_iou(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Sum of the pixelwise minima of grey map and mask over the sum of their maxima (Ruzicka's index).

    The map's 0 … 255 stand for 0 … 1. Against a 0/1 mask the minima are the map's values inside it and the maxima those
    outside plus the mask's area; for a 0/1 map it is the IoU.
    """
    return np.clip(inside / 255 / (mask + (total - inside) / 255), 0, 1)

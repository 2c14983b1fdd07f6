"""How much of the map's intensity lies in the mask, from sums of values; no threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.scores.registry import summed


@summed("correlation", span=(-1.0, 1.0), reference="Gaya-Morey et al. 2024, arXiv 2401.11835")
def correlation(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
    """Pearson's correlation of the grey map with the 0/1 mask (normalised correlation)."""
    spread = squares - total**2 / everything
    flat = spread <= 1e-12 * squares
    masked = mask * (1 - mask / everything)
    r = (inside - total * mask / everything) / np.sqrt(np.where(flat, np.nan, spread) * masked)
    return np.clip(r, -1, 1)

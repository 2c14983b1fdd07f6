"""Areas that a face's triangles give to canonical pixels: what keeps the mass of a map when it is warped.

A map can be read in two ways. As *values* (a temperature): a canonical pixel takes the value of the place it comes
from, and a cheek that is stretched keeps its value over more pixels. As a *density* (an amount per pixel: evidence,
attribution): the amount in a region must stay, so that values are multiplied by the Jacobian of the warp, the area of
the face that a canonical pixel stands for. Inside a triangle the warp is affine and its Jacobian is the ratio of the
triangle's areas on the face and on the canonical face (change of variables in an integral).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from scipy import sparse

from workbench.canonical.triangles import rasterise

_FINE: Final = 2_000_000  # sub-pixels, about: 4 × 4 a pixel on the full grids, 16 × 16 on the small ones


def coverage(points: np.ndarray, triangles: np.ndarray, domain: np.ndarray) -> Any:
    """Share of each canonical triangle that lies in each domain pixel: (domain pixels, T) sparse float64.

    Measured on sub-pixels. Each column adds up to 1 (0 for a triangle that is nowhere visible): what lies in pixels
    beyond the domain's rim is spread over the triangle's own pixels, so that no area is lost.
    """
    height, width = domain.shape
    n = int(np.clip(np.sqrt(_FINE / domain.size), 3, 16))
    fine = (points + 0.5) * n - 0.5
    inside, triangle_of, _ = rasterise(fine, triangles, (height * n, width * n))
    rows, columns = np.nonzero(inside)
    number = np.full(domain.size, -1)
    number[domain.ravel()] = np.arange(int(domain.sum()))
    pixel = number[rows // n * width + columns // n]
    kept = pixel >= 0
    shape = (int(domain.sum()), len(triangles))
    entries = (np.ones(int(kept.sum())), (pixel[kept], triangle_of[kept]))
    counted = sparse.csr_array(sparse.coo_array(entries, shape=shape))
    total = counted.sum(axis=0)
    return counted @ sparse.diags_array(1 / np.where(total > 0, total, 1))


def mass_factor(shares: Any, doubled: np.ndarray) -> np.ndarray:
    """Area of the face behind each canonical pixel, (F, n) float32, in the units of twice its triangles' areas (F, T).

    shares: as `coverage` gives them. A triangle that is folded over lies on top of others that carry the same mass
    already: it counts nothing.
    """
    facing = np.sign(doubled.sum(axis=-1, keepdims=True))
    own = np.maximum(doubled * facing, 0) / 2
    return np.asarray((shares @ own.T).T, dtype=np.float32)

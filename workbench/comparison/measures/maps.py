"""Distances that look at where the heat lies."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, uniform_filter

from workbench.comparison.distances import Domain, Matrix, Rows, distance
from workbench.comparison.measures.rows import stretched

WINDOW: Final = 7  # scikit-image's default
_K1, _K2 = 0.01, 0.03
COARSE: Final = (18, 14)  # cells down and across


@distance(
    "ssim",
    takes="maps",
    high=2.0,
    words="1 − SSIM",
    reference="Wang et al. 2004, IEEE Transactions on Image Processing 13(4), eq. 13",
)
def ssim(maps: Rows, domain: Domain) -> Matrix:
    """1 − the mean structural similarity over windows of 7 × 7 pixels that lie wholly inside the domain.

    Maps are stretched to [0, 1] on the domain, so the range of data is 1; sample covariance and a uniform window, as
    `skimage.metrics.structural_similarity` has them. NaN where no window fits.
    """
    whole = binary_erosion(domain, np.ones((WINDOW, WINDOW)))
    if not whole.any():
        return np.full((len(maps), len(maps)), np.nan)
    unit = np.zeros(maps.shape)
    unit[:, domain] = stretched(maps[:, domain])
    unit[~np.isfinite(unit).all(axis=(1, 2))] = 0.0
    sample = WINDOW**2 / (WINDOW**2 - 1)
    mean = np.stack([_windowed(u) for u in unit])
    mean_all, unit_all = mean[:, whole], unit
    variance = np.stack([sample * (_windowed(u * u) - m * m)[whole] for u, m in zip(unit, mean, strict=True)])
    found = np.zeros((len(maps), len(maps)))
    for a, b in combinations(range(len(maps)), 2):
        product = mean_all[a] * mean_all[b]
        covariance = sample * (_windowed(unit_all[a] * unit_all[b])[whole] - product)
        top = (2 * product + _K1**2) * (2 * covariance + _K2**2)
        low = (mean_all[a] ** 2 + mean_all[b] ** 2 + _K1**2) * (variance[a] + variance[b] + _K2**2)
        found[a, b] = found[b, a] = 1 - float((top / low).mean())
    return found


def _windowed(values: Rows) -> npt.NDArray[np.float64]:
    return np.asarray(uniform_filter(values, WINDOW), dtype=np.float64)


@distance(
    "wasserstein",
    takes="maps",
    words="Wasserstein distance",
    reference="Rubner, Tomasi & Guibas 2000, International Journal of Computer Vision 40(2); Flamary et al. 2021 (POT)",
)
def wasserstein(maps: Rows, domain: Domain) -> Matrix:
    """Least mean way that heat must move to turn one map into the other, in heights of the grid (exact).

    A map's mass is what it has above its lowest value on the domain, made 1 in all and added up over at most 18 × 14
    cells. On the anger maps of arXiv 2401.11835 (66 pairs, up to .27 apart) 35 × 28 cells change it by at most .0004.
    """
    import ot  # type: ignore[import-untyped]  # it imports torch: not before it is needed

    mass = np.zeros(maps.shape)
    mass[:, domain] = maps[:, domain] - maps[:, domain].min(axis=1, keepdims=True)
    cells, places = coarse(mass, domain)
    total = cells.sum(axis=1, keepdims=True)
    apart = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=-1))
    found = np.full((len(maps), len(maps)), np.nan)
    heated = np.flatnonzero(total[:, 0] > 0)
    share = cells[heated] / total[heated]
    for a, b in combinations(range(len(heated)), 2):
        way = float(ot.emd2(share[a], share[b], apart, numItermax=1_000_000))
        found[heated[a], heated[b]] = found[heated[b], heated[a]] = max(way, 0.0)
    return found


def coarse(mass: Rows, domain: Domain) -> tuple[Matrix, Matrix]:
    """Sums over cells that hold a pixel of the domain, (M, C), and the cells' centres (C, 2) in heights of the grid."""
    height, width = domain.shape
    rows, columns = (np.arange(min(n, k)) * n // min(n, k) for n, k in zip(domain.shape, COARSE, strict=True))
    sums = np.add.reduceat(np.add.reduceat(mass, rows, axis=1), columns, axis=2)
    held = np.add.reduceat(np.add.reduceat(domain.astype(int), rows, axis=0), columns, axis=1) > 0
    down = (rows + np.append(rows[1:], height) - 1) / 2
    across = (columns + np.append(columns[1:], width) - 1) / 2
    places = np.stack(np.meshgrid(down, across, indexing="ij"), axis=-1) / height
    return np.asarray(sums[:, held], dtype=np.float64), np.asarray(places[held], dtype=np.float64)

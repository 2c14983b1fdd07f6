"""Made-up maps and masks whose relation is known: stationary, drawn to the middle, or overlapping by so much."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import fft, stats

from workbench.heatmaps import otsu
from workbench.heatmaps.arithmetic import eight_bit

GRID = (34, 28)
EVERYWHERE = np.ones(GRID, bool)
RELEASED = {"map": 0.500, "mask": 0.424}  # centre bias of the 72 released foregrounds and the 6 masks (means)
SMOOTH = (6.1, 7.7, 1.5)  # released maps' correlation on this grid (medians): 1/e down, across, power

Rng = np.random.Generator
Curve = Callable[[np.ndarray, np.ndarray], np.ndarray]


def powered(down: float, across: float, power: float) -> Curve:
    """Correlation exp(−d^power) at lags in pixels."""
    return lambda r, c: np.exp(-(np.hypot(r / down, c / across) ** power))


def matern(length: float) -> Curve:
    """Matérn's correlation of smoothness 3/2."""
    return lambda r, c: (1 + np.hypot(r, c) / length) * np.exp(-np.hypot(r, c) / length)


def two_scales(short: float, long: float) -> Curve:
    """Half of the variance at each of two lengths, which no powered exponential is."""
    return lambda r, c: (powered(short, short, 2)(r, c) + powered(long, long, 2)(r, c)) / 2


RELEASED_CURVE = powered(*SMOOTH)
FAMILIES: dict[str, tuple[Curve, float]] = {  # name → correlation, skewness of the marginal (values are exp(skew · z))
    "white noise": (powered(0.01, 0.01, 1), 0),
    "Gaussian, 2 px": (powered(2, 2, 2), 0),
    "Gaussian, 6 px": (powered(6, 6, 2), 0),
    "Gaussian, 10 px": (powered(10, 10, 2), 0),
    "Gaussian, 10 px down, 4 across": (powered(10, 4, 2), 0),
    "exponential, 8 px": (powered(8, 8, 1), 0),
    "Matérn 3/2, 3 px": (matern(3), 0),
    "two scales, 2 and 10 px": (two_scales(2, 10), 0),
    "as released, skewed values": (RELEASED_CURVE, 1),
}


def lags(grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Distances in pixels from the first one on a torus, (y, 1) rows and (1, x) columns."""
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)).astype(float) for n in grid)
    return rows[:, None], columns[None]


@cache
def _root(curve: Curve, grid: tuple[int, int]) -> np.ndarray:
    return np.sqrt(np.clip(fft.fft2(curve(*lags(grid))).real, 0, None))


def stationary(rng: Rng, curve: Curve, *, torus: bool = False, skew: float = 0) -> np.ndarray:
    """A stationary random map; on a torus: its opposite edges meet, else it is cut out of a much larger one."""
    grid = GRID if torus else (3 * GRID[0], 3 * GRID[1])
    z = fft.ifft2(_root(curve, grid) * rng.standard_normal((*grid, 2)).view(complex)[..., 0]).real
    z = np.sqrt(z.size) * z[: GRID[0], : GRID[1]]
    return np.exp(skew * z) if skew else z


def oval() -> np.ndarray:
    """The domain of the stationary maps: the ellipse that fills the grid."""
    v, u = half_axes()
    return u**2 + v**2 <= 1


def half_axes() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns from the centre, in half axes of the grid."""
    y, x = np.indices(GRID, dtype=float)
    return (y - (GRID[0] - 1) / 2) / (GRID[0] / 2), (x - (GRID[1] - 1) / 2) / (GRID[1] / 2)


def blob(down: float, across: float, radius: float) -> np.ndarray:
    """A fixed mask: an ellipse, its centre and radius in half axes of the grid."""
    v, u = half_axes()
    return (v - down) ** 2 + (u - across) ** 2 <= radius**2


def centre_bias(weight: np.ndarray) -> float:
    """1 − mean squared distance of the heat from the centre over that of heat spread evenly, in half axes of the grid:
    0 for an even spread, 1 for all heat in the centre."""
    v, u = half_axes()
    distance = u**2 + v**2
    return float(1 - (weight * distance).sum() / weight.sum() / distance.mean())


def centred(rng: Rng, strength: float) -> np.ndarray:
    """A smooth random map, values 0 … 1, times a Gaussian round the centre; strength: its inverse variance in squared
    half axes, 0 for none."""
    v, u = half_axes()
    return stats.norm.cdf(stationary(rng, RELEASED_CURVE)) * np.exp(-strength * (u**2 + v**2) / 2)


def region(values: np.ndarray, share: float = 0.25) -> np.ndarray:
    """The brightest pixels, a quarter as in the released masks (.21 to .31)."""
    return values >= np.quantile(values, 1 - share)


def planted(rng: Rng, mask: np.ndarray, overlap: float) -> np.ndarray:
    """A smooth random map with so much of the mask's own shape added that its foreground has this IoU with the mask,
    or a little more."""
    noise = stationary(rng, RELEASED_CURVE)
    shape = fft.ifft2(fft.fft2(mask.astype(float)) * _root(powered(2, 2, 2), GRID) ** 2).real
    shape /= shape.max()
    low, high = 0.0, 40.0
    for _ in range(12):
        middle = (low + high) / 2
        _, foreground = split(noise + middle * shape, np.ones(GRID, bool))
        reached = (foreground & mask).sum() / (foreground | mask).sum() >= overlap
        low, high = (low, middle) if reached else (middle, high)
    return noise + high * shape


def split(values: np.ndarray, domain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """8-bit grey (NaN outside the domain) and Otsu's foreground, as `evaluate` makes them."""
    row = eight_bit(values[domain])
    grey, foreground = np.full(GRID, np.nan), np.zeros(GRID, bool)
    grey[domain], foreground[domain] = row, row > otsu(row)
    return grey, foreground

"""Gaussian random fields with the smoothness of a map and exactly its values.

How smooth a map is, is read from its variogram, half the mean squared difference of pixels at a distance: unlike the
autocovariance of one smooth map it needs no mean, whose estimate makes distant pixels look less alike than they are. A
three-parameter curve is fitted to it; the raw curve of one map is too noisy for its fields to give a calibrated test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UsageError
from workbench.statistics.multiplicity import Floats

Pixels = npt.NDArray[np.bool_]
Orders = npt.NDArray[np.intp]

LEAST_PIXELS: Final = 64
LEAST_PAIRS: Final = 0.25  # of the domain's pixels: lags with fewer pairs are left out of the fit
LEAST_LAGS: Final = 8
SHORTEST: Final = 0.05  # pixels: neighbours of a field this rough are independent
POWERS: Final = (0.2, 2.0)
PAIRS_AT_ONCE: Final = 16  # of fields; each transform gives two


@dataclass(frozen=True)
class Correlation:
    """Correlation exp(−d^power) of two pixels at d = √((rows/down)² + (columns/across)²).

    down, across: the distances in pixels at which it is 1/e; power 0 … 2, 2 for the smoothest fields. Source of the
    family: Diggle & Ribeiro 2007, Model-based Geostatistics, section 3.4.1 (powered exponential).
    """

    down: float
    across: float
    power: float

    def at(self, rows: npt.ArrayLike, columns: npt.ArrayLike) -> Floats:
        """The correlation at lags in pixels, broadcast against each other."""
        squared = (np.asarray(rows) / self.down) ** 2 + (np.asarray(columns) / self.across) ** 2
        return np.asarray(np.exp(-(squared ** (self.power / 2))), dtype=np.float64)


@dataclass(frozen=True)
class Variogram:
    """Half the mean squared difference of pixels at each lag, NaN where no pair has that lag, and the share of pairs.

    Both (2y, 2x) or a little more, as transforms order lags: [r, c] is r rows down and c columns right, counted from
    the end where negative. share: pairs at this lag over the number of pixels.
    """

    gamma: Floats
    share: Floats

    @classmethod
    def of(cls, picture: Floats, domain: Pixels) -> Variogram:
        """Of a picture (y, x) inside a domain (y, x), every pair of pixels counted."""
        from scipy.fft import irfft2, rfft2

        grid = padded(domain.shape)
        inside, filled = domain.astype(np.float64), np.where(domain, picture, 0.0)
        ones, first, second = (rfft2(each, grid) for each in (inside, filled, filled**2))
        pairs = np.rint(irfft2(np.abs(ones) ** 2, grid))
        products = irfft2(np.abs(first) ** 2, grid)
        squares = irfft2((second * np.conj(ones)).real, grid)  # the mean over both ends of a pair
        with np.errstate(invalid="ignore", divide="ignore"):
            gamma = np.where(pairs > 0, np.maximum(squares - products, 0) / pairs, np.nan)
        return cls(gamma, pairs / inside.sum())

    def fit(self) -> Correlation:
        """The correlation whose curve lies nearest, its height free; weights are pairs over distance.

        Weighted least squares of relative errors (Cressie 1985, Mathematical Geology 17(5)) at lags that at least
        `LEAST_PAIRS` of the pixels have; over distance, so that each ring of lags counts alike however many it holds,
        and a map with two scales is not fitted to the shorter one. Lengths up to the longer side of the grid.

        Raises UsageError for a domain so scattered that there are fewer than 8 such lags.
        """
        from scipy.optimize import least_squares
        from scipy.special import expit, logit

        r, c = lags(self.gamma.shape)
        half = (np.arange(self.gamma.shape[0]) <= self.gamma.shape[0] // 2)[:, None]
        used = half & (self.share > LEAST_PAIRS) & (r + c > 0)
        if used.sum() < LEAST_LAGS:
            raise UsageError(
                "the domain is too scattered to compare its pixels by distance; give one that holds together"
            )
        rows, columns = ((lag * np.ones_like(self.gamma))[used] ** 2 for lag in (r, c))
        gamma, weight = self.gamma[used], self.share[used] / np.sqrt(rows + columns)
        weight /= weight.sum()
        root = np.sqrt(weight)

        longest = max(self.gamma.shape) / 2
        low = np.array([np.log(SHORTEST), np.log(SHORTEST), POWERS[0]])
        high = np.array([np.log(longest), np.log(longest), POWERS[1]])
        start = np.array([np.log(min(3.0, longest / 2))] * 2 + [1.6])

        def residuals(t: Floats) -> Floats:
            p = low + (high - low) * expit(t)
            squared = rows * np.exp(-2 * p[0]) + columns * np.exp(-2 * p[1])
            relative = gamma / -np.expm1(-(squared ** (p[2] / 2)))
            return np.asarray(root * (relative / np.dot(weight, relative) - 1))

        found = least_squares(residuals, logit((start - low) / (high - low)), method="lm", max_nfev=120).x
        down, across, power = low + (high - low) * expit(found)
        return Correlation(float(np.exp(down)), float(np.exp(across)), float(power))


def padded(shape: tuple[int, ...]) -> tuple[int, int]:
    """A grid on which no pixel of a picture (y, x) meets another one round the edge, of sizes that transform fast."""
    from scipy.fft import next_fast_len

    y, x = (int(next_fast_len(2 * size, real=True)) for size in shape)
    return y, x


def lags(grid: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Distances from the first pixel on a torus, (y, 1) rows and (1, x) columns."""
    down, across = (np.minimum(np.arange(n), n - np.arange(n)).astype(np.float64) for n in grid)
    return down[:, None], across[None]


def normal_scores(row: Floats) -> Floats:
    """Normal quantiles of the ranks of a row of values, ties at their mean rank."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    return np.asarray(ndtri((rankdata(row) - 0.5) / len(row)), dtype=np.float64)


def correlation_of(values: npt.NDArray[Any], domain: Pixels) -> Correlation:
    """How alike pixels of a map (y, x) are by their distance inside the domain, from the normal scores of its values.

    Raises UsageError for a map that is constant or not finite in the domain, or has fewer than 64 pixels there.
    """
    row = _checked(values, domain)
    picture = np.zeros(domain.shape)
    picture[domain] = normal_scores(row)
    return Variogram.of(picture, domain).fit()


def smooth_orders(correlation: Correlation, domain: Pixels, draws: int, seed: int) -> Iterator[Orders]:
    """Random fields of a correlation inside a domain (y, x), as the order of their P pixels: (B, P), lowest first.

    `draws` of them in all; draw i depends on the seed, the correlation and the domain only. Synthesised on a torus
    twice as large, so that none wraps round inside the domain; where no field on the torus has this correlation, the
    nearest is taken (negative eigenvalues are 0). Source: Wood & Chan 1994, JCGS 3(4).
    """
    from scipy.fft import fft2, ifft

    box = _box(domain)
    inside = np.flatnonzero(domain[box])
    rows, columns = domain[box].shape
    grid = padded((rows, columns))
    spectrum = np.sqrt(np.clip(fft2(correlation.at(*lags(grid))).real, 0, None)).astype(np.float32)
    rng = np.random.default_rng(seed)
    for done in range(0, draws, 2 * PAIRS_AT_ONCE):
        pairs = min(PAIRS_AT_ONCE, (draws - done + 1) // 2)
        noise = rng.standard_normal((pairs, *grid, 2), dtype=np.float32).view(np.complex64)[..., 0]
        noise *= spectrum
        fields = ifft(ifft(noise, axis=1, overwrite_x=True)[:, :rows], axis=2, overwrite_x=True)[:, :, :columns]
        both = np.stack((fields.real, fields.imag), axis=1).reshape(2 * pairs, -1)[: draws - done]
        yield np.argsort(both[:, inside], axis=1)


def placed(orders: Orders, ascending: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values from the lowest (P,) laid where the orders (B, P) have their ranks: (B, P)."""
    laid = np.empty(orders.shape, dtype=ascending.dtype)
    np.put_along_axis(laid, orders, np.broadcast_to(ascending, orders.shape), axis=1)
    return laid


def smooth_fields(values: npt.NDArray[Any], domain: Pixels, draws: int, seed: int) -> Iterator[npt.NDArray[Any]]:
    """Random maps as smooth as this one (y, x) inside a domain (y, x), each with exactly its values: blocks (B, P).

    Stationary: no place of the domain is preferred. Kept are the values and how fast pixels become unlike down and
    across; lost are place, shape, slanted streaks and waves. Source: Viladomat et al. 2014, Biometrics 70(2), with a
    random field in place of their smoothed permutation.

    Raises UsageError as `correlation_of` does, and for fewer than one draw.
    """
    if draws < 1:
        raise UsageError(f"draws is {draws}; a null distribution needs at least one")
    correlation, ascending = correlation_of(values, domain), np.sort(values[domain])
    for orders in smooth_orders(correlation, domain, draws, seed):
        yield placed(orders, ascending)


def _checked(values: npt.NDArray[Any], domain: Pixels) -> Floats:
    if values.shape != domain.shape or values.ndim != 2:
        raise UsageError(f"the map is {values.shape} and its domain {domain.shape}; give both as (y, x) of one grid")
    row = np.asarray(values[domain], dtype=np.float64)
    if row.size < LEAST_PIXELS:
        raise UsageError(f"the domain has {row.size} pixels; smoothness is estimated from at least {LEAST_PIXELS}")
    if not np.isfinite(row).all():
        raise UsageError(f"{(~np.isfinite(row)).sum()} pixels of the domain have no finite value; leave them out of it")
    if row.min() == row.max():
        raise UsageError("the map is constant in the domain, so it has no smoothness; leave it out")
    return row


def _box(domain: Pixels) -> tuple[slice, slice]:
    """The smallest rectangle round a domain."""
    rows, columns = (np.flatnonzero(domain.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)

"""Many tests at once: adjusted p-values, and what a test of limited resolution can reach among them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UsageError

ALPHA: Final = 0.05  # what p is compared with throughout
PER_TEST: Final = 20  # draws for each of many tests, so that one alone can be significant

Floats = npt.NDArray[np.float64]


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """Adjusted p-values that bound the false discovery rate of independent or positively dependent tests.

    Any shape; NaN is no test and stays NaN. Rejecting what is ≤ α is the step-up procedure at α. UsageError for a p
    outside 0 … 1. Source: Benjamini & Hochberg 1995, JRSS B 57(1).
    """
    return _step_up(p, harmonic=False)


def benjamini_yekutieli(p: npt.ArrayLike) -> Floats:
    """The same under any dependence: larger by Σ 1/i over the number of tests.

    Source: Benjamini & Yekutieli 2001, Annals of Statistics 29(4), theorem 1.3.
    """
    return _step_up(p, harmonic=True)


def holm(p: npt.ArrayLike) -> Floats:
    """Adjusted p-values that bound the chance of any false rejection, under any dependence; NaN stays NaN.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2).
    """
    values, known, order = _ordered(p)
    count = order.size
    adjusted = np.minimum(np.maximum.accumulate(values[known][order] * np.arange(count, 0, -1)), 1)
    return _placed(values, known, order, adjusted)


def least_at_smallest(resolution: float, tests: int, alpha: float = ALPHA) -> int:
    """How many of `tests` tests must show the smallest p that a test can give before Benjamini–Hochberg rejects any.

    1 means that a single test can be significant. Above `tests`, none can be, whatever the data; so it is where the
    resolution is NaN, as nothing was drawn.
    """
    if np.isnan(resolution):
        return tests + 1
    return max(1, int(np.ceil(tests * resolution / alpha - 1e-9)))


def _step_up(p: npt.ArrayLike, *, harmonic: bool) -> Floats:
    values, known, order = _ordered(p)
    count = order.size
    ranks = np.arange(1, count + 1)
    factor = float((1 / ranks).sum()) if harmonic and count else 1.0
    scaled = values[known][order] * factor * count / ranks
    adjusted = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return _placed(values, known, order, adjusted)


def _ordered(p: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    values = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(values)
    if (wrong := values[known & ((values < 0) | (values > 1))]).size:
        raise UsageError(f"a p-value lies between 0 and 1, and one is {wrong[0]:.6g}; NaN stands for no test")
    return values, known, np.argsort(values[known], kind="stable")


def _placed(values: Floats, known: npt.NDArray[np.bool_], order: npt.NDArray[np.intp], adjusted: Floats) -> Floats:
    back = np.empty_like(adjusted)
    back[order] = adjusted
    result = np.full_like(values, np.nan)
    result[known] = back
    return result

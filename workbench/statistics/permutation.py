"""p-values from a null distribution that was enumerated or drawn."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from workbench.statistics.multiplicity import Floats

TIE = 1e-9  # relative: values this close are one value, whose order rounding must not decide
ROUNDING = 16 * float(np.finfo(np.float64).eps)  # of the largest: near 0 may be what is left after cancelling


def p_value(observed: npt.ArrayLike, null: npt.ArrayLike, *, enumerated: bool, sign: int = 1) -> Floats:
    """Share of the null at least as extreme as what was observed, over the first axis of `null`.

    null: (draws, …) against observed (…); draws that are not finite do not count. `enumerated`: `null` holds every
    arrangement, the observed one among them; otherwise the observed one is added, (1 + k)/(1 + n), as a sampled p is
    never 0. sign: +1 where large values are extreme, −1 where small ones are. NaN where nothing was observed or drawn.

    Source: Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1).
    """
    seen, drawn = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    valid = np.isfinite(drawn)
    filled = np.where(valid, drawn, 0)
    slack = np.maximum(TIE * np.abs(seen), ROUNDING * np.abs(filled).max(axis=0, initial=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        extreme = (valid & (sign * filled >= sign * seen - slack)).sum(axis=0)
        count = valid.sum(axis=0)
        more = 0 if enumerated else 1
        p = (extreme + more) / (count + more)
    return np.asarray(np.where((count > 0) & np.isfinite(seen), p, np.nan), dtype=np.float64)


def resolution(draws: int, *, enumerated: bool) -> float:
    """The smallest p that so many arrangements can give; NaN for none."""
    return float("nan") if draws < 1 else 1 / (draws if enumerated else draws + 1)


def upper(null: npt.ArrayLike, *, sign: int = 1, level: float = 0.95) -> Floats:
    """The value that a share `level` of the null (draws, …) does not surpass, in the direction that `sign` calls
    extreme: its 95th percentile, or for −1 its 5th. NaN draws do not count; NaN where there are no others."""
    drawn = np.asarray(null, dtype=np.float64)
    share = level if sign > 0 else 1 - level
    if np.isfinite(drawn).all() and len(drawn):
        return np.asarray(np.quantile(drawn, share, axis=0), dtype=np.float64)
    rest = drawn.shape[1:]
    kept = [column[np.isfinite(column)] for column in drawn.reshape(len(drawn), math.prod(rest)).T]
    ends = [np.quantile(column, share) if column.size else np.nan for column in kept]
    return np.array(ends, dtype=np.float64).reshape(rest)

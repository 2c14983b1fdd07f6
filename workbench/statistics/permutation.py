"""p-values from a null distribution that was enumerated or drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workbench.statistics.multiplicity import Floats

TIE = 1e-9  # relative: values this close are one value, whose order rounding must not decide


def p_value(observed: npt.ArrayLike, null: npt.ArrayLike, *, enumerated: bool, sign: int = 1) -> Floats:
    """Share of the null at least as extreme as what was observed, over the first axis of `null`.

    null: (draws, …) against observed (…); NaN draws do not count. `enumerated`: `null` holds every arrangement, the
    observed one among them; otherwise the observed one is added, (1 + k)/(1 + n), as a sampled p is never 0. sign: +1
    where large values are extreme, −1 where small ones are. NaN where nothing was observed or drawn.

    Source: Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1).
    """
    seen, drawn = np.asarray(observed, dtype=np.float64), np.asarray(null, dtype=np.float64)
    valid = np.isfinite(drawn)
    slack = TIE * np.maximum(np.abs(seen), 1e-12)
    extreme = (valid & (sign * np.where(valid, drawn, 0) >= sign * seen - slack)).sum(axis=0)
    count = valid.sum(axis=0)
    more = 0 if enumerated else 1
    with np.errstate(invalid="ignore", divide="ignore"):
        p = (extreme + more) / (count + more)
    return np.asarray(np.where((count > 0) & np.isfinite(seen), p, np.nan), dtype=np.float64)


def resolution(draws: int, *, enumerated: bool) -> float:
    """The smallest p that so many arrangements can give; NaN for none."""
    return float("nan") if draws < 1 else 1 / (draws if enumerated else draws + 1)

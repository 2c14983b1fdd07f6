"""What a score is, and the registry that a newcomer adds one to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from workbench.registry import Registry, first_line

Values = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Function = Callable[..., float]
Counts = Callable[[Any, Any, Any, Any], Any]
Sums = Callable[[Any, Any, Any, Any, Any], Any]
Weights = Callable[[Any, int], Any]
Takes = Literal["foreground", "values", "places"]
FLAT: Final = 1e-12  # relative: a spread below this share of the sum of squares is rounding, the map is constant


@dataclass(frozen=True)
class Score:
    """Agreement of one map with one mask.

    takes: `foreground` (depends on the threshold), `values` (does not), or `places` (does not, and needs to know where
        the pixels lie). best, low, high: the value for the mask itself taken as a map, and the range; infinite where
        there is no bound. The end of the range that `best` is decides which way is better (`sign`).
    function: (values, foreground, mask) → float, with `places` (P, 2) as fourth argument where it takes them. Rows of
        the same pixels, those of the domain: the grey map 0 … 255 (float64), its foreground and the mask (bool);
        places are (row, column) in units of the grid's height. NaN where the score is undefined, never 0 in its place
        (`undefined.why_undefined` says why).
    counts, sums, weights: the same score of numbers of pixels, of sums of values, or of weights that add up to 1 over
        the pixels, for many maps at once and under every shift of a map; None for a score that cannot be written so.
        With one of them `function` is derived. ranks: `sums` are of the values' ranks.
    chance: (a, b) → the value expected of a foreground of area share a that is independent of a mask of share b. even:
        (mask, places) → the score of a map that lies evenly over the domain, which shuffles of any map tend to. None:
        the score at the expected overlap where it has `counts`, `sums` or `weights`, else the mean over shuffles.
    costly: takes tens of milliseconds a map and mask, so that nobody draws it by the hundred.
    """

    function: Function
    takes: Takes
    best: float
    low: float
    high: float
    chance: Callable[[float, float], float] | None = None
    counts: Counts | None = None
    sums: Sums | None = None
    ranks: bool = False
    weights: Weights | None = None
    even: Callable[[Pixels, Floats], float] | None = None
    costly: bool = False

    @property
    def sign(self) -> int:
        """+1 where more is better, −1 where less is."""
        return 1 if self.best > self.low else -1


SCORES: Final[Registry[Score]] = Registry(
    "score",
    homes=tuple(f"workbench.scores.agreement.{name}" for name in ("overlap", "intensity", "ranking", "distance")),
)


def score(
    name: str,
    *,
    takes: Takes = "foreground",
    best: float = 1.0,
    span: tuple[float, float] = (0.0, 1.0),
    chance: Callable[[float, float], float] | None = None,
    even: Callable[[Pixels, Floats], float] | None = None,
    costly: bool = False,
    reference: str = "",
) -> Callable[[Function], Function]:
    """Register a function (values, foreground, mask[, places]) → float; its docstring's first line is the summary.

    From then on `evaluate(…, scores=(…, name))` gives it with chance, other masks, centre blob and interval.
    """

    def decorate(function: Function) -> Function:
        made = Score(function, takes, best, *span, chance, even=even, costly=costly)
        return _add(name, made, function, reference)

    return decorate


def counted(
    name: str, *, best: float = 1.0, span: tuple[float, float] = (0.0, 1.0), reference: str = ""
) -> Callable[[Counts], Counts]:
    """Register a score of numbers of pixels: (both, foreground, mask, all) → value; arrays in, array out.

    both: in foreground and mask. A division by 0 gives NaN by itself, infinity is turned into NaN, and an empty mask or
    foreground has no score.
    """

    def decorate(function: Counts) -> Counts:
        def counts(both: Any, foreground: Any, mask: Any, everything: Any) -> Any:
            nothing = (foreground == 0) | (mask == 0)
            return np.where(nothing, np.nan, function(both, foreground, mask, everything))

        def single(values: Values, foreground: Pixels, mask: Pixels) -> float:
            if not np.isfinite(values).all():
                return float("nan")
            count = np.count_nonzero
            return float(finite(counts, count(foreground & mask), count(foreground), count(mask), mask.size))

        return _add(name, Score(single, "foreground", best, *span, counts=counts), function, reference)

    return decorate


def summed(
    name: str,
    *,
    best: float = 1.0,
    span: tuple[float, float] = (0.0, 1.0),
    ranks: bool = False,
    reference: str = "",
) -> Callable[[Sums], Sums]:
    """Register a score of sums of values: (inside, total, squares, mask, all) → value; arrays in, array out.

    inside: sum of the map's values in the mask; total, squares: sum of them and of their squares over the domain; mask,
    all: numbers of pixels. ranks: of ranks (1 … all, ties at their mean) in place of values. A constant map and an
    empty mask have no score.
    """

    def decorate(function: Sums) -> Sums:
        def sums(inside: Any, total: Any, squares: Any, mask: Any, everything: Any) -> Any:
            nothing = (squares - total**2 / everything <= FLAT * squares) | (mask == 0)
            return np.where(nothing, np.nan, function(inside, total, squares, mask, everything))

        def single(values: Values, foreground: Pixels, mask: Pixels) -> float:
            if not np.isfinite(values).all():
                return float("nan")
            v = midranks(values[None])[0] if ranks else np.asarray(values, np.float64)
            inside = float(v[mask].sum())
            return float(finite(sums, inside, v.sum(), (v**2).sum(), np.count_nonzero(mask), mask.size))

        return _add(name, Score(single, "values", best, *span, sums=sums, ranks=ranks), function, reference)

    return decorate


def weighed(name: str, *, reference: str = "") -> Callable[[Weights], Weights]:
    """Register a score that is the part of a weight of 1 that falls into the mask: (values (B, P), area) → (B, P).

    The function shares 1 out over the pixels of each map; area: number of the mask's pixels. Best is 1, the range 0 to
    1, and chance exactly the mask's share of the domain. A constant map and an empty mask have no score.
    """

    def decorate(function: Weights) -> Weights:
        def weights(values: Values, area: int) -> Floats:
            v = np.asarray(values, dtype=np.float64)
            if not area:
                return np.full(v.shape, np.nan)
            flat = ~(v.max(axis=1) > v.min(axis=1))
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.where(flat[:, None], np.nan, function(v, area))

        def single(values: Values, foreground: Pixels, mask: Pixels) -> float:
            area = int(np.count_nonzero(mask))
            if not area or not np.isfinite(values).all():
                return float("nan")
            return float(min(weights(values[None], area)[0, mask].sum(), 1.0))

        return _add(name, Score(single, "values", 1.0, 0.0, 1.0, weights=weights), function, reference)

    return decorate


def finite(function: Callable[..., Any], *arguments: Any) -> Floats:
    """The function of its arguments as float64 arrays; NaN wherever it has no finite value."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.asarray(function(*(np.asarray(a, dtype=np.float64) for a in arguments)), dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


def midranks(values: Values) -> Floats:
    """Ranks 1 … P of each row of (B, P), ties at the mean of their ranks."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values, axis=1), dtype=np.float64)


def _add(name: str, made: Score, function: Any, reference: str) -> Any:
    SCORES.add(
        name,
        made,
        summary=first_line(function),
        reference=reference,
        takes=made.takes,
        best=made.best,
        range=[made.low, made.high],
    )
    return function

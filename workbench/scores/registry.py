"""What a score is, and the registry that a newcomer adds one to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.registry import Registry

Values = npt.NDArray[np.floating[Any]]
Pixels = npt.NDArray[np.bool_]
Function = Callable[[Values, Pixels, Pixels], float]


@dataclass(frozen=True)
class Score:
    """Agreement of one map with one mask.

    function: (values, foreground, mask) → float. Three rows of the same pixels, those of the domain: the grey map 0 …
        255 (float64), its foreground and the mask (bool). NaN where the score is undefined, never 0 in its place.
    chance: (a, b) → the value expected of a foreground of area share a that is independent of a mask of share b; None
        has it estimated by shuffling the map's pixels in the domain.
    takes: `foreground` (depends on the threshold) or `values` (does not). best, low, high: the ideal value and the
        range.
    """

    function: Function
    takes: str
    best: float
    low: float
    high: float
    chance: Callable[[float, float], float] | None = None


SCORES: Final[Registry[Score]] = Registry("score", homes=("workbench.scores.agreement",))


def score(
    name: str,
    *,
    takes: str = "foreground",
    best: float = 1.0,
    span: tuple[float, float] = (0.0, 1.0),
    chance: Callable[[float, float], float] | None = None,
    reference: str = "",
) -> Callable[[Function], Function]:
    """Register a function as a score under `name`; its docstring's first line is the summary.

    From then on `evaluate(…, scores=(…, name))` gives it with chance, other masks, centre blob and interval.
    """

    def decorate(function: Function) -> Function:
        summary = (function.__doc__ or "").strip().splitlines()
        SCORES.add(
            name,
            Score(function, takes, best, span[0], span[1], chance),
            summary=summary[0] if summary else "",
            reference=reference,
            takes=takes,
            best=best,
            range=list(span),
        )
        return function

    return decorate

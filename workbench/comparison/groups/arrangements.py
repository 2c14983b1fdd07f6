"""How units could have fallen into the two groups had the groups meant nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]
MOST_ENUMERATED: Final = 20_000


@dataclass(frozen=True)
class Arrangements:
    """weights (draws, units): 1 for the first group and 0 for the second, or the signs ±1 of paired differences.

    enumerated: all of them, the observed one first; else `draws` random ones without it. resolution: smallest p.
    """

    weights: Weights
    enumerated: bool
    resolution: float

    def p(self, extreme: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """p from the number of arrangements at least as extreme as the observed one."""
        more = 0 if self.enumerated else 1
        return np.asarray((np.asarray(extreme, dtype=np.float64) + more) / (len(self.weights) + more))


def relabelled(first: int, second: int, draws: int, seed: int | Sequence[int]) -> Arrangements:
    """Which units are in the first group: every choice where there are no more than `draws`, else `draws` choices."""
    units = first + second
    count = comb(units, first)
    if count <= min(max(draws, 1), MOST_ENUMERATED):
        weights = np.zeros((count, units), np.float32)
        for row, chosen in enumerate(combinations(range(units), first)):
            weights[row, list(chosen)] = 1
        return Arrangements(weights, True, (2 if first == second else 1) / count)
    start = np.zeros((draws, units), np.float32)
    start[:, :first] = 1
    return Arrangements(np.random.default_rng(seed).permuted(start, axis=1), False, 1 / (draws + 1))


def flipped(pairs: int, draws: int, seed: int | Sequence[int]) -> Arrangements:
    """Signs of the units' differences: all 2ⁿ where there are no more than `draws`, else `draws` draws."""
    if pairs < 15 and 2**pairs <= min(max(draws, 1), MOST_ENUMERATED):
        bits = (np.arange(2**pairs)[:, None] >> np.arange(pairs)) & 1
        return Arrangements((1 - 2 * bits).astype(np.float32), True, 2 / 2**pairs)
    signs = np.random.default_rng(seed).integers(0, 2, (draws, pairs))
    return Arrangements((1 - 2 * signs).astype(np.float32), False, 1 / (draws + 1))

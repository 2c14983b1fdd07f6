"""The null of exchangeable labels: which expression a mask belongs to has nothing to do with the maps."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UsageError
from workbench.scores.registry import Floats
from workbench.statistics.multiplicity import PER_TEST
from workbench.statistics.permutation import p_value, resolution

ENUMERATED: Final = 8  # labels; their 40,320 permutations are all scored, those of more are drawn


@dataclass(frozen=True)
class LabelTest:
    """The mean score with the own masks among its permutations.

    observed, mean: of the cells and of `null`; p: NaN with a `reason` where nothing can be permuted; resolution: the
    smallest p that the test can give; count: permutations behind it; enumerated: they are all, and the first is the
    observed one. null: (count,), the mean score under each. labels: which expressions took part; cells: how many cells
    of the table did, left_out: how many with an own mask did not, for want of a score.
    """

    observed: float
    mean: float
    p: float
    resolution: float
    count: int
    enumerated: bool
    null: Floats
    labels: tuple[int, ...]
    cells: int
    left_out: int
    reason: str = ""


def label_permutation(
    matrix: npt.ArrayLike, own: npt.ArrayLike, sign: int = 1, *, draws: int = 10_000, seed: int = 0
) -> LabelTest:
    """Whether the maps agree with their own expressions' masks better than with the same masks dealt out otherwise.

    matrix: (…, E, K), scores of the maps of E expressions with K masks; the leading axes are networks and explainers.
    own: (E,), the column of each expression's own mask, −1 for none. One permutation is dealt to all leading axes
    together, as networks that saw the same faces are no replicates. All permutations of up to 8 labels are enumerated
    (720 of 6), of more `draws` are drawn by `seed`. The statistic is the mean over cells; sign: +1 where more is
    better.

    What has no score must be missing alike under every permutation, or the permuted tables could not be exchanged. So
    an expression is left out, map and mask, where its mask has no score with any map that scores with another, and of
    the rest a map that lacks the score with any of the masks. Both leave the permutations of what remains equally
    likely: the first keeps one pair fixed, the second depends on the masks together and not on whose they are.

    Raises UsageError where the columns do not fit the matrix, one is own to two expressions, or draws are below 20.
    """
    scores, columns = np.asarray(matrix, dtype=np.float64), np.asarray(own, dtype=np.intp)
    _check(scores, columns, sign, draws)
    labels = np.flatnonzero(columns >= 0)
    table = scores.reshape(-1, *scores.shape[-2:])[:, labels][..., columns[labels]]
    possible = table.shape[0] * table.shape[1]
    kept = _scored(table)
    labels, table = labels[kept], table[:, kept][..., kept]
    complete: npt.NDArray[np.bool_] = np.asarray(np.isfinite(table).all(axis=-1))
    cells, count = int(complete.sum()), len(labels)
    left_out = possible - cells
    if cells == 0 or count < 2:
        why = "no map has a score with every mask" if count > 1 else "there are fewer than two expressions with scores"
        nan = float("nan")
        return LabelTest(nan, nan, nan, nan, 0, True, np.empty(0), tuple(labels.tolist()), cells, left_out, why)
    sums = np.where(complete[..., None], table, 0).sum(axis=0) / cells
    enumerated = count <= ENUMERATED
    if enumerated:
        orders = np.array(list(itertools.permutations(range(count))), dtype=np.intp)
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (draws, 1)), axis=1)
    null = sums[np.arange(count), orders].sum(axis=1)
    observed = float(np.trace(sums))
    alike = math.factorial(count - int(complete.any(axis=0).sum()))  # they differ on masks whose expression has no map
    return LabelTest(
        observed=observed,
        mean=float(null.mean()),
        p=float(p_value(observed, null, enumerated=enumerated, sign=sign)),
        resolution=alike / len(null) if enumerated else resolution(len(null), enumerated=False),
        count=len(null),
        enumerated=enumerated,
        null=null,
        labels=tuple(labels.tolist()),
        cells=cells,
        left_out=left_out,
    )


def _scored(table: Floats) -> npt.NDArray[np.bool_]:
    """(N, E, E) → which of the E expressions have a mask that some map scores with."""
    return np.asarray(np.isfinite(table).any(axis=(0, 1)))


def _check(scores: Floats, columns: npt.NDArray[np.intp], sign: int, draws: int) -> None:
    if scores.ndim < 2 or columns.shape != scores.shape[-2:-1]:
        raise UsageError(
            f"scores are (…, expressions, masks) with one own column an expression; the matrix is {scores.shape} and "
            f"the columns are {columns.shape}"
        )
    owned = columns[columns >= 0].tolist()
    if owned and max(owned) >= scores.shape[-1]:
        raise UsageError(f"column {max(owned)} is named as an own mask, and there are {scores.shape[-1]} masks")
    twice = sorted({c for c in owned if owned.count(c) > 1})
    if twice:
        raise UsageError(f"column {twice[0]} is the own mask of two expressions, whose labels cannot be told apart")
    if sign not in (1, -1):
        raise UsageError(f"sign is {sign}; give +1 where more is better and −1 where less is")
    if draws < PER_TEST and len(owned) > ENUMERATED:
        raise UsageError(f"{draws} draws cannot reach p = .05; give at least {PER_TEST}")

"""How alike two maps of the same picture are: pixels against pixels, whatever the scale of either map.

Every measure is 1 for equal maps and NaN where one of the two is constant or not finite. Maps of one resolution only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from workbench.errors import UnknownNameError, UsageError
from workbench.explainers.explainer import FLAT

Floats = npt.NDArray[np.float64]

WINDOW: Final = 7  # pixels, of SSIM; smaller (odd) on maps with fewer rows or columns
SHARE: Final = 0.1  # of the pixels that count as a map's top


@dataclass(frozen=True)
class Measure:
    """One similarity: `of` takes maps (N, h, w) twice and gives (N,); `low` is the least that it can be."""

    of: Callable[[Floats, Floats], Floats]
    low: float
    summary: str


def similarity(measure: str, one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Similarity of each pair of maps (N, h, w) by one measure, (N,); NaN where a map is constant or not finite.

    Raises UnknownNameError for an unknown measure, UsageError for maps of different resolution.
    """
    check_measures([measure])
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if first.shape != second.shape or first.ndim != 3:
        raise UsageError(f"maps of shape {first.shape} and {second.shape} cannot be compared; both must be (N, h, w)")
    found = np.full(len(first), np.nan)
    good = np.logical_and(varied(first), varied(second))
    if good.any():
        found[good] = MEASURES[measure].of(first[good], second[good])
    return found


def check_measures(names: Iterable[str]) -> tuple[str, ...]:
    """The measures by name, each once; UnknownNameError for others, UsageError for none."""
    wanted = tuple(dict.fromkeys([names] if isinstance(names, str) else names))
    for name in wanted:
        if name not in MEASURES:
            raise UnknownNameError("similarity", name, MEASURES)
    if not wanted:
        raise UsageError(f"no similarity was named; say {', '.join(MEASURES)}")
    return wanted


def varied(maps: Floats) -> npt.NDArray[np.bool_]:
    """(N,): whether a map is finite and not constant, by the limit that makes a map's status "constant"."""
    flat = maps.reshape(len(maps), -1)
    finite = np.asarray(np.isfinite(flat).all(1))
    safe = np.where(finite[:, None], flat, 0)
    return np.asarray(finite & (np.ptp(safe, axis=1) > FLAT * np.abs(safe).max(1)))


def pearson(one: Floats, other: Floats) -> Floats:
    """Correlation of values, −1 to 1."""
    a, b = (_standard(maps.reshape(len(maps), -1)) for maps in (one, other))
    return np.asarray(np.clip((a * b).sum(1), -1, 1))


def spearman(one: Floats, other: Floats) -> Floats:
    """Correlation of ranks, ties with their mean rank, −1 to 1."""
    a, b = (_standard(rankdata(maps.reshape(len(maps), -1), axis=1)) for maps in (one, other))
    return np.asarray(np.clip((a * b).sum(1), -1, 1))


def ssim(one: Floats, other: Floats) -> Floats:
    """Structural similarity (Wang et al. 2004), each map scaled to 0 … 1 (data range 1), uniform window of 7 × 7
    pixels, or the largest odd number that fits; NaN below 3 × 3."""
    from skimage.metrics import structural_similarity

    window = min(WINDOW, *(side - 1 + side % 2 for side in one.shape[1:]))
    if window < 3:
        return np.full(len(one), np.nan)
    pairs = zip(unit(one), unit(other), strict=True)
    return np.array([structural_similarity(a, b, win_size=window, data_range=1.0) for a, b in pairs])


def top(one: Floats, other: Floats) -> Floats:
    """Share of the top tenth of pixels that both maps have in common, 0 to 1; pixels that tie at the edge of the top
    belong to it in part."""
    a, b = membership(one), membership(other)
    return np.asarray(np.minimum(a, b).sum(1) / a.sum(1))


def top_by_chance(one: Floats, other: Floats) -> Floats:
    """What `top` is on average where one map's pixels are put into any order, (N,): exact; .1 without ties."""
    a, b = membership(one), membership(other)
    found = []
    for first, second in zip(a, b, strict=True):
        (u, n), (v, m) = np.unique(first, return_counts=True), np.unique(second, return_counts=True)
        expected = (np.minimum(u[:, None], v[None]) * n[:, None] * m[None]).sum() / len(second)
        found.append(expected / first.sum())
    return np.array(found)


def membership(maps: Floats) -> Floats:
    """(N, P): how far each pixel is among the top tenth (at least one pixel); 1 above its edge, at it what is left."""
    flat = maps.reshape(len(maps), -1)
    k = max(1, round(SHARE * flat.shape[1]))
    edge = -np.partition(-flat, k - 1, axis=1)[:, k - 1 : k]
    above, at = flat > edge, flat == edge
    left = (k - above.sum(1, keepdims=True)) / at.sum(1, keepdims=True)
    return np.asarray(np.where(above, 1.0, np.where(at, left, 0.0)))


def unit(maps: Floats) -> Floats:
    """Each map (N, h, w) between 0 and 1."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.asarray((maps - low) / (high - low))


def _standard(flat: Floats) -> Floats:
    centred = flat - flat.mean(1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).sum(1, keepdims=True)))


MEASURES: Final[dict[str, Measure]] = {
    "spearman": Measure(spearman, -1, "correlation of ranks"),
    "ssim": Measure(ssim, -1, "structural similarity of the maps scaled to 0 … 1, window of 7 pixels"),
    "correlation": Measure(pearson, -1, "correlation of values"),
    "top": Measure(top, 0, "share that the maps' top tenths of pixels have in common"),
}
DEFAULT: Final = ("spearman", "ssim", "correlation")

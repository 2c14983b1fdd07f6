"""How unlike two maps are: the registry of distances, and the published one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from workbench.errors import UsageError
from workbench.registry import Registry, first_line

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.floating[Any]]
Domain = npt.NDArray[np.bool_]
Takes = Literal["pair", "rows", "maps"]
PUBLISHED: Final = "correlation"


@dataclass(frozen=True)
class Distance:
    """A distance between maps.

    takes: `pair` (two rows of pixels (P,) → float), `rows` (M rows (M, P) → (M, M)) or `maps` (M maps (M, y, x), NaN
        outside the domain, and the domain (y, x) → (M, M)). best, high: 0 and the largest value that is possible.
    words: what an axis is called. euclidean: the root of twice the distance is a Euclidean distance, as Ward's linkage
        needs it.
    """

    function: Callable[..., Any]
    takes: Takes
    best: float
    high: float
    words: str
    euclidean: bool = False

    def matrix(self, rows: Rows, domain: Domain) -> Matrix:
        """Distances of maps (M, P) on the P pixels of the domain (y, x): (M, M), symmetric, the diagonal 0.

        NaN between a constant map and any other, and where the distance is undefined. Raises UsageError where the
        function gives another shape.
        """
        rows = np.asarray(rows, dtype=np.float64)
        found = np.asarray(self._called(rows, domain), dtype=np.float64)
        if found.shape != (len(rows), len(rows)):
            raise UsageError(f"a distance that takes {self.takes} gives {len(rows)}×{len(rows)}, not {found.shape}")
        found = (found + found.T) / 2
        varies = np.ptp(rows, axis=1) > 0 if rows.shape[1] else np.zeros(len(rows), dtype=bool)
        found[~(varies[:, None] & varies[None])] = np.nan
        np.fill_diagonal(found, 0.0)
        return found

    def _called(self, rows: Rows, domain: Domain) -> Any:
        if self.takes == "rows":
            return self.function(rows)
        if self.takes == "maps":
            maps = np.full((len(rows), *domain.shape), np.nan)
            maps[:, domain] = rows
            return self.function(maps, domain)
        found = np.zeros((len(rows), len(rows)))
        for a, b in combinations(range(len(rows)), 2):
            found[a, b] = found[b, a] = float(self.function(rows[a], rows[b]))
        return found


DISTANCES: Final[Registry[Distance]] = Registry(
    "distance", homes=("workbench.comparison.measures.rows", "workbench.comparison.measures.maps")
)


def distance(
    name: str,
    *,
    takes: Takes = "pair",
    high: float = float("inf"),
    words: str = "",
    euclidean: bool = False,
    reference: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a distance for `cluster(…, distance=name)`; its docstring's first line is the summary.

    0 is for maps that agree; the maps of a call come on one domain. `takes`, `high`, `words`, `euclidean`: as in
    `Distance`.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        made = Distance(function, takes, 0.0, high, words or name.replace("_", " "), euclidean)
        DISTANCES.add(
            name,
            made,
            summary=first_line(function),
            reference=reference,
            takes=takes,
            best=0.0,
            range=[0.0, high],
        )
        return function

    return decorate


def correlation_distances(maps: Rows) -> Matrix:
    """1 − Pearson's correlation of each pair of maps (M, P), exactly symmetric with a zero diagonal.

    For maps of one size this is 1 − OpenCV's TM_CCOEFF_NORMED. NaN for a constant map.
    """
    centred = maps.astype(np.float64) - maps.mean(axis=1, keepdims=True, dtype=np.float64)
    return cosine_distances(centred)


def cosine_distances(maps: Rows) -> Matrix:
    """1 − the cosine of each pair of maps (M, P), exactly symmetric with a zero diagonal; NaN for a map of zeros."""
    values = maps.astype(np.float64)
    norm = np.sqrt((values**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (values @ values.T) / np.outer(norm, norm)
    distances = 1 - np.clip((r + r.T) / 2, -1, 1)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(distances, dtype=np.float64)

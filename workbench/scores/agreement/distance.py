"""How far the map's heat lies from the mask, in units of the grid's height; less is better."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.scores.registry import Floats, Pixels, Values, score

ROWS: Final = 35  # of the grid that mass is moved on
COLUMNS: Final = 28
_MOST_STEPS: Final = 1_000_000
_KEPT: Final = 512


def mean_distance(mask: Pixels, places: Floats) -> float:
    """Distance of the mask's centroid from the domain's, NaN for an empty mask."""
    return _apart(places.mean(axis=0), places, mask)


def even_transport(mask: Pixels, places: Floats) -> float:
    """Earth mover's distance of a map that lies evenly over the domain from the mask, NaN for an empty mask."""
    return _transport(np.ones(len(places)), mask, places)


@score(
    "centre_of_mass",
    takes="places",
    best=0.0,
    span=(0.0, np.inf),
    even=mean_distance,
    reference="Euclidean distance of first moments; moments as Hu 1962, IRE Transactions on Information Theory 8(2)",
)
def centre_of_mass(values: Values, foreground: Pixels, mask: Pixels, places: Floats) -> float:
    """Distance between the map's centre of mass and the mask's, in units of the grid's height.

    0 where they meet, which symmetric maps and masks of quite other shape do as well. By chance the distance of the
    domain's own centre from the mask's, the limit for many pixels.
    """
    if not _usable(values):
        return float("nan")
    return _apart(values @ places / values.sum(), places, mask)


@score(
    "earth_movers",
    takes="places",
    best=0.0,
    span=(0.0, np.inf),
    even=even_transport,
    costly=True,
    reference="Rubner, Tomasi & Guibas 2000, International Journal of Computer Vision 40(2); POT: Flamary et al. 2021",
)
def earth_movers(values: Values, foreground: Pixels, mask: Pixels, places: Floats) -> float:
    """Earth mover's distance from map to mask, both of mass 1, in units of the grid's height.

    The mean way that the map's heat would have to go to lie evenly in the mask, 0 where it does. On a grid of at most
    35 rows and 28 columns: square cells of pixels, each at the middle of its pixels inside the domain. By chance the
    distance of an even map, the limit for cells of many pixels.
    """
    return _transport(values, mask, places) if _usable(values) else float("nan")


def _usable(values: Values) -> bool:
    return bool(np.isfinite(values).all() and values.max() > values.min())


def _apart(point: Any, places: Floats, mask: Pixels) -> float:
    return float(np.hypot(*(point - places[mask].mean(axis=0)))) if mask.any() else float("nan")


def _transport(values: Values, mask: Pixels, places: Floats) -> float:
    if not mask.any():
        return float("nan")
    cells = _cells(np.ascontiguousarray(places, dtype=np.float64).tobytes())
    heat, wanted = (
        np.bincount(cells.of, weights=mass, minlength=len(cells.way)) / mass.sum()
        for mass in (np.asarray(values, dtype=np.float64), mask.astype(np.float64))
    )
    return cells.cost(heat - wanted)


@dataclass(frozen=True, eq=False)
class _Cells:
    """The coarse grid: `of` (P,), each pixel's cell; `way` (C, C), distances between cells; costs that are known, as
    the centred blob comes again with every map."""

    of: npt.NDArray[np.intp]
    way: Floats
    known: dict[bytes, float] = field(default_factory=dict)

    def cost(self, surplus: Floats) -> float:
        """Of moving what is too much (C,) to where it is too little."""
        key = surplus.tobytes()
        if key not in self.known:
            if len(self.known) >= _KEPT:
                self.known.clear()
            self.known[key] = _moved(surplus, self.way)
        return self.known[key]


@lru_cache(maxsize=4)
def _cells(places: bytes) -> _Cells:
    at = np.frombuffer(places).reshape(-1, 2)
    steps = np.concatenate([np.diff(np.unique(column)) for column in at.T])
    pixel = steps[steps > 1e-9].min(initial=1.0)
    index = np.rint((at - at.min(axis=0)) / pixel).astype(np.intp)
    height, width = index.max(axis=0) + 1
    side = max(-(-height // ROWS), -(-width // COLUMNS))
    _, of = np.unique(index // side @ np.array([width, 1]), return_inverse=True)
    of = np.random.default_rng(0).permutation(of.max() + 1)[of]  # neighbours apart: the slow cases take a third less
    size = np.bincount(of)
    middle = np.stack([np.bincount(of, weights=column) / size for column in at.T], axis=1)
    return _Cells(of, np.linalg.norm(middle[:, None] - middle[None], axis=-1))


def _moved(extra: Floats, ways: Floats) -> float:
    """What lies right stays, as distances are a metric; the rest takes the cheapest way."""
    from ot import emd2  # type: ignore[import-untyped]  # it imports torch: not before it is needed

    have, lack = extra > 1e-15, extra < -1e-15
    if not have.any() or not lack.any():
        return 0.0
    mass = float(extra[have].sum())
    give, take = extra[have] / mass, extra[lack] / extra[lack].sum()
    way = np.ascontiguousarray(ways[np.ix_(have, lack)])
    return mass * float(emd2(give, take, way, numItermax=_MOST_STEPS, center_dual=False, check_marginals=False))

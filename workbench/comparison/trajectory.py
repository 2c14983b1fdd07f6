"""One network's map along its training, or from layer to layer: how near it is to where it ends, and to chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import FRAMES, load_frame
from workbench.comparison.comparable import pixels_of
from workbench.comparison.entering import entering, explaining
from workbench.comparison.likeness import correlations, halves, interval
from workbench.errors import UnknownNameError, UsageError, whole_numbers
from workbench.heatmaps.aggregate import domain_of, usable
from workbench.heatmaps.checks import check
from workbench.heatmaps.resampling import Units, draw_weights, replicates, units_of
from workbench.vocabulary import BASIC_EXPRESSIONS, EXPLAINER, EXPRESSION, IMAGE, LAYER, MODEL, X, Y

STEP: Final = "step"
REFERENCES: Final = ("last", "first", "previous")
_ROWS: Final = 64  # resampled maps are compared on a lattice of at most so many rows
_VALUES: Final = ("similarity", "low", "high", "between_expressions", "reliability", "half_similarity")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Road:
    """Where each step's maps are: `at(step, expression)` gives the array without layer and target, and the network."""

    maps: xr.DataArray
    along: str
    steps: npt.NDArray[np.intp]
    model: int
    by: str | None

    def at(self, step: int, expression: str) -> tuple[xr.DataArray, int] | None:
        """None where no map explains this expression."""
        part, place = self.maps, int(self.steps[step])
        if self.along == LAYER:
            part = part.isel({LAYER: place})
        named = explaining(part, expression)
        if named is None:
            return None
        return named, place if self.along == MODEL else self.model

    def images(self, step: int, expression: str, explainer: int, normalise: str) -> npt.NDArray[np.intp]:
        """Positions of the images whose maps enter the mean of this expression."""
        found = self.at(step, expression)
        if found is None:
            return np.zeros(0, dtype=np.intp)
        part, model = found
        entered = entering(part, self.by)[model]
        return usable(part, model, explainer, np.flatnonzero(entered == expression), normalise)


def trajectory(
    maps: xr.DataArray,
    along: str = "model",
    order: Sequence[str] | None = None,
    *,
    reference: str = "last",
    by: str | None = None,
    normalise: str = "max",
    domain: str | npt.ArrayLike | None = None,
    draws: int = 200,
    splits: int = 50,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Pearson's correlation of each step's global map with the last one's (first, previous), beside its controls.

    maps: per-image maps, or global ones (then without intervals and reliability). along: `model` (checkpoints of one
    network) or `layer` (dimension `layer`, each network for itself). order: names of the steps, first to last (None: as
    they come). by: as `global_heatmaps`, or `all`: every image enters the expression that its map explains, so that all
    steps rest on the same faces (maps with `target="expression:…"`, several of them as a dimension). domain: None for
    the maps' own, else their frame's; "face", "canvas" or a boolean (y, x). draws: bootstrap
    draws of whole units for the interval at `level` (0: none); splits: random halves of the units (0: none).

    Variables (explainer, expression, step), with `along="layer"` (model, …):

    - `similarity` with the reference, in [−1, 1]; `low`, `high`: on Fisher's scale, quantiles mirrored at the estimate
      (which takes back what redrawn, noisier maps lose), and widened to hold it;
    - `between_expressions`: mean similarity of the step's map with the same step's maps of the other expressions. A
      step no nearer to the reference than expressions are to each other has converged to a face, not an expression;
    - `reliability`: mean similarity of the maps of two halves of the faces at this step: what noise alone leaves;
    - `half_similarity`: of one half's map at this step with the other half's at the reference. A step is as good as the
      reference where this reaches the reference's `reliability`; `similarity` itself is flattered by sharing the faces;
    - `n` (images), `units`; `reason`: why there is no similarity or no interval.

    Resampled maps are compared on a lattice of at most 64 rows. Raises UnknownNameError for other names of `along`,
    `reference` or steps, UsageError for fewer than two steps.
    """
    maps = check(maps, several=True)
    if along not in (MODEL, LAYER):
        raise UnknownNameError("dimension of steps", along, (MODEL, LAYER))
    if reference not in REFERENCES:
        raise UnknownNameError("reference", reference, REFERENCES)
    if not 0 < level < 1:
        raise UsageError(f"the level of an interval is {level!r}; give a number between 0 and 1, such as 0.95")
    whole_numbers(draws=draws, splits=splits, seed=seed)
    single = IMAGE in maps.dims
    names = _steps(maps, along, order)
    known = [str(n) for n in maps[along].values]
    places = np.array([known.index(n) for n in names], dtype=np.intp)
    pixels = _pixels(maps, domain)
    models = list(range(maps.sizes[MODEL])) if along == LAYER else [0]
    shape = (len(models), maps.sizes[EXPLAINER], len(BASIC_EXPRESSIONS), len(names))
    values = {name: np.full(shape, np.nan) for name in _VALUES}
    n, n_units, reason = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, "", object)
    units = units_of(maps) if single else None
    for m in models:
        road = _Road(maps, along, places, m, by)
        for x in range(shape[1]):
            if units is None:
                means = _given(road, x, len(names), pixels)
                reason[m, x] = "no per-image maps, so no interval"
            else:
                means, images = _means(road, x, len(names), normalise, pixels)
                for e, s in np.ndindex(*shape[2:]):
                    n[m, x, e, s] = len(images[e][s])
                    n_units[m, x, e, s] = len(set(units.of[images[e][s]].tolist()))
            _similarities(values, (m, x), means, reference)
            if units is not None:
                for e in range(shape[2]):
                    cell = (m, x, e)
                    wanted = (draws, splits, level, seed)
                    reason[cell] = _resampled(
                        values, cell, road, images[e], normalise, pixels, units, reference, wanted
                    )
            reason[m, x] = np.where(np.isnan(means).all(axis=2), "no usable map", reason[m, x])
    dims = (MODEL, EXPLAINER, EXPRESSION, STEP)
    data: dict[str, Any] = {name: (dims, found) for name, found in values.items()}
    data |= {"n": (dims, n), "units": (dims, n_units), "reason": (dims, reason.astype(str))}
    coords = {
        MODEL: maps[MODEL].values[models],
        EXPLAINER: maps[EXPLAINER].values,
        EXPRESSION: list(BASIC_EXPRESSIONS),
        STEP: names,
    }
    attrs = {
        "along": along,
        "reference": reference,
        "by": by or "",
        "normalise": normalise,
        "unit": units.kind if units else "",
        "level": level,
        "draws": draws,
        "splits": splits,
        "seed": seed,
        "frame": str(maps.attrs.get("frame", "")),
    }
    out = xr.Dataset(data, coords, attrs)
    return out if along == LAYER else out.isel({MODEL: 0}, drop=True)


def _steps(maps: xr.DataArray, along: str, order: Sequence[str] | None) -> list[str]:
    if along not in maps.dims:
        raise UsageError(f"the maps have no dimension {along!r}; make them with explain(…, layers=[…])")
    if along == MODEL and LAYER in maps.dims:
        raise UsageError("the maps have several layers; select one, maps.sel(layer=…), or go along='layer'")
    known = [str(n) for n in maps[along].values]
    names = known if order is None else [str(n) for n in order]
    for name in names:
        if name not in known:
            raise UnknownNameError(along, name, known)
    if len(set(names)) < max(2, len(names)):
        raise UsageError(f"a trajectory needs at least two different steps, not {', '.join(names) or 'none'}")
    return names


def _pixels(maps: xr.DataArray, domain: str | npt.ArrayLike | None) -> npt.NDArray[np.bool_]:
    if isinstance(domain, str):
        return pixels_of(maps, domain)[0]
    found, name = domain_of(maps, domain), str(maps.attrs.get("frame", ""))
    grid = (maps.sizes[Y], maps.sizes[X])
    if found is None and FRAMES.get(name) == grid:
        found = np.asarray(load_frame(name).domain, dtype=bool)
    return np.ones(grid, dtype=bool) if found is None else found


def _given(road: _Road, explainer: int, steps: int, pixels: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Global maps as they are, (expressions, steps, P)."""
    out = np.full((len(BASIC_EXPRESSIONS), steps, int(pixels.sum())), np.nan, np.float32)
    names = [str(e) for e in road.maps[EXPRESSION].values]
    for e, s in np.ndindex(*out.shape[:2]):
        found = road.at(s, BASIC_EXPRESSIONS[e])
        if found is not None and BASIC_EXPRESSIONS[e] in names:
            part, model = found
            place = {MODEL: model, EXPLAINER: explainer, EXPRESSION: names.index(BASIC_EXPRESSIONS[e])}
            out[e, s] = part.isel(place).values[pixels]
    return out


def _means(
    road: _Road, explainer: int, steps: int, normalise: str, pixels: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], list[list[npt.NDArray[np.intp]]]]:
    """Mean maps (expressions, steps, P), and the images behind each."""
    out = np.full((len(BASIC_EXPRESSIONS), steps, int(pixels.sum())), np.nan, np.float32)
    entering: list[list[npt.NDArray[np.intp]]] = []
    for e, name in enumerate(BASIC_EXPRESSIONS):
        entering.append([])
        for s in range(steps):
            images = road.images(s, name, explainer, normalise)
            entering[e].append(images)
            found = road.at(s, name)
            if found is not None and len(images):
                part, model = found
                one = np.ones((1, part.sizes[IMAGE]), np.float32)
                out[e, s] = replicates(part, model, explainer, images, normalise, pixels, one)[0]
    return out, entering


def _reference(step: int, steps: int, reference: str) -> int | None:
    return {"last": steps - 1, "first": 0, "previous": step - 1 if step else None}[reference]


def _similarities(
    values: dict[str, Floats], line: tuple[int, int], means: npt.NDArray[np.float32], reference: str
) -> None:
    count, steps = means.shape[:2]
    for s in range(steps):
        against = _reference(s, steps, reference)
        for e in range(count):
            if against is not None:
                values["similarity"][(*line, e, s)] = correlations(means[e, [s]], means[e, [against]])[0]
            others = np.array([correlations(means[e, [s]], means[k, [s]])[0] for k in range(count) if k != e])
            if np.isfinite(others).any():
                values["between_expressions"][(*line, e, s)] = np.nanmean(others)


def _resampled(
    values: dict[str, Floats],
    cell: tuple[int, int, int],
    road: _Road,
    entering: list[npt.NDArray[np.intp]],
    normalise: str,
    pixels: npt.NDArray[np.bool_],
    units: Units,
    reference: str,
    wanted: tuple[int, int, float, int],
) -> list[str]:
    """Intervals, reliability and half against half, written into `values`; the reason for none, step by step."""
    draws, splits, level, seed = wanted
    steps = len(entering)
    short = [units.shortfall(images) for images in entering]
    said = list(short)
    every = max(1, -(-pixels.shape[0] // _ROWS))
    lattice = np.zeros_like(pixels)
    lattice[every // 2 :: every, every // 2 :: every] = True
    lattice &= pixels
    if lattice.sum() < 2:
        lattice = pixels
    weights = np.concatenate(
        [np.ones((1, len(units.of)), np.float32), draw_weights(units, draws, seed), halves(units, splits, seed)]
    )
    kept: dict[int, npt.NDArray[np.floating[Any]]] = {}

    def drawn(step: int) -> npt.NDArray[np.floating[Any]] | None:
        found = road.at(step, BASIC_EXPRESSIONS[cell[2]])
        if found is None or short[step]:
            return None
        if step not in kept:
            part, model = found
            kept[step] = replicates(part, model, cell[1], entering[step], normalise, lattice, weights)
        return kept[step]

    for s in range(steps):
        here = drawn(s)
        if here is None:
            continue
        one, two = here[1 + draws : 1 + draws + splits], here[1 + draws + splits :]
        if splits:
            values["reliability"][(*cell, s)] = _mean(correlations(one, two))
        against = _reference(s, steps, reference)
        if against is None:
            continue
        there = drawn(against)
        if there is None:
            said[s] = f"the {reference} step: {short[against]}"
            continue
        if splits:
            first, second = there[1 + draws : 1 + draws + splits], there[1 + draws + splits :]
            across = np.concatenate([correlations(one, second), correlations(two, first)])
            values["half_similarity"][(*cell, s)] = _mean(across)
        if draws and against != s:
            r = correlations(here[: 1 + draws], there[: 1 + draws])
            ends = interval(values["similarity"][(*cell, s)], r[0], r[1:], level)
            values["low"][(*cell, s)], values["high"][(*cell, s)] = ends
        for done in [k for k in kept if k not in (s, _reference(steps - 1, steps, reference))]:
            del kept[done]
    return said


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")

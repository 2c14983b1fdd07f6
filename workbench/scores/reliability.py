"""Would other faces of the same people's kind give the same map: halves of the faces against each other."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError, whole_numbers
from workbench.heatmaps import check
from workbench.heatmaps.aggregate import domain_of, usable_cells
from workbench.heatmaps.arithmetic import rule
from workbench.heatmaps.grouping import grouping, groups
from workbench.heatmaps.resampling import Units, replicates_of, units_of
from workbench.scores.grey_rows import foregrounds, grey_rows
from workbench.vocabulary import BASIC_EXPRESSIONS, EXPLAINER, EXPRESSION, IMAGE, MODEL, X, Y

_HALVES_BYTES: Final = 256 * 2**20  # of halves that are held at a time
_MEASURES: Final = ("correlation", "iou", "chance")

Floats = npt.NDArray[np.float64]
Images = npt.NDArray[np.intp]


def reliability(
    maps: xr.DataArray,
    *,
    by: str | None = None,
    normalise: str = "max",
    domain: npt.ArrayLike | None = None,
    threshold: str | float = "otsu",
    splits: int = 100,
    seed: int = 0,
) -> xr.Dataset:
    """Agreement of global heatmaps made of two halves of the faces, over (model, explainer, expression).

    Takes per-image maps and aggregates them by `by` and `normalise` as `global_heatmaps` does. Subjects are halved
    where they are known (images else), all maps of one in one half, `splits` times at random; the split is the same for
    all networks and explainers that saw the same faces. Means over splits, of correlations by Fisher's z:

    - `split_half_correlation`: Pearson's over the domain's pixels; `spearman_brown`: 2r/(1 + r), what it would be
      between two maps of as many faces as there are;
    - `split_half_iou`: of the halves' foregrounds by `threshold`; `chance_split_half_iou`: of independent regions of
      the same areas;
    - `other_split_half_correlation`, `other_split_half_iou`: of one half with the other half of every *other*
      expression. A map that is the same for all expressions is reliable too; only what exceeds these is reliably this
      expression's;
    - `units` (subjects or images), `n` (faces), `reason`: why a cell is NaN, else "".

    Fewer than five units carry no reliability. UsageError for global maps, a threshold that is none, splits below 1,
    and what `global_heatmaps` raises. Source: Spearman 1910, British Journal of Psychology 3; Brown 1910, ibid.
    """
    maps = check(maps)
    if IMAGE not in maps.dims:
        raise UsageError("these maps are global already; reliability() takes maps of single images")
    whole_numbers(1, splits=splits)
    whole_numbers(seed=seed)
    how = rule(threshold)
    d = domain_of(maps, domain)
    pixels = np.ones((maps.sizes[Y], maps.sizes[X]), bool) if d is None else d
    by, units = grouping(maps, by), units_of(maps)
    entered = groups(maps, by)
    order = np.random.default_rng(seed).random((splits, units.count))
    shape = (maps.sizes[MODEL], maps.sizes[EXPLAINER], len(BASIC_EXPRESSIONS))
    n, counted, reason = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, "", object)
    own = {name: np.full(shape, np.nan) for name in _MEASURES}
    other = {name: np.full(shape, np.nan) for name in _MEASURES}
    for m, x in np.ndindex(shape[:2]):
        cells: dict[int, Images] = {}
        numbers = [np.flatnonzero(entered[m] == expression) for expression in BASIC_EXPRESSIONS]
        for e, images in enumerate(usable_cells(maps, m, x, numbers, normalise)):
            n[m, x, e], counted[m, x, e] = len(images), len(set(units.of[images].tolist()))
            reason[m, x, e] = units.shortfall(images)
            if not reason[m, x, e]:
                cells[e] = images
        if not cells:
            continue
        found = _agreements(maps, m, x, list(cells.values()), normalise, pixels, units, order, how)
        for position, e in enumerate(cells):
            rest = [k for k in range(len(cells)) if k != position]
            for name, values in found.items():
                own[name][m, x, e] = _mean(name, values[:, position, position])
                crossed = np.concatenate([values[:, position, rest], values[:, rest, position]], axis=1)
                other[name][m, x, e] = _mean(name, crossed.reshape(-1))
            if np.isnan(own["correlation"][m, x, e]):
                reason[m, x, e] = "the means of halves are constant"
    cell = (MODEL, EXPLAINER, EXPRESSION)
    r = own["correlation"]
    variables: dict[str, Any] = {
        "split_half_correlation": r,
        "spearman_brown": np.where(r > -1, 2 * r / np.where(r > -1, 1 + r, 1), np.nan),
        "split_half_iou": own["iou"],
        "chance_split_half_iou": own["chance"],
        "other_split_half_correlation": other["correlation"],
        "other_split_half_iou": other["iou"],
        "units": counted,
        "n": n,
        "reason": reason.astype(str),
    }
    coords = {
        MODEL: maps[MODEL].values,
        EXPLAINER: maps[EXPLAINER].values,
        EXPRESSION: list(BASIC_EXPRESSIONS),
    }
    attrs = {
        "unit": units.kind,
        "by": by,
        "normalise": normalise,
        "threshold": str(threshold),
        "splits": splits,
        "seed": seed,
    }
    return xr.Dataset({name: (cell, values) for name, values in variables.items()}, coords, attrs)


def halves(units: Units, images: Images, order: Floats) -> npt.NDArray[np.float32]:
    """Weights (2, splits, N) of the images in either half: units whose random number is among the lower half, others.

    order (splits, units). Of an odd number of units the second half has one more.
    """
    present, of = np.unique(units.of[images], return_inverse=True)
    ranks = order[:, present].argsort(axis=1).argsort(axis=1)
    first = (ranks < len(present) // 2)[:, of.reshape(-1)]
    weights = np.zeros((2, len(order), len(units.of)), dtype=np.float32)
    weights[0][:, images], weights[1][:, images] = first, ~first
    return weights


def _agreements(
    maps: xr.DataArray,
    model: int,
    explainer: int,
    cells: list[Images],
    normalise: str,
    pixels: npt.NDArray[np.bool_],
    units: Units,
    order: Floats,
    rule: str | float,
) -> dict[str, Floats]:
    """Of each split, the first half of each cell with the second of each: name → (splits, cells, cells)."""
    step = max(1, _HALVES_BYTES // (2 * len(cells) * int(pixels.sum()) * 4))
    found: dict[str, list[Floats]] = {name: [] for name in _MEASURES}
    for start in range(0, len(order), step):
        part = order[start : start + step]
        weights = [halves(units, images, part)[:, :, images].reshape(2 * len(part), -1) for images in cells]
        means = replicates_of(maps, model, explainer, cells, normalise, pixels, weights)
        made = [mean.reshape(2, len(part), -1) for mean in means]
        for split in range(len(part)):
            first = np.array([means[0, split] for means in made], dtype=np.float64)
            second = np.array([means[1, split] for means in made], dtype=np.float64)
            for name, values in _between(first, second, rule).items():
                found[name].append(values)
    return {name: np.array(values) for name, values in found.items()}


def _between(first: Floats, second: Floats, rule: str | float) -> dict[str, Floats]:
    """Correlation, IoU and its chance of maps (C, P) with others (C, P), where both have data: (C, C) each."""
    known, also = ~np.isnan(first), ~np.isnan(second)
    a, b = _centred(first, known), _centred(second, also)
    k, l = known.astype(np.float64), also.astype(np.float64)  # noqa: E741
    f, g = _bright(first, known, rule), _bright(second, also, rule)
    count = k @ l.T
    with np.errstate(invalid="ignore", divide="ignore"):
        sums, others = a @ l.T, k @ b.T
        covariance = a @ b.T - sums * others / count
        spread, other_spread = a**2 @ l.T - sums**2 / count, k @ (b**2).T - others**2 / count
        flat = (spread <= 1e-12 * (a**2 @ l.T)) | (other_spread <= 1e-12 * (k @ (b**2).T))
        correlation = np.where(flat, np.nan, covariance / np.sqrt(spread * other_spread))
        both, area, other_area = f @ g.T, f @ l.T, k @ g.T
        expected = area * other_area / count
        iou, chance = both / (area + other_area - both), expected / (area + other_area - expected)
    none = (area == 0) | (other_area == 0)
    return {
        "correlation": np.clip(correlation, -1, 1),
        "iou": np.where(none, np.nan, iou),
        "chance": np.where(none, np.nan, chance),
    }


def _centred(values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    filled = np.where(known, values, 0)
    middle = filled.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return np.where(known, filled - middle, 0)


def _bright(values: Floats, known: npt.NDArray[np.bool_], rule: str | float) -> Floats:
    """Foreground (C, P) as 0 and 1, 0 throughout for a constant map."""
    bright = np.zeros(values.shape)
    for row, value, data in zip(bright, values, known, strict=True):
        here = value[data][None]
        if here.size and here.max() > here.min():
            row[data] = foregrounds(here, grey_rows(here), rule)[0]
    return bright


def _mean(name: str, values: Floats) -> float:
    """Mean over splits, by Fisher's z for correlations; NaN where fewer than half of them have a value."""
    known = values[np.isfinite(values)]
    if not len(known) or len(known) < len(values) / 2:
        return float("nan")
    if name != "correlation":
        return float(known.mean())
    return float(np.tanh(np.arctanh(np.clip(known, -1 + 1e-12, 1 - 1e-12)).mean()))

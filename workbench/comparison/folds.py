"""Maps of single folds: how many branches are left when one fold is taken away. Counts, never a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.comparison.comparable import chosen_explainers, comparable, pixels_of
from workbench.comparison.distances import PUBLISHED
from workbench.comparison.linkages import Growth, held, leaf_sets
from workbench.comparison.tree import Clustering, FoldCounts
from workbench.errors import FrameMismatchError, UsageError
from workbench.heatmaps import check, global_heatmaps
from workbench.heatmaps.checks import OK, status_of
from workbench.vocabulary import EXPLAINER, EXPRESSION, IMAGE, MODEL, X, Y

FOLD: Final = "fold"
MINIMUM_FOLDS: Final = 3
NO_REPLICATES: Final = "folds share most of what their networks were trained on: they give counts, no support"


def fold_support(
    maps: xr.DataArray | Mapping[str, xr.DataArray] | Sequence[xr.DataArray],
    *,
    linkage: str = "average",
    distance: str = PUBLISHED,
    explainer: str | None = None,
    domain: str | npt.ArrayLike | None = None,
    by: str | None = None,
    normalise: str = "max",
) -> Clustering:
    """Trees of the mean over folds, each branch with the number of folds that can be removed without losing it.

    maps: one array with a dimension `fold`, or the maps of each fold (named, or counted from 1); global maps, or maps
    of single images, which are aggregated fold by fold. They are averaged as they are, so they must have one scale. A
    network takes part where it has a usable map in every fold, else it is left out and named. `support` stays None:
    F leave-one-out trees overlap in all but one fold and are no resamples.

    Raises UsageError for fewer than 3 folds or two networks, FrameMismatchError for folds of several grids.
    """
    folds = _folds(maps, by, normalise)
    growth = Growth(distance, linkage)
    names = tuple(folds)
    first = folds[names[0]]
    if first.sizes[MODEL] < 2:
        raise UsageError(f"a tree needs at least two networks, and these maps are of one ({first[MODEL].values[0]})")
    chosen = chosen_explainers(first, explainer)
    stack = xr.concat([folds[name].sel({EXPLAINER: chosen}) for name in names], FOLD, join="exact")
    pixels, domain_name = pixels_of(first, domain)
    values, status = stack.values.astype(np.float64), _status(stack.values, names, pixels)
    heat = stack.isel({FOLD: 0}).drop_vars("status", errors="ignore")
    heat = heat.assign_coords(status=((MODEL, EXPLAINER, EXPRESSION), status)).astype(np.float64)
    values[:, status != OK] = np.nan
    whole = heat.copy(data=values.mean(axis=0))
    without = [heat.copy(data=np.delete(values, f, axis=0).mean(axis=0)) for f in range(len(names))]
    trees = {}
    for e, expression in enumerate(heat[EXPRESSION].values):
        found = comparable(whole, e, pixels)
        if found is None:
            continue
        tree = found.tree(growth)
        if len(tree.linkage):
            kept = np.zeros(len(tree.linkage), dtype=int)
            for part in without:
                other = comparable(part, e, pixels)
                grown = None if other is None else other.tree(growth)
                if grown is not None and grown.labels == tree.labels and len(grown.linkage):
                    kept += held(leaf_sets(tree.linkage), grown.linkage)
            tree = replace(tree, folds=FoldCounts(tuple(kept.tolist()), names), reason=NO_REPLICATES)
        trees[str(expression)] = tree
    if not trees:
        raise UsageError("none of these maps can be compared: every map is missing or constant in some fold")
    said = chosen[0] if len(chosen) == 1 else "mean of " + ", ".join(chosen)
    return Clustering(trees, linkage, said, str(first.attrs.get("frame", "")), domain_name, distance)


def _folds(
    maps: xr.DataArray | Mapping[str, xr.DataArray] | Sequence[xr.DataArray], by: str | None, normalise: str
) -> dict[str, xr.DataArray]:
    if isinstance(maps, xr.DataArray):
        if FOLD not in maps.dims:
            raise UsageError(
                f"these maps have no dimension {FOLD!r} ({', '.join(map(str, maps.dims))}); concatenate those of the "
                f"folds along it, or give them as a mapping"
            )
        names = maps[FOLD].values if FOLD in maps.coords else range(1, maps.sizes[FOLD] + 1)
        given = {str(name): maps.isel({FOLD: f}).drop_vars(FOLD, errors="ignore") for f, name in enumerate(names)}
    elif isinstance(maps, Mapping):
        given = {str(name): each for name, each in maps.items()}
    else:
        given = {str(f + 1): each for f, each in enumerate(maps)}
    if len(given) < MINIMUM_FOLDS:
        raise UsageError(f"leaving one fold out needs at least {MINIMUM_FOLDS} folds, and these are {len(given)}")
    folds = {}
    for name, each in given.items():
        each = check(each)
        folds[name] = global_heatmaps(each, by, normalise) if IMAGE in each.dims else each
    first = next(iter(folds.values()))
    for name, each in folds.items():
        for dim in (MODEL, EXPLAINER, EXPRESSION):
            if [str(v) for v in each[dim].values] != [str(v) for v in first[dim].values]:
                raise UsageError(f"the fold {name!r} has other entries along {dim!r} than the first; give all the same")
        same = each.attrs.get("frame", "") == first.attrs.get("frame", "")
        if (each.sizes[Y], each.sizes[X]) != (first.sizes[Y], first.sizes[X]) or not same:
            raise FrameMismatchError(
                f"the fold {name!r} is {each.sizes[Y]}×{each.sizes[X]} on the frame {each.attrs.get('frame', '')!r}, "
                f"the first {first.sizes[Y]}×{first.sizes[X]} on {first.attrs.get('frame', '')!r}; warp them to one"
            )
    return folds


def _status(values: npt.NDArray[np.floating], names: tuple[str, ...], pixels: npt.NDArray[np.bool_]) -> np.ndarray:
    """`ok` where every fold has a usable map, else which has none: (model, explainer, expression)."""
    status = np.full(values.shape[1:4], OK, dtype=object)
    for cell in np.ndindex(*status.shape):
        bad = [n for n, fold in zip(names, values, strict=True) if status_of(fold[cell], pixels) != OK]
        if len(bad) == len(names):
            status[cell] = "there is no map"
        elif bad:
            status[cell] = f"no usable map in fold {', '.join(bad)}"
    return status.astype(str)

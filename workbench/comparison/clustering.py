"""The networks as trees, from how alike their global heatmaps are."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import load_frame
from workbench.comparison.distances import correlation_distances, linkage_of
from workbench.comparison.support import Support
from workbench.comparison.tree import Clustering, Tree
from workbench.errors import UnknownNameError, UsageError, WorkbenchError
from workbench.heatmaps import check, global_heatmaps
from workbench.heatmaps.checks import OK, roles, status_of
from workbench.vocabulary import EXPLAINER, EXPRESSION, IMAGE, MODEL, X, Y

LINKAGES: Final = ("average", "complete", "single", "weighted")
DRAWS: Final = 200
NO_REPLICATES: Final = "no per-image maps"


def cluster(
    maps: xr.DataArray,
    *,
    linkage: str = "average",
    explainer: str | None = None,
    domain: str | npt.ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    by: str | None = None,
    normalise: str = "max",
) -> Clustering:
    """A tree of the networks for each expression, from 1 − Pearson's correlation of their global heatmaps.

    Per-image maps are aggregated here (`by`, `normalise`), and each branch gets its support: the share of `draws`
    resamples of subjects (images where unknown), common to all networks, whose tree holds the same group. Global maps
    give trees whose support is unavailable, with the reason. `domain`: None for the frame's own (every pixel with data
    where the frame is unknown), `"face"`, `"canvas"`, or a boolean (y, x). With several explainers and none chosen,
    the distances are averaged over those that have maps of the most networks. Networks without a usable map are left
    out and named.

    Raises UsageError for an unknown linkage or explainer, or fewer than two networks.
    Source: Gaya-Morey et al. 2024, arXiv 2401.11835 (average linkage on 1 − normalised correlation).
    """
    maps = check(maps)
    if linkage not in LINKAGES:
        raise UnknownNameError("linkage", linkage, LINKAGES)
    names = [str(x) for x in maps[EXPLAINER].values]
    methods = [x for x, role in zip(names, roles(maps), strict=True) if role != "control"]
    if explainer is not None and explainer not in names:
        raise UnknownNameError("explainer", explainer, filter(None, names), "(in these maps)")
    if maps.sizes[MODEL] < 2:
        raise UsageError(
            f"a tree needs at least two networks, and these maps are of one ({maps[MODEL].values[0]}); "
            "explain more, or concatenate maps along 'model'"
        )
    chosen = [explainer] if explainer is not None else methods or names
    maps = maps.sel({EXPLAINER: chosen})
    pixels, domain_name = _pixels(maps, domain)
    single = IMAGE in maps.dims
    heat = global_heatmaps(maps, by, normalise, domain=pixels) if single else maps
    trees = {}
    support = Support(maps, by, normalise, draws, seed, linkage) if single and draws > 0 else None
    for e, expression in enumerate(heat[EXPRESSION].values):
        tree = _tree(heat, e, pixels, linkage)
        if tree is None:
            continue
        if not len(tree.linkage):
            trees[str(expression)] = tree
        elif support is None:
            why = NO_REPLICATES if not single else "no resampling asked for (draws = 0)"
            trees[str(expression)] = replace(tree, support=None, reason=why)
        else:
            trees[str(expression)] = support.of(tree, str(expression), pixels)
    if not trees:
        raise UsageError("none of these maps can be compared: every map is missing or constant")
    said = chosen[0] if len(chosen) == 1 else "mean of " + ", ".join(chosen)
    return Clustering(trees, linkage, said, str(maps.attrs.get("frame", "")), domain_name)


def _pixels(maps: xr.DataArray, domain: str | npt.ArrayLike | None) -> tuple[npt.NDArray[np.bool_], str]:
    grid = (maps.sizes[Y], maps.sizes[X])
    if domain is not None and not isinstance(domain, str):
        given = np.asarray(domain, dtype=bool)
        if given.shape != grid:
            raise UsageError(f"the domain is {'×'.join(map(str, given.shape))} and the maps {grid[0]}×{grid[1]}")
        return given, "given"
    if domain == "canvas":
        return np.ones(grid, dtype=bool), "canvas"
    frame = str(maps.attrs.get("frame", ""))
    try:
        face = load_frame(frame) if frame else None
    except WorkbenchError:
        face = None
    if domain == "face":
        if face is None or face.grid != grid:
            raise UsageError(f"the frame {frame or 'unknown'!r} has no face domain on {grid[0]}×{grid[1]}")
        return np.asarray(face.face_domain, dtype=bool), "face"
    if domain is not None:
        raise UnknownNameError("domain", domain, ("canvas", "face"))
    if face is not None and face.grid == grid:
        found = np.asarray(face.domain, dtype=bool)
        return found, "canvas" if found.all() else frame
    return np.ones(grid, dtype=bool), "canvas"


def _tree(heat: xr.DataArray, e: int, pixels: npt.NDArray[np.bool_], method: str) -> Tree | None:
    models = [str(m) for m in heat[MODEL].values]
    values = heat.isel({EXPRESSION: e}).transpose(MODEL, EXPLAINER, Y, X).values[:, :, pixels]
    state = [[status_of(row) for row in rows] for rows in values]
    usable = [frozenset(m for m in range(len(models)) if state[m][x] == OK) for x in range(values.shape[1])]
    most = max(usable, key=len)
    if not any(usable):
        given = [s for rows in state for s in rows if s != "not computed"]
        return (
            _no_tree((), f"no network has a usable map ({given[0]})", _missing(heat, e, models, state, most))
            if given
            else None
        )
    used = [x for x, has in enumerate(usable) if has == most]
    kept = sorted(most)
    left = _missing(heat, e, models, state, most)
    labels = tuple(models[m] for m in kept)
    if len(kept) < 2:
        return _no_tree(labels, f"only one network has a usable map ({labels[0]})", left)
    shared = ~np.isnan(values[np.ix_(kept, used)]).any(axis=(0, 1))
    distances = np.mean([correlation_distances(values[kept, x][:, shared]) for x in used], axis=0)
    if shared.sum() < 2 or not np.isfinite(distances).all():
        return _no_tree(labels, "the maps share too few pixels with data, or are constant there", left)
    merges, cophenetic = linkage_of(distances, method)
    n = None
    if "n" in heat.coords:
        n = int(heat["n"].isel({EXPRESSION: e}).transpose(MODEL, EXPLAINER).values[np.ix_(kept, used)].min())
    names = tuple(str(heat[EXPLAINER].values[x]) for x in used)
    return Tree(labels, merges, distances, cophenetic, None, "", n, left, names)


def _no_tree(labels: tuple[str, ...], reason: str, left: dict[str, str]) -> Tree:
    return Tree(labels, np.zeros((0, 4)), np.zeros((len(labels), len(labels))), float("nan"), None, reason, None, left)


def _missing(
    heat: xr.DataArray, e: int, models: list[str], state: list[list[str]], kept: frozenset[int]
) -> dict[str, str]:
    left = {}
    for m in sorted(set(range(len(models))) - kept):
        why = next((s for s in state[m] if s != OK), "no map of the chosen explainers")
        if "status" in heat.coords and EXPRESSION in heat["status"].dims:
            said = str(heat["status"].isel({EXPRESSION: e}).transpose(MODEL, EXPLAINER).values[m].flat[0])
            why = why if said == OK else said
        elif "n" in heat.coords and not heat["n"].isel({EXPRESSION: e, MODEL: m}).values.any():
            why = "no usable map enters this expression"
        left[models[m]] = {"constant": "the map is constant", "not computed": "there is no map"}.get(why, why)
    return left

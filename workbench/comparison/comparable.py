"""Which networks, explainers and pixels of one expression can be compared, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import load_frame
from workbench.comparison.distances import Domain, Matrix, Rows
from workbench.comparison.linkages import Growth
from workbench.comparison.tree import Tree
from workbench.errors import UnknownNameError, UsageError, WorkbenchError
from workbench.heatmaps.checks import OK, as_domain, roles, status_of
from workbench.vocabulary import EXPLAINER, EXPRESSION, MODEL, X, Y

TOO_FEW_PIXELS = "the maps share too few pixels with data, or are constant there"


@dataclass(frozen=True)
class Comparable:
    """Maps (X, M, P) of one expression on the pixels of `domain` (y, x) where all have data.

    labels: the M networks; explainers: the X that have a map of each; left_out: other networks, and why. reason: why
        there is nothing to compare, "" where there is.
    """

    labels: tuple[str, ...]
    explainers: tuple[str, ...]
    values: Rows
    domain: Domain
    n: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def tree(self, growth: Growth) -> Tree:
        """The tree, without support; with the reason where there is none."""
        if self.reason:
            return self._none(self.reason)
        distances = growth.distances(self.values, self.domain)
        if not np.isfinite(distances).all():
            return self._none(why_undefined(growth.distance, self.domain))
        merges = growth.tree(distances)
        return Tree(
            self.labels,
            merges,
            distances,
            growth.cophenetic(distances, merges),
            n=self.n,
            left_out=self.left_out,
            explainers=self.explainers,
            leaf_order=growth.leaf_order(distances, merges),
        )

    def _none(self, reason: str) -> Tree:
        count = len(self.labels)
        empty: Matrix = np.zeros((0, 4))
        square: Matrix = np.zeros((count, count))
        return Tree(self.labels, empty, square, float("nan"), None, reason, None, self.left_out)


def why_undefined(distance: str, domain: Domain) -> str:
    """Why maps that vary have no such distance."""
    if distance in ("correlation", "cosine", "spearman", "soft_iou"):
        return TOO_FEW_PIXELS
    height, width = domain.shape
    return f"the distance {distance!r} is undefined on these maps ({height}×{width}, {int(domain.sum())} pixels)"


def comparable(heat: xr.DataArray, e: int, pixels: Domain) -> Comparable | None:
    """What of the expression number `e` of global maps can be compared; None where there is no map of it at all."""
    models = [str(m) for m in heat[MODEL].values]
    values = heat.isel({EXPRESSION: e}).transpose(MODEL, EXPLAINER, Y, X).values[:, :, pixels]
    state = [[status_of(row) for row in rows] for rows in values]
    usable = [frozenset(m for m in range(len(models)) if state[m][x] == OK) for x in range(values.shape[1])]
    most = max(usable, key=len)
    nothing = (), np.zeros((0, 0, 0)), pixels, None
    if not any(usable):
        given = [s for rows in state for s in rows if s != "not computed"]
        why = f"no network has a usable map ({given[0]})" if given else ""
        return Comparable((), *nothing, _missing(heat, e, models, state, most), why) if given else None
    used = [x for x, has in enumerate(usable) if has == most]
    kept = sorted(most)
    left = _missing(heat, e, models, state, most)
    labels = tuple(models[m] for m in kept)
    if len(kept) < 2:
        return Comparable(labels, *nothing, left, f"only one network has a usable map ({labels[0]})")
    shared = ~np.isnan(values[np.ix_(kept, used)]).any(axis=(0, 1))
    domain = pixels.copy()
    domain[pixels] = shared
    both = values[np.ix_(kept, used)][..., shared].transpose(1, 0, 2)
    if shared.sum() < 2 or (np.ptp(both, axis=2) == 0).any():
        return Comparable(labels, *nothing, left, TOO_FEW_PIXELS)
    n = None
    if "n" in heat.coords:
        n = int(heat["n"].isel({EXPRESSION: e}).transpose(MODEL, EXPLAINER).values[np.ix_(kept, used)].min())
    return Comparable(labels, tuple(str(heat[EXPLAINER].values[x]) for x in used), both, domain, n, left)


def chosen_explainers(maps: xr.DataArray, explainer: str | None) -> list[str]:
    """The one asked for, else all methods (controls only where there is nothing else)."""
    names = [str(x) for x in maps[EXPLAINER].values]
    if explainer is not None and explainer not in names:
        raise UnknownNameError("explainer", explainer, filter(None, names), "(in these maps)")
    methods = [x for x, role in zip(names, roles(maps), strict=True) if role != "control"]
    return [explainer] if explainer is not None else methods or names


def pixels_of(maps: xr.DataArray, domain: str | npt.ArrayLike | None) -> tuple[npt.NDArray[np.bool_], str]:
    """Pixels (y, x) that are compared, and what they are called. UsageError where the frame has no such domain."""
    grid = (maps.sizes[Y], maps.sizes[X])
    if domain is not None and not isinstance(domain, str):
        given = as_domain(domain)
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


def _missing(
    heat: xr.DataArray, e: int, models: list[str], state: list[list[str]], kept: frozenset[int]
) -> dict[str, str]:
    left = {}
    for m in sorted(set(range(len(models))) - kept):
        why = next((s for s in state[m] if s != OK), "no map of the chosen explainers")
        if "status" in heat.coords and EXPRESSION in heat["status"].dims:
            said: Any = str(heat["status"].isel({EXPRESSION: e}).transpose(MODEL, EXPLAINER).values[m].flat[0])
            why = why if said == OK else said
        elif "n" in heat.coords and not heat["n"].isel({EXPRESSION: e, MODEL: m}).values.any():
            why = "no usable map enters this expression"
        left[models[m]] = {"constant": "the map is constant", "not computed": "there is no map"}.get(why, why)
    return left

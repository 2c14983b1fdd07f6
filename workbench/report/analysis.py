"""The numbers of a page: global heatmaps, scores per mask set, trees per expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from workbench.figures.branch_numbers import Numbers, numbers_of
from workbench.masks import MaskSet
from workbench.vocabulary import EXPRESSION


@dataclass(frozen=True)
class Tree:
    """One dendrogram's data; `support` is one share for each merge, or None with the `reason`.

    Without a tree (fewer than two networks with a map) `linkage` is empty and `reason` says why. `left_out` names
    networks without a map, and why. numbers: what stands at the branches; order: leaves from top to bottom.
    """

    explainer: str
    expression: str
    labels: tuple[str, ...]
    linkage: np.ndarray
    cophenetic: float = float("nan")
    support: tuple[float, ...] | None = None
    reason: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    numbers: Numbers | None = None
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """heat: global heatmaps. tables: mask set → score table. trees: in order of explainer, expression.

    notes: sentences for the reader (what could not be computed, and why).
    """

    heat: xr.DataArray
    tables: Mapping[str, xr.Dataset]
    trees: tuple[Tree, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def analyse(
    maps: xr.DataArray, masks: Sequence[MaskSet], *, threshold: str | float = "otsu", seed: int = 0
) -> Analysis:
    """Everything that the page prints, computed by the rooms below; `maps` are per image, or global already.

    Every null model for the first mask set by expression, shifts alone for the others.
    """
    from workbench.heatmaps import global_heatmaps
    from workbench.scores import evaluate
    from workbench.scores.significance import DEFAULT_NULLS

    heat = global_heatmaps(maps) if "image" in maps.dims else maps
    tables = {}
    main = next((m.name for m in masks if m.dimension == EXPRESSION), "")
    for mask_set in masks:
        nulls = DEFAULT_NULLS if mask_set.name == main else DEFAULT_NULLS[:1]  # random fields are slow, shifts are not
        tables[mask_set.name] = evaluate(maps, mask_set, threshold=threshold, nulls=nulls, seed=seed)
    trees, notes = grow(maps, heat, seed)
    return Analysis(heat, tables, tuple(trees), tuple(notes))


def methods(heat: xr.DataArray) -> list[str]:
    """Explainers that are methods, not controls."""
    names = [str(e) for e in heat["explainer"].values]
    if "role" not in heat.coords:
        return names
    return [n for n, role in zip(names, heat["role"].values.astype(str), strict=True) if role != "control"]


def grow(maps: xr.DataArray, heat: xr.DataArray, seed: int = 0) -> tuple[list[Tree], list[str]]:
    """Trees of the networks for each explainer and expression; sentences for what has none."""
    from workbench.comparison import cluster
    from workbench.errors import WorkbenchError

    if heat.sizes["model"] < 2:
        return [], ["One network cannot be clustered: dendrograms need at least two."]
    trees, notes = [], []
    for explainer in methods(heat):
        try:
            grown = cluster(maps, explainer=explainer, seed=seed)
        except WorkbenchError as error:
            notes.append(f"No dendrogram for {explainer}: {error}.")
            continue
        for expression, tree in grown.expressions.items():
            trees.append(
                Tree(
                    explainer,
                    str(expression),
                    tuple(tree.labels),
                    np.asarray(tree.linkage, float),
                    float(tree.cophenetic),
                    tree.support,
                    str(tree.reason),
                    dict(tree.left_out),
                    numbers_of(tree),
                    tree.leaf_order,
                )
            )
    return trees, notes

"""The networks as trees, from how alike their global heatmaps are."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy.typing as npt
import xarray as xr

from workbench.comparison.agreement import agreement as agreement_of
from workbench.comparison.comparable import chosen_explainers, comparable, pixels_of
from workbench.comparison.distances import PUBLISHED
from workbench.comparison.linkages import LINKAGES, Growth
from workbench.comparison.support import SUPPORTS, Support
from workbench.comparison.tree import Clustering
from workbench.errors import UnknownNameError, UsageError, whole_numbers
from workbench.heatmaps import check, global_heatmaps
from workbench.heatmaps.checks import of_explainers
from workbench.vocabulary import EXPRESSION, IMAGE, MODEL

__all__ = ["LINKAGES", "cluster"]

DRAWS: Final = 200
NO_REPLICATES: Final = "no per-image maps"


def cluster(
    maps: xr.DataArray,
    *,
    linkage: str = "average",
    distance: str = PUBLISHED,
    support: str = "bootstrap",
    agreement: bool | None = None,
    explainer: str | None = None,
    domain: str | npt.ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    by: str | None = None,
    normalise: str = "max",
    progress: bool = False,
) -> Clustering:
    """A tree of the networks for each expression, from how unlike their global heatmaps are.

    distance: a name of `DISTANCES`, 1 − Pearson's correlation by default. linkage: `average` (as published),
    `complete`, `single`, `weighted`, or `ward` where the distance is Euclidean (UsageError elsewhere; its heights are
    in roots of twice the distance).

    Per-image maps are aggregated here (`by`, `normalise`), and each branch gets its support: the share of `draws`
    resamples of subjects (images where unknown), common to all networks, whose tree holds the same group. With
    support="multiscale" resamples of ten sizes (`draws` of each) give an approximately unbiased p-value beside it,
    for at least 20 subjects (or images). Global maps give trees whose support is unavailable, with the reason; what
    stands beside it is the agreement over distances and linkages, which `agreement` asks for (True), declines (False)
    or leaves to trees without support (None).

    `domain`: None for the frame's own (every pixel with data where the frame is unknown), `"face"`, `"canvas"`, or a
    boolean (y, x). With several explainers and none chosen, the distances are averaged over those that have maps of
    the most networks. Networks without a usable map are left out and named.

    Raises UsageError for an unknown linkage, distance, support or explainer, draws below 0, or fewer than two networks.
    Source: Gaya-Morey et al. 2024, arXiv 2401.11835 (average linkage on 1 − normalised correlation).
    """
    maps = check(maps)
    growth = Growth(distance, linkage)
    if support not in SUPPORTS:
        raise UnknownNameError("support", support, SUPPORTS)
    whole_numbers(draws=draws, seed=seed)
    chosen = chosen_explainers(maps, explainer)
    if maps.sizes[MODEL] < 2:
        raise UsageError(
            f"a tree needs at least two networks, and these maps are of one ({maps[MODEL].values[0]}); "
            "explain more, or concatenate maps along 'model'"
        )
    maps = of_explainers(maps, chosen)
    pixels, domain_name = pixels_of(maps, domain)
    single = IMAGE in maps.dims
    heat = global_heatmaps(maps, by, normalise, domain=pixels) if single else maps
    redraw = None
    if single and draws > 0 and support != "none":
        scaled = support == "multiscale"
        redraw = Support(maps, by, normalise, pixels, growth, draws, seed, scaled=scaled, progress=progress)
    declined = "no resampling asked for " + ("(draws = 0)" if support != "none" else "(support = 'none')")
    trees = {}
    for e, expression in enumerate(heat[EXPRESSION].values):
        found = comparable(heat, e, pixels)
        if found is None:
            continue
        tree = found.tree(growth)
        if len(tree.linkage):
            if redraw is not None:
                tree = redraw.of(tree, str(expression))
            else:
                tree = replace(tree, reason=declined if single else NO_REPLICATES)
            wanted = agreement if agreement is not None else tree.support is None and support != "none"
            if wanted:
                tree = replace(tree, agreement=agreement_of(found, tree.linkage))
        trees[str(expression)] = tree
    if not trees:
        raise UsageError("none of these maps can be compared: every map is missing or constant")
    said = chosen[0] if len(chosen) == 1 else "mean of " + ", ".join(chosen)
    return Clustering(trees, linkage, said, str(maps.attrs.get("frame", "")), domain_name, distance)

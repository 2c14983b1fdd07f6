"""How often two networks fall into one cluster, over redrawn faces or over ways to grow the tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.comparison.agreement import grown
from workbench.comparison.clustering import DRAWS, NO_REPLICATES
from workbench.comparison.comparable import chosen_explainers, comparable, pixels_of
from workbench.comparison.distances import PUBLISHED, Matrix
from workbench.comparison.draws import Redrawn
from workbench.comparison.linkages import Growth, leaf_sets
from workbench.errors import UnknownNameError, UsageError, whole_numbers
from workbench.heatmaps import check, global_heatmaps
from workbench.heatmaps.checks import of_explainers
from workbench.vocabulary import EXPRESSION, IMAGE, MODEL

OVER = ("draws", "combinations")
OTHER = f"other_{MODEL}"


def cut(linkage: Matrix, clusters: int) -> npt.NDArray[np.intp]:
    """The cluster (0 …) of each of the M leaves after the first M − `clusters` merges."""
    count = len(linkage) + 1
    if not 1 <= clusters <= count:
        raise UsageError(f"a tree of {count} networks is cut into 1 to {count} clusters, not {clusters}")
    of = np.arange(count)
    for group in leaf_sets(linkage)[: count - clusters]:
        members = sorted(group)
        of[members] = members[0]
    return np.unique(of, return_inverse=True)[1].reshape(-1)


def together(linkages: Iterable[Matrix], clusters: int) -> tuple[Matrix, float]:
    """Share of the trees in which two of M leaves are in one of `clusters` clusters, (M, M), and its chance level.

    Chance is the mean share over pairs when the leaves of each tree are permuted at random: Σ n(n − 1)/(M(M − 1)) over
    the sizes n of its clusters.
    """
    seen: list[Any] = []
    for linkage in linkages:
        of = cut(linkage, clusters)
        seen.append(of[:, None] == of[None])
    share = np.mean(seen, axis=0)
    count = len(share)
    return share, float((share.sum() - count) / (count * (count - 1)))


def co_clustering(
    maps: xr.DataArray,
    *,
    over: str | None = None,
    clusters: int | Sequence[int] | None = None,
    linkage: str = "average",
    distance: str = PUBLISHED,
    explainer: str | None = None,
    domain: str | npt.ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    by: str | None = None,
    normalise: str = "max",
) -> xr.Dataset:
    """Share of trees that put two networks into one cluster, with the share that chance would give.

    over: "draws", trees of redrawn subjects (or images), for per-image maps; "combinations", trees of every distance
    and linkage on the same maps, which is agreement and no support; None for draws where there are images. clusters:
    into how many the trees are cut (all are cut alike), 2, 3 and 4 by default.

    Returns `share` (expression, clusters, model, other_model), 1 on the diagonal; `chance` (expression, clusters), the
    mean over pairs when each tree's networks are permuted; `trees` (expression), how many there were; `reason`
    (expression), "" or why there is nothing. Networks without a map are NaN. Raises UsageError for draws without
    images.
    """
    maps = check(maps)
    growth = Growth(distance, linkage)
    single = IMAGE in maps.dims
    over = ("draws" if single else "combinations") if over is None else over
    if over not in OVER:
        raise UnknownNameError("kind of trees", over, OVER)
    if over == "draws" and not single:
        raise UsageError(f"there are {NO_REPLICATES}, so nothing can be redrawn; take over='combinations'")
    maps = of_explainers(maps, chosen_explainers(maps, explainer))
    pixels, _ = pixels_of(maps, domain)
    heat = global_heatmaps(maps, by, normalise, domain=pixels) if single else maps
    wanted = [clusters] if isinstance(clusters, int) else list(clusters or (2, 3, 4))
    for each in wanted:
        whole_numbers(2, clusters=each)
    whole_numbers(1, draws=draws)
    whole_numbers(seed=seed)
    models, expressions = [str(m) for m in heat[MODEL].values], [str(e) for e in heat[EXPRESSION].values]
    share = np.full((len(expressions), len(wanted), len(models), len(models)), np.nan)
    chance, trees = np.full(share.shape[:2], np.nan), np.zeros(len(expressions), dtype=int)
    reason = np.full(len(expressions), "there is no map", dtype=object)
    redrawn = Redrawn(maps, by, normalise, pixels, growth) if over == "draws" else None
    for e, expression in enumerate(expressions):
        found = comparable(heat, e, pixels)
        if found is None:
            continue
        tree = found.tree(growth)
        if not len(tree.linkage):
            reason[e] = tree.reason
            continue
        linkages: list[Matrix]
        if redrawn is None:
            linkages, reason[e] = list(grown(found).values()), ""
        else:
            cells = redrawn.cells(tree, expression)
            reason[e] = redrawn.shortfall(cells)
            if reason[e]:
                continue
            weights = redrawn.drawn(None, draws, seed)
            linkages = [each for each in redrawn.linkages(tree, cells, weights) if each is not None]
            if len(linkages) < draws / 2:
                reason[e] = f"only {len(linkages)} of {draws} resamples hold a map of every network"
                continue
        rows = [models.index(label) for label in tree.labels]
        trees[e] = len(linkages)
        for k, count in enumerate(wanted):
            if count <= len(rows):
                share[e, k][np.ix_(rows, rows)], chance[e, k] = together(linkages, count)
    where = (EXPRESSION, "clusters")
    return xr.Dataset(
        {
            "share": ((*where, MODEL, OTHER), share),
            "chance": (where, chance),
            "trees": (EXPRESSION, trees),
            "reason": (EXPRESSION, reason.astype(str)),
        },
        coords={EXPRESSION: expressions, "clusters": wanted, MODEL: models, OTHER: models},
        attrs={
            "over": over,
            "linkage": linkage if over == "draws" else "all",
            "distance": distance if over == "draws" else "all",
        },
    )

"""How many ways of growing a tree give the same branches: all there is to say where one map a network is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from workbench.comparison.comparable import Comparable, why_undefined
from workbench.comparison.distances import DISTANCES, Matrix
from workbench.comparison.linkages import GENERAL, Growth, held, leaf_sets
from workbench.comparison.tree import Agreement


def agreement(
    maps: Comparable, tree: Matrix, *, distances: Sequence[str] | None = None, linkages: Sequence[str] = GENERAL
) -> Agreement:
    """Share of the combinations of `distances` (None: all registered) and `linkages` whose tree has each merge."""
    wanted = leaf_sets(tree)
    hits, named, left = np.zeros(len(wanted)), [], {}
    for name, found in _grown(maps, distances, linkages):
        if isinstance(found, str):
            left[name] = found
            continue
        hits += held(wanted, found)
        named.append(name)
    share = hits / len(named) if named else np.full(len(wanted), np.nan)
    return Agreement((*share[:-1].tolist(), float("nan")), tuple(named), left)


def grown(
    maps: Comparable, distances: Sequence[str] | None = None, linkages: Sequence[str] = GENERAL
) -> dict[str, Matrix]:
    """The tree of each combination, `distance, linkage` → linkage matrix; distances that are undefined left out."""
    return {name: found for name, found in _grown(maps, distances, linkages) if not isinstance(found, str)}


def _grown(
    maps: Comparable, distances: Sequence[str] | None, linkages: Sequence[str]
) -> Iterator[tuple[str, Matrix | str]]:
    for distance in distances if distances is not None else DISTANCES.names():
        between = Growth(distance).distances(maps.values, maps.domain)
        if not np.isfinite(between).all():
            yield distance, why_undefined(distance, maps.domain)
            continue
        for linkage in linkages:
            yield f"{distance}, {linkage}", Growth(distance, linkage).tree(between)

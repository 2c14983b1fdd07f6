"""How a tree is grown from distances: linkages, leaves below each merge, their order on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from workbench.comparison.distances import DISTANCES, PUBLISHED, Domain, Matrix, Rows
from workbench.errors import UnknownNameError, UsageError

GENERAL: Final = ("average", "complete", "single", "weighted")
"""Linkages that any distance allows."""
LINKAGES: Final = (*GENERAL, "ward")


@dataclass(frozen=True)
class Growth:
    """A distance and a linkage; UsageError where the linkage does not suit the distance."""

    distance: str = PUBLISHED
    linkage: str = "average"

    def __post_init__(self) -> None:
        if self.linkage not in LINKAGES:
            raise UnknownNameError("linkage", self.linkage, LINKAGES)
        if self.linkage == "ward" and not DISTANCES[self.distance].value.euclidean:
            suits = ", ".join(entry.name for entry in DISTANCES if entry.value.euclidean)
            raise UsageError(
                f"Ward's linkage needs Euclidean distances, and {self.distance!r} gives none; take the linkage "
                f"'average', or a distance whose root is Euclidean ({suits})"
            )

    def distances(self, values: Rows, domain: Domain) -> Matrix:
        """Mean over explainers of the distances of maps (X, M, P) on the domain's pixels: (M, M)."""
        return np.asarray(np.mean([DISTANCES[self.distance].value.matrix(rows, domain) for rows in values], axis=0))

    def tree(self, distances: Matrix) -> Matrix:
        """SciPy's linkage matrix (M − 1, 4). Ward's is grown from the roots of twice the distances, its heights too."""
        return np.asarray(hierarchy.linkage(self._condensed(distances), self.linkage), dtype=np.float64)

    def cophenetic(self, distances: Matrix, tree: Matrix) -> float:
        """Cophenetic correlation with the distances that the tree was grown from; NaN where it is undefined."""
        condensed = self._condensed(distances)
        if len(distances) < 3 or not np.ptp(condensed) > 0:
            return float("nan")
        return float(hierarchy.cophenet(tree, condensed)[0])

    def leaf_order(self, distances: Matrix, tree: Matrix) -> tuple[int, ...]:
        """Leaves from end to end such that neighbours are as alike as the tree allows; its heights stay.

        Source: Bar-Joseph, Gifford & Jaakkola 2001, Bioinformatics 17 (SciPy's `optimal_leaf_ordering`).
        """
        if len(distances) < 3:
            return tuple(range(len(distances)))
        turned = hierarchy.optimal_leaf_ordering(tree, self._condensed(distances))
        return tuple(int(leaf) for leaf in hierarchy.leaves_list(turned))

    def _condensed(self, distances: Matrix) -> Matrix:
        condensed = squareform(distances, checks=False)
        return np.sqrt(2 * np.maximum(condensed, 0)) if self.linkage == "ward" else np.asarray(condensed)


def leaf_sets(linkage: Matrix) -> list[frozenset[int]]:
    """The leaves below each merge of a linkage matrix, in order of merges."""
    count = len(linkage) + 1
    below = [frozenset([i]) for i in range(count)]
    for left, right, *_ in linkage:
        below.append(below[int(left)] | below[int(right)])
    return below[count:]


def held(wanted: list[frozenset[int]], linkage: Matrix) -> list[bool]:
    """Which of the groups of leaves are groups of that tree."""
    seen = set(leaf_sets(linkage))
    return [group in seen for group in wanted]

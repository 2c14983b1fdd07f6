"""What a clustering is: one tree an expression, with what is known of its branches or the reason why nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.comparison.distances import DISTANCES, PUBLISHED
from workbench.comparison.multiscale import Multiscale
from workbench.errors import UnknownNameError

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Share of ways to grow a tree that give each branch.

    share: for each merge, NaN for the root. combinations: the ways, as `distance, linkage`; the tree's own may be among
        them. left_out: distances that these maps do not have, and why.
    This is no support: all trees are of the same maps, and nothing says how they would change with other faces.
    """

    share: tuple[float, ...]
    combinations: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        return {
            "share": _plain(self.share),
            "combinations": list(self.combinations),
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True)
class FoldCounts:
    """For each merge (the root too) how many of the trees without one fold hold it; `folds` names those removed."""

    kept: tuple[int, ...]
    folds: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"kept": list(self.kept), "folds": list(self.folds)}


@dataclass(frozen=True)
class Tree:
    """The networks' tree for one expression.

    labels: order of rows of `distances` (M, M) and leaf numbers in `linkage` (M − 1, 4), SciPy's.
    cophenetic: cophenetic correlation; NaN for two networks. support: for each merge the share of bootstrap draws
        whose tree holds the same group of leaves (NaN for the root, which holds them all), or None; then `reason` says
        why.
    n: images behind the map of the network with the fewest; None where unknown. left_out: networks without a map, and
        why.
    explainers: those whose distances were averaged. Where there is no tree, `labels` is what was left and `reason`
        says why.
    leaf_order: leaves from end to end, neighbours as alike as the tree allows.
    units, unit: how many subjects or images were drawn from (of the network with the fewest), and which of the two;
        draws: trees behind each share.
    multiscale: for each merge but the root the multiscale bootstrap, or None; then `multiscale_reason` says why.
    agreement: over distances and linkages, where it was asked for or there are no replicates. folds: leave-one-out
        counts, from `fold_support`.
    """

    labels: tuple[str, ...]
    linkage: Matrix
    distances: Matrix
    cophenetic: float
    support: tuple[float, ...] | None = None
    reason: str = ""
    n: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    explainers: tuple[str, ...] = ()
    leaf_order: tuple[int, ...] = ()
    units: int | None = None
    unit: str = ""
    draws: int = 0
    multiscale: tuple[Multiscale | None, ...] | None = None
    multiscale_reason: str = ""
    agreement: Agreement | None = None
    folds: FoldCounts | None = None

    def __repr__(self) -> str:
        if not len(self.linkage):
            return f"Tree(none: {self.reason})"
        if self.support is None:
            support = f"unavailable ({self.reason})"
        else:
            support = f"from {self.units} {self.unit}s" if self.units else "given"
        more = ["multiscale p"] if self.multiscale else []
        more += [f"no multiscale p: {self.multiscale_reason}"] if self.multiscale_reason and self.support else []
        more += [f"counts over {len(self.folds.folds)} folds"] if self.folds else []
        combinations = len(self.agreement.combinations) if self.agreement else 0
        more += [f"agreement over {combinations} combinations of distance and linkage"] if combinations else []
        beside = f"; {', '.join(more)}" if more else ""
        return f"Tree({len(self.labels)} networks, top merge {self.linkage[-1, 2]:.3f}, support {support}{beside})"

    def as_dict(self) -> dict[str, Any]:
        """As `workbench cluster --json` prints it; NaN is None."""
        return {
            "labels": list(self.labels),
            "linkage": self.linkage.tolist(),
            "distances": self.distances.tolist(),
            "cophenetic": None if np.isnan(self.cophenetic) else self.cophenetic,
            "leaf_order": list(self.leaf_order),
            "support": None if self.support is None else _plain(self.support),
            "reason": self.reason,
            "units": self.units,
            "unit": self.unit or None,
            "draws": self.draws,
            "multiscale": (
                None
                if self.multiscale is None
                else [None if each is None else each.as_dict() for each in self.multiscale]
            ),
            "multiscale_reason": self.multiscale_reason,
            "agreement": None if self.agreement is None else self.agreement.as_dict(),
            "folds": None if self.folds is None else self.folds.as_dict(),
            "n": self.n,
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True)
class Clustering:
    """One tree an expression: `clustering["anger"]`, or `expressions`, a mapping from names to trees.

    method: the linkage; distance: a name of `DISTANCES`.
    """

    expressions: Mapping[str, Tree]
    method: str
    explainer: str
    frame: str
    domain: str
    distance: str = PUBLISHED

    def __getitem__(self, expression: str) -> Tree:
        if expression not in self.expressions:
            raise UnknownNameError("tree", expression, self.expressions)
        return self.expressions[expression]

    def __iter__(self) -> Iterator[str]:
        return iter(self.expressions)

    def __len__(self) -> int:
        return len(self.expressions)

    @property
    def words(self) -> str:
        """The distance as an axis names it; Ward's heights are in roots of twice the distance."""
        words = DISTANCES[self.distance].value.words
        return f"Ward, of √(2 · ({words}))" if self.method == "ward" else words

    def __repr__(self) -> str:
        lines = [f"  {name}: {tree!r}" for name, tree in self.expressions.items()]
        of = f", {self.explainer}" if self.explainer else ""
        words = DISTANCES[self.distance].value.words
        return "\n".join([f"Clustering({self.method} linkage on {words}{of})", *lines])

    def as_dict(self) -> dict[str, Any]:
        """The document of `workbench cluster --json`; `left_out` names expressions without a tree, and why."""
        return {
            "expressions": {name: tree.as_dict() for name, tree in self.expressions.items() if len(tree.linkage)},
            "left_out": {name: tree.reason for name, tree in self.expressions.items() if not len(tree.linkage)},
            "linkage": self.method,
            "distance": self.distance,
            "explainer": self.explainer or None,
            "frame": self.frame,
            "domain": self.domain,
        }


def _plain(shares: tuple[float, ...]) -> list[float | None]:
    return [None if np.isnan(s) else float(s) for s in shares]

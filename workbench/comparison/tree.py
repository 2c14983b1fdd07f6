"""What a clustering is: one tree an expression, with the support of its branches or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import UnknownNameError

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """The networks' tree for one expression.

    labels: order of rows of `distances` (M, M), 1 − Pearson's correlation, and leaf numbers in `linkage` (M − 1, 4),
        SciPy's.
    cophenetic: cophenetic correlation; NaN for two networks. support: for each merge the share of bootstrap draws
        whose tree holds the same group of leaves (NaN for the root, which holds them all), or None; then `reason` says
        why.
    n: images behind the map of the network with the fewest; None where unknown. left_out: networks without a map, and
        why.
    explainers: those whose distances were averaged. Where there is no tree, `labels` is what was left and `reason`
        says why.
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

    def __repr__(self) -> str:
        if not len(self.linkage):
            return f"Tree(none: {self.reason})"
        support = f"unavailable ({self.reason})" if self.support is None else "given"
        return f"Tree({len(self.labels)} networks, top merge {self.linkage[-1, 2]:.3f}, support {support})"

    def as_dict(self) -> dict[str, Any]:
        """As `workbench cluster --json` prints it; NaN is None."""
        return {
            "labels": list(self.labels),
            "linkage": self.linkage.tolist(),
            "distances": self.distances.tolist(),
            "cophenetic": None if np.isnan(self.cophenetic) else self.cophenetic,
            "support": None if self.support is None else [None if np.isnan(s) else s for s in self.support],
            "reason": self.reason,
            "n": self.n,
            "left_out": dict(self.left_out),
        }


@dataclass(frozen=True)
class Clustering:
    """One tree an expression: `clustering["anger"]`, or `expressions`, a mapping from names to trees."""

    expressions: Mapping[str, Tree]
    method: str
    explainer: str
    frame: str
    domain: str

    def __getitem__(self, expression: str) -> Tree:
        if expression not in self.expressions:
            raise UnknownNameError("tree", expression, self.expressions)
        return self.expressions[expression]

    def __iter__(self) -> Iterator[str]:
        return iter(self.expressions)

    def __len__(self) -> int:
        return len(self.expressions)

    def __repr__(self) -> str:
        lines = [f"  {name}: {tree!r}" for name, tree in self.expressions.items()]
        of = f", {self.explainer}" if self.explainer else ""
        return "\n".join([f"Clustering({self.method} linkage on 1 − correlation{of})", *lines])

    def as_dict(self) -> dict[str, Any]:
        """The document of `workbench cluster --json`; `left_out` names expressions without a tree, and why."""
        return {
            "expressions": {name: tree.as_dict() for name, tree in self.expressions.items() if len(tree.linkage)},
            "left_out": {name: tree.reason for name, tree in self.expressions.items() if not len(tree.linkage)},
            "linkage": self.method,
            "explainer": self.explainer or None,
            "frame": self.frame,
            "domain": self.domain,
        }

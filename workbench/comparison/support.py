"""Bootstrap support of branches: how often a group of networks comes back when the faces are drawn anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.comparison.distances import correlation_distances, leaf_sets, linkage_of
from workbench.comparison.tree import Tree
from workbench.heatmaps.aggregate import groups, usable
from workbench.heatmaps.resampling import draw_weights, replicates, units_of
from workbench.vocabulary import EXPLAINER, MODEL


class Support:
    """Bootstrap support of branches: one set of draws for all networks, explainers and expressions."""

    def __init__(self, maps: xr.DataArray, by: str | None, normalise: str, draws: int, seed: int, method: str) -> None:
        self.maps, self.normalise, self.method = maps, normalise, method
        self.units, self.entered = units_of(maps), groups(maps, by)
        self.weights = draw_weights(self.units, draws, seed)
        self.models = [str(m) for m in maps[MODEL].values]
        self.names = [str(x) for x in maps[EXPLAINER].values]

    def _images(self, model: int, explainer: int, expression: str) -> npt.NDArray[np.intp]:
        images = np.flatnonzero(self.entered[model] == expression)
        return usable(self.maps, model, explainer, images, self.normalise)

    def of(self, tree: Tree, expression: str, pixels: npt.NDArray[np.bool_]) -> Tree:
        """The tree with the support of each merge, or with the reason why there is none."""
        cells = [(self.models.index(label), self.names.index(x)) for x in tree.explainers for label in tree.labels]
        images = [self._images(m, x, expression) for m, x in cells]
        for (m, _), chosen in zip(cells, images, strict=True):
            if short := self.units.shortfall(chosen):
                return replace(tree, support=None, reason=f"{short}, for {self.models[m]}")
        means = [
            replicates(self.maps, m, x, chosen, self.normalise, pixels, self.weights)
            for (m, x), chosen in zip(cells, images, strict=True)
        ]
        wanted, count = leaf_sets(tree.linkage), len(tree.labels)
        hits, valid = np.zeros(len(wanted)), 0
        for r in range(len(self.weights)):
            rows = np.stack([mean[r] for mean in means]).reshape(len(tree.explainers), count, -1)
            shared = ~np.isnan(rows).any(axis=(0, 1))
            if shared.sum() < 2:
                continue
            distances = np.mean([correlation_distances(part[:, shared]) for part in rows], axis=0)
            if not np.isfinite(distances).all():
                continue
            seen = set(leaf_sets(linkage_of(distances, self.method)[0]))
            hits += [group in seen for group in wanted]
            valid += 1
        if valid < len(self.weights) / 2:
            why = f"only {valid} of {len(self.weights)} resamples hold a map of every network"
            return replace(tree, support=None, reason=why)
        shares = [float(h / valid) for h in hits]
        shares[-1] = float("nan")
        return replace(tree, support=tuple(shares), reason="")

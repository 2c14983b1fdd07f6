"""Trees of redrawn faces: whole subjects (images where unknown), the same draw for all networks; never pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.comparison.distances import Domain, Matrix
from workbench.comparison.linkages import Growth
from workbench.comparison.measures.rows import stretched
from workbench.comparison.tree import Tree
from workbench.heatmaps.aggregate import usable
from workbench.heatmaps.grouping import groups
from workbench.heatmaps.resampling import replicates, units_of
from workbench.vocabulary import EXPLAINER, MODEL

_BLOCK_BYTES: Final = 256 * 2**20

Weights = npt.NDArray[np.float32]
Cells = list[tuple[int, int, npt.NDArray[np.intp]]]
"""Number of a network, number of an explainer, and the images that enter their map."""


class Redrawn:
    """Per-image maps from which trees are grown anew under weights of the images."""

    def __init__(self, maps: xr.DataArray, by: str | None, normalise: str, pixels: Domain, growth: Growth) -> None:
        self.maps, self.normalise, self.pixels, self.growth = maps, normalise, pixels, growth
        self.units, self.entered = units_of(maps), groups(maps, by)
        self._kept: dict[tuple[int, int], npt.NDArray[np.intp]] = {}
        self._models = [str(m) for m in maps[MODEL].values]
        self._names = [str(x) for x in maps[EXPLAINER].values]

    def cells(self, tree: Tree, expression: str) -> Cells:
        """Number of the network and of the explainer, and the images that enter, for each map of the tree."""
        found = []
        for x in (self._names.index(name) for name in tree.explainers):
            for m in (self._models.index(label) for label in tree.labels):
                good = self._usable(m, x)
                found.append((m, x, good[self.entered[m][good] == expression]))
        return found

    def _usable(self, m: int, x: int) -> npt.NDArray[np.intp]:
        if (m, x) not in self._kept:  # read once for all expressions
            images = np.flatnonzero(self.entered[m] != "")
            self._kept[m, x] = usable(self.maps, m, x, images, self.normalise)
        return self._kept[m, x]

    def shortfall(self, cells: Cells) -> str:
        """Why these maps cannot be redrawn, naming the network; "" where they can."""
        for m, _, images in cells:
            if short := self.units.shortfall(images):
                return f"{short}, for {self._models[m]}"
        return ""

    def fewest(self, cells: Cells) -> int:
        """Units behind the map that has the fewest."""
        return min(len(set(self.units.of[images].tolist())) for _, _, images in cells)

    def drawn(self, units: int | None, draws: int, seed: int) -> Weights:
        """How often each image is drawn, (draws, N), when `units` of the units (None: as many as there are) are."""
        rng = np.random.default_rng(seed)
        count = self.units.count
        taken = rng.multinomial(count if units is None else units, np.full(count, 1 / count), size=draws)
        return np.asarray(taken[:, self.units.of], dtype=np.float32)

    def linkages(self, tree: Tree, cells: Cells, weights: Weights) -> Iterator[Matrix | None]:
        """The linkage matrix of each draw, leaves numbered as the tree's; None where a draw lacks a network's map."""
        size = max(1, _BLOCK_BYTES // (len(cells) * int(self.pixels.sum()) * 4))
        for start in range(0, len(weights), size):
            part = weights[start : start + size]
            means = [replicates(self.maps, m, x, i, self.normalise, self.pixels, part) for m, x, i in cells]
            for r in range(len(part)):
                yield self._grown(np.stack([mean[r] for mean in means]), tree)

    def _grown(self, rows: npt.NDArray[np.floating], tree: Tree) -> Matrix | None:
        shared = ~np.isnan(rows).any(axis=0)
        if shared.sum() < 2:
            return None
        domain = self.pixels.copy()
        domain[self.pixels] = shared
        if not shared.all():
            rows = rows[:, shared]
        if self.growth.distance != "correlation":  # which does not change with it
            rows = stretched(rows)  # as `global_heatmaps` gives them
        maps = rows.reshape(len(tree.explainers), len(tree.labels), -1)
        if not np.ptp(maps, axis=2).all():
            return None
        distances = self.growth.distances(maps, domain)
        return self.growth.tree(distances) if np.isfinite(distances).all() else None

"""Bootstrap support of branches: how often a group of networks comes back when the faces are drawn anew."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from workbench.comparison.distances import Domain
from workbench.comparison.draws import Cells, Redrawn, Weights
from workbench.comparison.linkages import Growth, held, leaf_sets
from workbench.comparison.multiscale import MINIMUM_UNITS, SCALES, Multiscale, multiscale
from workbench.comparison.tree import Tree

SUPPORTS: Final = ("bootstrap", "multiscale", "none")


class Support:
    """Support of the branches of all trees of a clustering: one set of draws for all networks and expressions."""

    def __init__(
        self,
        maps: xr.DataArray,
        by: str | None,
        normalise: str,
        pixels: Domain,
        growth: Growth,
        draws: int,
        seed: int,
        *,
        scaled: bool,
        progress: bool = False,
    ) -> None:
        self.redrawn = Redrawn(maps, by, normalise, pixels, growth)
        self.draws, self.seed, self.scaled, self.progress = draws, seed, scaled, progress
        self._whole = self.redrawn.drawn(None, draws, seed)

    def of(self, tree: Tree, expression: str) -> Tree:
        """The tree with the support of each merge, or with the reason why there is none."""
        cells = self.redrawn.cells(tree, expression)
        units, unit = self.redrawn.fewest(cells), self.redrawn.units.kind
        tree = replace(tree, units=units, unit=unit)
        if short := self.redrawn.shortfall(cells):
            return replace(tree, reason=short, multiscale_reason=short if self.scaled else "")
        sizes = self._sizes() if self.scaled and units >= MINIMUM_UNITS else {}
        total = self.draws * (1 + len([m for m in sizes if m != self.redrawn.units.count]))
        with tqdm(
            total=total,
            desc=f"{expression}: trees of redrawn faces",
            unit="tree",
            file=sys.stderr,
            disable=None if self.progress else True,
            leave=False,
        ) as bar:
            shares, valid = self._shares(tree, cells, self._whole, bar)
            if valid < self.draws / 2:
                why = f"only {valid} of {self.draws} resamples hold a map of every network"
                return replace(tree, reason=why, multiscale_reason=why if self.scaled else "")
            tree = replace(tree, support=(*shares[:-1].tolist(), float("nan")), reason="", draws=valid)
            if not self.scaled:
                return tree
            if not sizes:
                short = f"at least {MINIMUM_UNITS} {unit}s are needed, and there are {units}"
                return replace(tree, multiscale_reason=short)
            found, counts = [], []
            for k, m in enumerate(sizes):
                if m == self.redrawn.units.count:
                    found.append(shares)
                    counts.append(valid)
                    continue
                weights = self.redrawn.drawn(m, self.draws, self.seed + 1 + k)
                each, count = self._shares(tree, cells, weights, bar)
                found.append(each)
                counts.append(count)
        table = np.stack(found)
        fitted: list[Multiscale | None] = [
            multiscale(np.nan_to_num(table[:, merge]), list(sizes.values()), counts)
            for merge in range(len(tree.linkage) - 1)
        ]
        return replace(tree, multiscale=(*fitted, None))

    def _sizes(self) -> dict[int, float]:
        """Units drawn → relative size r, one for each of `SCALES`."""
        count = self.redrawn.units.count
        return {m: m / count for m in (round(scale * count) for scale in SCALES)}

    def _shares(self, tree: Tree, cells: Cells, weights: Weights, bar: tqdm[Any]) -> tuple[npt.NDArray[Any], int]:
        """Share of the draws that hold each merge, and how many draws gave a tree."""
        wanted = leaf_sets(tree.linkage)
        hits, valid = np.zeros(len(wanted)), 0
        for linkage in self.redrawn.linkages(tree, cells, weights):
            bar.update()
            if linkage is not None:
                hits += held(wanted, linkage)
                valid += 1
        return (hits / valid if valid else np.full(len(wanted), np.nan)), valid

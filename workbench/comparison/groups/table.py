"""Where the results of every cell are collected, corrected for all that was looked at, and named."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.comparison.groups.arrangements import Arrangements
from workbench.comparison.groups.contrast import Contrast
from workbench.comparison.groups.equal import EqualN
from workbench.comparison.groups.levels import Levels
from workbench.comparison.groups.testing import Tested
from workbench.comparison.groups.units import Grid, Means
from workbench.masks import MaskSet
from workbench.statistics.multiplicity import benjamini_hochberg, least_at_smallest
from workbench.vocabulary import BASIC_EXPRESSIONS, EXPLAINER, EXPRESSION, MODEL, X, Y

CONTRAST: Final = "contrast"
CELL: Final = (MODEL, EXPLAINER, EXPRESSION, CONTRAST)
MINUS: Final = " − "
_MAPS: Final = (
    "difference",
    "effect",
    "t",
    "p",
    "p_max",
    "cluster_p",
    "equal_n_difference",
    "equal_n_low",
    "equal_n_high",
)
_NUMBERS: Final = (
    "p_differ",
    "rms",
    "null_rms",
    "null_rms_upper",
    "equal_n_rms",
    "equal_n_rms_low",
    "equal_n_rms_high",
    "resolution",
)
_COUNTS: Final = ("units_first", "units_second", "units_in_both", "images_first", "images_second", "arrangements")
_WORDS: Final = ("design", "reason", "equal_n_reason")
_OF_REGIONS: Final = ("region_difference", "region_effect", "region_p", "region_p_max")

Cell = tuple[int, int, int, int]


class Table:
    """Arrays of every variable of `compare_groups`, filled cell by cell."""

    def __init__(self, maps: xr.DataArray, levels: Levels, grid: Grid, masks: MaskSet | None) -> None:
        self.grid, self.levels, self.masks = grid, levels, masks
        self.models, self.explainers = maps[MODEL].values, maps[EXPLAINER].values
        self.shape = (len(self.models), len(self.explainers), len(BASIC_EXPRESSIONS), len(levels.contrasts))
        self.maps = {name: np.full((*self.shape, *grid.shape), np.nan, np.float32) for name in _MAPS}
        self.cluster = np.zeros((*self.shape, *grid.shape), np.int32)
        self.numbers = {name: np.full(self.shape, np.nan) for name in _NUMBERS}
        self.numbers |= {name: np.zeros(self.shape, np.int64) for name in _COUNTS}
        self.words = {name: np.full(self.shape, "", object) for name in _WORDS}
        count = len(masks.names) if masks else 0
        self.regions = {name: np.full((*self.shape, count), np.nan) for name in _OF_REGIONS}

    def counts(self, cell: Cell, one: Means, other: Means, first: Means, second: Means, design: str) -> None:
        """How many units and images there are; `first` and `second` are what is tested of `one` and `other`."""
        found = (len(first.unit), len(second.unit), len(np.intersect1d(one.unit, other.unit)), one.images, other.images)
        for name, value in zip(_COUNTS, found, strict=False):
            self.numbers[name][cell] = value
        self.words["design"][cell] = design

    def skip(self, cell: Cell | tuple[int, int, int, slice], reason: str) -> None:
        """No test in this cell."""
        self.words["reason"][cell] = self.words["equal_n_reason"][cell] = reason

    def skip_equal(self, cell: Cell, reason: str) -> None:
        """No equal-n resampling in this cell."""
        self.words["equal_n_reason"][cell] = reason

    def fill(self, cell: Cell, contrast: Contrast, found: Tested, arrangements: Arrangements) -> None:
        """The difference map and its tests."""
        self._put(cell, difference=contrast.difference, effect=contrast.hedges_g())
        self._put(cell, t=found.t, p=found.p, p_max=found.p_max, cluster_p=found.cluster_p)
        self.cluster[cell][self.grid.inside] = found.label
        for name in ("p_differ", "rms", "null_rms", "null_rms_upper"):
            self.numbers[name][cell] = getattr(found, name)
        self.numbers["arrangements"][cell] = len(arrangements.weights)
        self.numbers["resolution"][cell] = arrangements.resolution

    def fill_equal(self, cell: Cell, found: EqualN) -> None:
        """The differences of equally large subsamples."""
        self._put(cell, equal_n_difference=found.mean, equal_n_low=found.low, equal_n_high=found.high)
        for name in ("rms", "rms_low", "rms_high"):
            self.numbers[f"equal_n_{name}"][cell] = getattr(found, name)

    def fill_regions(
        self,
        cell: Cell,
        difference: npt.NDArray[np.float64],
        effect: npt.NDArray[np.float64],
        p: npt.NDArray[np.float64],
        p_max: npt.NDArray[np.float64],
    ) -> None:
        """Differences of regions and their tests."""
        for name, values in zip(_OF_REGIONS, (difference, effect, p, p_max), strict=True):
            self.regions[name][cell] = values

    def _put(self, cell: Cell, **values: npt.NDArray[np.float64]) -> None:
        for name, found in values.items():
            self.maps[name][cell][self.grid.inside] = found

    def dataset(self) -> xr.Dataset:
        """All of it, with what is corrected over the whole call."""
        data: dict[str, Any] = {name: ((*CELL, Y, X), values) for name, values in self.maps.items()}
        data["cluster"] = ((*CELL, Y, X), self.cluster)
        data |= {name: (CELL, values) for name, values in self.numbers.items()}
        data |= {name: (CELL, values.astype(str)) for name, values in self.words.items()}
        tests = int(np.isfinite(self.numbers["p_differ"]).sum())
        data["p_differ_bh"] = (CELL, benjamini_hochberg(self.numbers["p_differ"]))
        data["p_everywhere"] = ((*CELL, Y, X), np.minimum(self.maps["p_max"] * max(tests, 1), 1))
        region_tests = 0
        coords: dict[str, Any] = {
            MODEL: self.models,
            EXPLAINER: self.explainers,
            EXPRESSION: list(BASIC_EXPRESSIONS),
            CONTRAST: [MINUS.join(pair) for pair in self.levels.contrasts],
            "first": (CONTRAST, [a for a, _ in self.levels.contrasts]),
            "second": (CONTRAST, [b for _, b in self.levels.contrasts]),
            Y: self.grid.y,
            X: self.grid.x,
            "domain": ((Y, X), self.grid.inside),
        }
        if self.masks is not None:
            name = self.masks.dimension
            data |= {key: ((*CELL, name), values) for key, values in self.regions.items()}
            data["region_p_bh"] = ((*CELL, name), benjamini_hochberg(self.regions["region_p"]))
            region_tests = int(np.isfinite(self.regions["region_p"]).sum())
            coords[name] = self.masks.names
        attrs = {"tests": tests, "region_tests": region_tests}
        if tests:
            attrs["needed"] = least_at_smallest(float(np.nanmax(self.numbers["resolution"])), tests)
        return xr.Dataset(data, coords, attrs)

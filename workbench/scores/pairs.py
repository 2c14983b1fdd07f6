"""Each global map beside the masks that are its own, for tables that look at more than one threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from workbench.errors import UsageError
from workbench.heatmaps import check, global_heatmaps
from workbench.masks import MaskSet, by_class
from workbench.scores.cell import unusable
from workbench.scores.domains import Domain, domain_name, domain_of, same_frame
from workbench.scores.table import CELL
from workbench.vocabulary import EXPLAINER, EXPRESSION, IMAGE, MODEL

Pixels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """One map against its own masks, where it has data: `values` (P,), `masks` (K, P), `counted` (y, x) bool.

    at: indices of model, explainer and expression.
    """

    at: tuple[int, int, int]
    values: Floats
    masks: Pixels
    counted: Pixels


class Pairs:
    """The maps and masks of one call; `reason` fills while `each` runs."""

    def __init__(
        self, maps: xr.DataArray, masks: MaskSet, domain: Domain, by: str | None = None, normalise: str = "max"
    ) -> None:
        maps = check(maps)
        if not isinstance(masks, MaskSet):
            raise UsageError(f"masks are a MaskSet, not {type(masks).__name__}; make it with load_masks(…)")
        self.masks = by_class(masks)
        same_frame(maps, self.masks)
        self.domain = domain_of(domain, self.masks)
        self.heat = global_heatmaps(maps, by, normalise, domain=self.domain) if IMAGE in maps.dims else maps
        self.inside = np.asarray(self.masks.maps.values) >= 0.5
        self.expressions = [str(e) for e in self.heat[EXPRESSION].values]
        self.own = self.masks.dimension == EXPRESSION
        self.shape = tuple(self.heat.sizes[d] for d in CELL)
        self.reason = np.full(self.shape, "", dtype=object)
        self.attrs = {
            "frame": self.masks.frame,
            "masks": self.masks.name,
            "domain": domain_name(domain, self.masks),
            "domain_pixels": int(self.domain.sum()),
            "policy": str(self.heat.attrs.get("policy", "")),
        }

    def each(self, what: str) -> Iterator[Pair]:
        """Every map that can be scored, under a progress bar that says `what`."""
        cells = list(np.ndindex(*self.shape))
        quiet = True if len(cells) < 12 else None  # no bar for what is quick, nor into files and pipes
        for m, x, e in tqdm(cells, desc=what, unit="map", leave=False, disable=quiet):
            chosen = self._columns(e)
            values = np.asarray(self.heat.isel({MODEL: m, EXPLAINER: x, EXPRESSION: e}).values, dtype=np.float64)
            counted = self.domain & ~np.isnan(values)
            self.reason[m, x, e] = why = self._why_not(values, counted, e, chosen)
            if not why:
                yield Pair((m, x, e), values[counted], self.inside[chosen][:, counted], counted)

    def _columns(self, e: int) -> list[int]:
        names = self.masks.names
        return [k for k, name in enumerate(names) if name == self.expressions[e]] if self.own else [*range(len(names))]

    def _why_not(self, values: Floats, counted: Pixels, e: int, chosen: list[int]) -> str:
        if not chosen:
            return f"{self.masks.name!r} has no mask for {self.expressions[e]}"
        return unusable(values, self.domain, float(counted.sum() / self.domain.sum()))

    def empty(self, *more: int) -> Floats:
        """NaN for every map and each of its own masks (models, explainers, expressions, masks, *more)."""
        return np.full((*self.shape, 1 if self.own else len(self.masks.names), *more), np.nan)

    def column(self, values: Floats, *more: str) -> tuple[tuple[str, ...], npt.NDArray[Any]]:
        """(dimensions, values) of what `empty` gave, without the dimension of masks where each map has one."""
        if self.own:
            return (*CELL, *more), values[:, :, :, 0]
        return (*CELL, self.masks.dimension, *more), values

    def dataset(self, data: dict[str, Any], coords: dict[str, Any], attrs: dict[str, Any]) -> xr.Dataset:
        """The columns as a Dataset, with the reason why a cell has no value."""
        names = {d: [str(n) for n in self.heat[d].values] for d in CELL}
        if not self.own:
            names[self.masks.dimension] = self.masks.names
        return xr.Dataset(
            {**data, "reason": (CELL, self.reason.astype(str))},
            coords={**names, **coords},
            attrs={**self.attrs, **attrs},
        )

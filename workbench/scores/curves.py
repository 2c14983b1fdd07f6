"""ROC and precision–recall curves of maps against their own masks, one point a grey level."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from workbench.heatmaps.arithmetic import eight_bit
from workbench.masks import MaskSet
from workbench.scores.block import Block
from workbench.scores.centre import centre_blob
from workbench.scores.domains import Domain
from workbench.scores.pairs import Pairs
from workbench.scores.registry import SCORES, Floats, Pixels

LEVEL: Final = "level"
LEVELS: Final = np.arange(255, -2, -1)  # the foreground is what is brighter: from nothing to everything
AREAS: Final = ("auc", "average_precision")


def curves(
    maps: xr.DataArray, masks: MaskSet, *, domain: Domain = None, by: str | None = None, normalise: str = "max"
) -> xr.Dataset:
    """Rates of each map against its own masks where the foreground is the grey map above each level, 255 down to −1.

    maps, masks, domain, by, normalise: as `evaluate` takes them. Dataset over (model, explainer, expression[, au or
    region], level): `false_positive_rate` and `recall` (the ROC curve), `recall` and `precision` (NaN while the
    foreground is empty), the same of the centred blob as `centre_…`; and over the cells `auc` and `average_precision`,
    the areas under the two, with `chance_…` and `centre_…`. The false-positive rate and what is made of it are NaN
    where the mask covers the whole domain. `reason`: why a cell is NaN.

    Source: Fawcett 2006, Pattern Recognition Letters 27(8); Davis & Goadrich 2006, ICML.
    """
    pairs = Pairs(maps, masks, domain, by, normalise)
    lines = {part + name: pairs.empty(len(LEVELS)) for part in ("", "centre_") for name in _RATES}
    areas = {part + name: pairs.empty() for part in ("", "chance_", "centre_") for name in AREAS}
    for pair in pairs.each("curves"):
        grey = eight_bit(pair.values)
        blob = centre_blob((pair.counted.shape[0], pair.counted.shape[1]))[pair.counted]
        for part, values in (("", grey), ("centre_", blob)):
            for name, line in zip(_RATES, _rates(values, pair.masks), strict=True):
                lines[part + name][pair.at] = line
            block = Block(values[None].astype(np.float64), values[None] > 0, pair.masks)
            for name in AREAS:
                areas[part + name][pair.at] = block.of(SCORES[name].value)[0]
                if not part and (chance := block.chance(SCORES[name].value)) is not None:
                    areas["chance_" + name][pair.at] = chance[0]
    data: dict[str, Any] = {name: pairs.column(values, LEVEL) for name, values in lines.items()}
    data |= {name: pairs.column(values) for name, values in areas.items()}
    return pairs.dataset(data, {LEVEL: LEVELS}, {})


_RATES: Final = ("false_positive_rate", "recall", "precision")


def _rates(grey: Any, masks: Pixels) -> tuple[Floats, Floats, Floats]:
    """(K, L) each: the rates of an 8-bit map (P,) above each level."""
    inside = np.array([np.bincount(grey[mask], minlength=256) for mask in masks], dtype=np.float64)
    outside = np.bincount(grey, minlength=256) - inside
    hits, alarms = (np.pad(part[:, ::-1].cumsum(axis=1), ((0, 0), (1, 0))) for part in (inside, outside))
    with np.errstate(invalid="ignore", divide="ignore"):
        return alarms / alarms[:, -1:], hits / hits[:, -1:], hits / (hits + alarms)

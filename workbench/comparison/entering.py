"""Which images enter an expression: by what is predicted or labelled, or every one whose map explains it."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from workbench.errors import UnknownNameError
from workbench.heatmaps.grouping import GROUPINGS, Texts, groups
from workbench.vocabulary import IMAGE, MODEL, TARGET
from workbench.vocabulary import expression as to_expression

EVERYONE: Final = "all"


def explains(target: object) -> str:
    """The expression that a target's name means: `expression:fear` or `fear-vs-anger` → `fear`; "" for others."""
    try:
        return to_expression(str(target).removeprefix("expression:").split("-vs-")[0])
    except UnknownNameError:
        return ""


def entering(maps: xr.DataArray, by: str | None) -> Texts:
    """The expression that each image enters, (model, image), as `heatmaps.aggregate.groups` says; with `all`, that
    which its map explains, whatever is predicted or labelled, so that a target rests on all faces alike.

    Raises UnknownNameError for another grouping, UsageError as `groups`.
    """
    if by not in (None, EVERYONE, *GROUPINGS):
        raise UnknownNameError("grouping", by, (*GROUPINGS, EVERYONE))
    if by != EVERYONE:
        return groups(maps, by)
    named = TARGET in maps.coords and maps.coords[TARGET].ndim == 0
    target = str(maps.coords[TARGET].item() if named else maps.attrs.get("target", ""))
    if target.startswith("expression:"):
        return np.full((maps.sizes[MODEL], maps.sizes[IMAGE]), explains(target), dtype=object)
    return groups(maps)


def explaining(maps: xr.DataArray, expression: str) -> xr.DataArray | None:
    """Of maps with several targets those that explain this expression, None where no target does; else all of them."""
    if TARGET not in maps.dims:
        return maps
    names = [explains(target) for target in maps[TARGET].values]
    return maps.isel({TARGET: names.index(expression)}) if expression in names else None

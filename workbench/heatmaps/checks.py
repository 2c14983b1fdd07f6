"""What a heatmap array must be, and what state each map is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError
from workbench.vocabulary import DIMENSION_ORDER, EXPLAINER, EXPRESSION, IMAGE, LAYER, MODEL, TARGET, X, Y

OK: Final = "ok"
CONSTANT: Final = "constant"
NON_FINITE: Final = "non-finite"
NO_DATA: Final = "not computed"
PER_IMAGE: Final = (MODEL, EXPLAINER, IMAGE, Y, X)
GLOBAL: Final = (MODEL, EXPLAINER, EXPRESSION, Y, X)
_NEEDS_NO_NAMES: Final = (Y, X)


def check(maps: xr.DataArray, *, several: bool = False) -> xr.DataArray:
    """Per-image maps (model, explainer, image, y, x) or global ones (…, expression, y, x), in that order of dimensions.

    Dimensions in another order are transposed; a missing `explainer` is added as `""` (maps made elsewhere). With
    `several`, dimensions `layer` and `target` are allowed, as `explain` makes them.
    Raises UsageError, in one line, for what is no DataArray of numbers, for missing or unknown dimensions, for
    dimensions without names, and for names that occur twice.
    """
    if not isinstance(maps, xr.DataArray):
        raise UsageError(
            f"heatmaps are an xarray.DataArray, not {type(maps).__name__}; make them with explain() or load()"
        )
    if not np.issubdtype(maps.dtype, np.number) or np.issubdtype(maps.dtype, np.complexfloating):
        raise UsageError(f"heatmaps hold real numbers, not {maps.dtype}")
    if EXPLAINER not in maps.dims:
        scalar = str(maps.coords[EXPLAINER].item()) if EXPLAINER in maps.coords else ""
        maps = maps.drop_vars(EXPLAINER, errors="ignore").expand_dims({EXPLAINER: [scalar]})
    if MODEL not in maps.dims and MODEL in maps.coords:
        scalar = str(maps.coords[MODEL].item())
        maps = maps.drop_vars(MODEL).expand_dims({MODEL: [scalar]})
    wanted: tuple[str, ...] = PER_IMAGE if IMAGE in maps.dims else GLOBAL
    more = tuple(d for d in (LAYER, TARGET) if d in maps.dims)
    wanted += more if several else ()
    if set(maps.dims) != set(wanted):
        way = (
            f"maps.sel({more[0]}={str(maps[more[0]].values[0])!r})"
            if more and more[0] in maps.coords
            else "or name them so"
        )
        raise UsageError(
            f"heatmaps have the dimensions ({', '.join(wanted)}), not ({', '.join(map(str, maps.dims))}); "
            f"select one entry of the others, {way}"
        )
    maps = maps.transpose(*(d for d in DIMENSION_ORDER if d in wanted))
    for dim in wanted:
        if maps.sizes[dim] == 0:
            raise UsageError(f"heatmaps have no entry along {dim!r}")
        if dim in _NEEDS_NO_NAMES:
            continue
        if dim not in maps.coords:
            raise UsageError(f"heatmaps have no names along {dim!r}; add the coordinate with .assign_coords()")
        names = [str(n) for n in maps[dim].values]
        twice = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise UsageError(f"the {dim} {twice[0]!r} occurs twice in the heatmaps; give every {dim} its own name")
    return maps


def roles(maps: xr.DataArray) -> list[str]:
    """`method` or `control` for each explainer; `method` where the array does not say."""
    if "role" in maps.coords:
        return [str(r) for r in np.atleast_1d(maps["role"].values)]
    return ["method"] * maps.sizes[EXPLAINER]


def of_explainers(maps: xr.DataArray, names: Sequence[str]) -> xr.DataArray:
    """Maps of these explainers; where they stand evenly apart a view, so that an array mapped from disk stays there."""
    known = [str(name) for name in maps[EXPLAINER].values]
    at = [known.index(name) for name in names]
    evenly = range(at[0], at[-1] + 1, max(1, at[1] - at[0]) if len(at) > 1 else 1)
    return maps.isel({EXPLAINER: slice(evenly.start, evenly.stop, evenly.step) if at == list(evenly) else at})


def as_domain(domain: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """A domain (y, x) as booleans; a DataArray by the names of its dimensions, whatever their order."""
    if isinstance(domain, xr.DataArray) and set(domain.dims) == {Y, X}:
        domain = domain.transpose(Y, X)
    return np.asarray(domain, dtype=bool)


def status_of(values: npt.NDArray[np.floating[Any]], domain: npt.NDArray[np.bool_] | None = None) -> str:
    """The state of one map (y, x), from its values: `ok`, `constant`, `non-finite`, or `not computed` (all NaN)."""
    pixels = values if domain is None else values[domain]
    pixels = pixels[~np.isnan(pixels)]
    if pixels.size == 0:
        return NO_DATA
    if not np.isfinite(pixels).all():
        return NON_FINITE
    return OK if pixels.max() > pixels.min() else CONSTANT

"""Stacks of maps: native ones (a dict), canonical ones (one array) and global ones, walked through alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps.checks import OK, status_of
from workbench.vocabulary import EDGE_MAP, EXPLAINER, EXPRESSION, IMAGE, LAYER, MODEL, ON_RANDOM_WEIGHTS, TARGET, X, Y

Native = Mapping[tuple[str, ...], xr.DataArray]
Maps = Native | xr.DataArray


@dataclass(frozen=True)
class Stack:
    """Maps of one network, explainer and layer.

    depth, layers: place of the layer among those of its network and explainer, from 0, and how many there are. images:
    names (of expressions where the maps are global). values: (image, y, x), raw. status: (image,) as far as known.
    frame: "native" or a frame's name. reason: why maps were not computed, "" where they were.
    """

    model: str
    explainer: str
    layer: str
    depth: int
    layers: int
    role: str
    images: list[str]
    values: xr.DataArray
    status: list[str]
    frame: str
    reason: str = ""

    def map_of(self, position: int) -> tuple[npt.NDArray[np.float64], str]:
        """One map (y, x), and its status."""
        values = np.asarray(self.values[position].values, dtype=np.float64)
        said = self.status[position]
        return values, said if said != OK else status_of(values)

    @property
    def grid(self) -> str:
        """`7×7`: rows and columns of the maps."""
        return "×".join(str(side) for side in self.values.shape[1:])


def stacks(maps: Maps) -> list[Stack]:
    """Every network's, explainer's and layer's maps, in the order given.

    Takes what `explain` returns: a dict (model, explainer[, layer]) → (image, y, x) with frame="native", or an array
    (model, explainer[, layer], image, y, x); and global maps (model, explainer, expression, y, x). Where there are
    several targets, "labelled" is taken. UsageError for anything else.
    """
    if isinstance(maps, xr.DataArray):
        return list(_of_array(maps))
    if isinstance(maps, Mapping) and maps:
        return list(_of_dict(maps))
    raise UsageError(
        f"maps are what explain() returns, a DataArray or a dict of them, not {type(maps).__name__}"
        + (" without entries" if isinstance(maps, Mapping) else "")
    )


def _of_dict(maps: Native) -> Iterator[Stack]:
    layers: dict[tuple[str, str], list[str]] = {}
    for key in maps:
        if not isinstance(key, tuple) or len(key) not in (2, 3):
            raise UsageError(f"native maps have keys (model, explainer) or (model, explainer, layer), not {key!r}")
        layers.setdefault((str(key[0]), str(key[1])), []).append(str(key[2]) if len(key) == 3 else "")
    for key, values in maps.items():
        model, explainer, layer = str(key[0]), str(key[1]), str(key[2]) if len(key) == 3 else ""
        values = labelled_target(values)
        if tuple(values.dims) != (IMAGE, Y, X):
            raise UsageError(f"native maps of {model} by {explainer} are (image, y, x), not {tuple(values.dims)}")
        named = layers[model, explainer]
        yield Stack(
            model,
            explainer,
            layer or str(values.attrs.get("layer", "")),
            named.index(layer),
            len(named),
            _role(explainer),
            [str(name) for name in values[IMAGE].values],
            values,
            _status(values),
            "native",
            str(values.attrs.get("reason", "")),
        )


def _of_array(maps: xr.DataArray) -> Iterator[Stack]:
    maps = labelled_target(maps)
    if EXPRESSION in maps.dims and IMAGE not in maps.dims:
        maps = maps.rename({EXPRESSION: IMAGE})
    for dim in (MODEL, EXPLAINER):
        if dim not in maps.dims:
            name = str(maps.coords[dim].item()) if dim in maps.coords else ""
            maps = maps.drop_vars(dim, errors="ignore").expand_dims({dim: [name]})
    deep = LAYER in maps.dims
    wanted = (MODEL, EXPLAINER, *([LAYER] if deep else []), IMAGE, Y, X)
    if set(maps.dims) != set(wanted):
        raise UsageError(f"maps have the dimensions ({', '.join(wanted)}), not ({', '.join(map(str, maps.dims))})")
    maps = maps.transpose(*wanted)
    images = [str(name) for name in maps[IMAGE].values]
    failures = {(f["model"], f["explainer"]): f["reason"] for f in json.loads(str(maps.attrs.get("failures", "[]")))}
    for m, model in enumerate(maps[MODEL].values):
        for e, explainer in enumerate(maps[EXPLAINER].values):
            for d in range(maps.sizes[LAYER] if deep else 1):
                place: dict[str, Any] = {MODEL: m, EXPLAINER: e, **({LAYER: d} if deep else {})}
                part = maps.isel(place)
                layer = str(part.coords[LAYER].values) if LAYER in part.coords else ""
                role = str(part.coords["role"].values) if "role" in part.coords else _role(str(explainer))
                count = maps.sizes[LAYER] if deep else 1
                frame = str(maps.attrs.get("frame", ""))
                why = failures.get((str(model), str(explainer)), "")
                yield Stack(str(model), str(explainer), layer, d, count, role, images, part, _status(part), frame, why)


def labelled_target(maps: xr.DataArray) -> xr.DataArray:
    """Maps of one target: those of "labelled" where there are several; UsageError where these are missing."""
    if TARGET not in maps.dims:
        return maps
    known = [str(name) for name in maps[TARGET].values]
    if len(known) > 1 and "labelled" not in known:
        raise UsageError(f"the maps explain {', '.join(known)}; select one target, or explain target='labelled'")
    return maps.isel({TARGET: known.index("labelled") if "labelled" in known else 0})


def _status(values: xr.DataArray) -> list[str]:
    if "status" not in values.coords:
        return [OK] * values.sizes[IMAGE]
    return [str(one) for one in values.coords["status"].values]


def _role(explainer: str) -> str:
    return "control" if explainer.endswith(ON_RANDOM_WEIGHTS) or explainer == EDGE_MAP else "method"

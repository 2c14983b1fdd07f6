"""What each face's map is compared with: K maps on its crop, or on the canonical face, and who the face is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.errors import FrameMismatchError, UsageError
from workbench.heatmaps.checks import OK
from workbench.masks import MaskSet
from workbench.masks.sides import by_class
from workbench.scores.action_units.stacks import Stack
from workbench.vocabulary import AU, BASIC_EXPRESSIONS, EXPRESSION, IMAGE, REGION, X, Y

OWN = "own"  # the one map of each face, where there is no choice of maps
_KINDS = (EXPRESSION, AU, REGION)


@dataclass(frozen=True)
class References:
    """K maps a face.

    names: of the K maps; dimension: expression, au, region, or "" for one map a face. frame: "native" or a frame's
    name. values: (image, K, y, x), or (K, y, x) where they are the same for all faces. place: image → row of `values`.
    status: image → "ok" or why there is none. domain: (y, x) bool, where maps are compared.
    """

    names: list[str]
    dimension: str
    frame: str
    values: xr.DataArray
    place: dict[str, int] | None
    status: dict[str, str]
    domain: npt.NDArray[np.bool_]
    attrs: dict[str, Any]
    people: pd.DataFrame

    def of(self, image: str) -> npt.NDArray[np.float64] | None:
        """The K maps of a face (K, P) on the domain's pixels, None where it has none; UsageError for a stranger.

        A single map that is missing, as of a unit outside the crop, is 0 throughout.
        """
        if self.place is None:
            return np.asarray(self.values.values[:, self.domain], dtype=np.float64)
        if image not in self.place:
            raise UsageError(
                f"there is no reference for the image {image!r}; draw them for the faces that were explained"
            )
        if self.status.get(image, OK) != OK:
            return None
        return np.nan_to_num(np.asarray(self.values[self.place[image]].values, dtype=np.float64)[:, self.domain])

    @property
    def units(self) -> dict[str, list[str]]:
        """Expression → the action units that the codebook lists for it; empty where no codebook was used."""
        return dict(json.loads(str(self.attrs.get("action_units", "{}"))))


def references(given: MaskSet | xr.DataArray, found: list[Stack]) -> References:
    """Mask sets (the same for all faces, classes of indistinguishable entries as one) or `au_heatmap`'s arrays.

    UsageError for other arrays, FrameMismatchError where maps and references lie on different grids.
    """
    if isinstance(given, MaskSet):
        given = by_class(given)
        result = References(
            given.names, given.dimension, given.frame, given.maps, None, {}, given.domain.values, given.attrs,
            _people(found[0].values),
        )  # fmt: skip
    elif isinstance(given, xr.DataArray):
        result = _of_array(given)
    else:
        raise UsageError(
            f"references are a MaskSet or what au_heatmap() returns, not {type(given).__name__}; make them with "
            "load_masks(…) or au_heatmap(…)"
        )
    for stack in found:
        native, own = stack.frame == "native", result.frame == "native"
        same = native or stack.values.shape[1:] == result.domain.shape
        if native != own or not same or (not native and stack.frame and stack.frame != result.frame):
            size = "×".join(map(str, result.domain.shape))
            raise FrameMismatchError(
                f"the maps of {stack.model} lie on {stack.frame or 'an unknown frame'!r} ({stack.grid}), what they are "
                f"compared with on {result.frame!r} ({size}); make both native, or both on one frame"
            )
    return result


def _of_array(given: xr.DataArray) -> References:
    dims = tuple(str(dim) for dim in given.dims)
    kind = next((dim for dim in dims if dim in _KINDS), "")
    if dims != (IMAGE, *([kind] if kind else []), Y, X):
        raise UsageError(f"references have the dimensions (image[, expression | au | region], y, x), not {dims}")
    names = [str(name) for name in given[kind].values] if kind else [OWN]
    values = given if kind else given.expand_dims({"own": [OWN]}, axis=1)
    images = [str(name) for name in given[IMAGE].values]
    status = given.coords["status"].values if "status" in given.coords else [OK] * len(images)
    domain = np.ones(given.shape[-2:], bool)
    if "domain" in given.coords:
        domain = np.asarray(given.coords["domain"].values, bool)
    place = {name: row for row, name in enumerate(images)}
    return References(
        names, kind, str(given.attrs.get("frame", "native")), values, place,
        dict(zip(images, map(str, status), strict=True)), domain, dict(given.attrs), _people(given),
    )  # fmt: skip


def _people(maps: xr.DataArray) -> pd.DataFrame:
    """Label, subject and groups of each image, "" where unknown; a global map's image is its expression."""
    images = [str(name) for name in maps[IMAGE].values]
    table = pd.DataFrame(index=pd.Index(images, name=IMAGE))
    for name in ("label", "subject", *(str(c) for c in maps.coords if str(c).startswith("group_"))):
        known = name in maps.coords and maps.coords[name].dims == (IMAGE,)
        table[name] = [str(v) for v in maps.coords[name].values] if known else ""
    if not table["label"].any():
        table["label"] = [name if name in BASIC_EXPRESSIONS else "" for name in images]
    return table

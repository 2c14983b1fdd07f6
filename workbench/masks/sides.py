"""One side of the face, and classes of entries that location cannot separate."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.errors import UsageError
from workbench.masks.maskset import ANY_FRAME, MaskSet
from workbench.masks.place import on_frame

Side = Literal["both", "left", "right", "each"]
SIDES: Final = ("both", "left", "right", "each")
LETTERS: Final = {"left": "L", "right": "R"}


def check_side(side: str, dimension: str, name: str) -> None:
    """UsageError for an unknown side, or for one side of what is not action units."""
    if side not in SIDES:
        raise UsageError(f"side is {side!r}; give one of {', '.join(SIDES)}")
    if side != "both" and dimension != vocabulary.AU:
        raise UsageError(f"mask set {name!r} has masks of {dimension}s; only those of action units are cut into sides")


def by_side(masks: MaskSet, side: str) -> MaskSet:
    """Masks of AUs cut at the middle line of the face: `left` or `right` (the subject's), or `each` of the two.

    AU12 becomes AU12L and AU12R, which do not overlap and together are AU12. `both` returns the set as it is.
    """
    check_side(side, masks.dimension, masks.name)
    if side == "both":
        return masks
    if masks.frame == ANY_FRAME:
        raise UsageError(f"mask set {masks.name!r} lies on no known frame, so its middle line is not known")
    right = on_frame(masks.frame).right_half()
    wanted = [s for s in ("left", "right") if side in (s, "each")]
    names, maps = sided(masks.names, masks.maps.values, right, wanted)
    keep = [index for index, values in enumerate(maps) if values.any()]
    stack = xr.DataArray(
        maps[keep],
        dims=masks.maps.dims,
        coords={masks.dimension: [names[index] for index in keep]},
        name=masks.maps.name,
    )
    attrs = dict(masks.attrs) | {"side": side}
    letters = [LETTERS[s] for s in wanted]
    for key in ("reasons", "lost"):
        if key in attrs:
            known = json.loads(str(attrs[key]))
            attrs[key] = json.dumps({f"{n}{s}": v for n, v in known.items() for s in letters}, ensure_ascii=False)
    groups = json.loads(str(attrs.get("indistinguishable", "[]")))
    attrs["indistinguishable"] = json.dumps([[f"{n}{s}" for n in group] for group in groups for s in letters])
    return replace(masks, maps=stack, attrs=attrs)


def sided(names: list[str], maps: np.ndarray, right: np.ndarray, wanted: list[str]) -> tuple[list[str], np.ndarray]:
    """Names with L or R and maps (K, h, w) of the wanted sides, given where the subject's right half is (h, w)."""
    halves = {"right": right, "left": ~right}
    found = [
        (f"{name}{LETTERS[s]}", np.where(halves[s], values, 0))
        for name, values in zip(names, maps, strict=True)
        for s in wanted
    ]
    return [name for name, _ in found], np.stack([values for _, values in found])


def by_class(masks: MaskSet) -> MaskSet:
    """The set with each declared class of indistinguishable entries as one entry: AU23 and AU24 become `AU23/24`.

    A class's map is the pixelwise maximum over its members. Sets without classes come back as they are.
    """
    groups = masks.classes
    if not groups:
        return masks
    member = {name: group for group in groups for name in group}
    names: list[str] = []
    maps: list[np.ndarray] = []
    for name in masks.names:
        group = member.get(name, [name])
        if group[0] == name:
            names.append(class_name(group))
            maps.append(masks.maps.sel({masks.dimension: group}).values.max(axis=0))
    stack = xr.DataArray(np.stack(maps), dims=masks.maps.dims, coords={masks.dimension: names}, name=masks.maps.name)
    attrs = {key: value for key, value in masks.attrs.items() if key not in ("reasons", "lost")}
    return replace(masks, maps=stack, attrs=attrs | {"indistinguishable": "[]"})


def class_name(group: list[str]) -> str:
    """`AU23/24` for AU23 and AU24, `AU23/24L` on the left; `a/b` for other names; a single name as it is."""
    letter = group[0][-1] if group[0][-1] in "LR" else ""
    if len(group) > 1 and all(name.startswith("AU") and name.endswith(letter) for name in group):
        return "AU" + "/".join(name.removeprefix("AU").removesuffix(letter) for name in group) + letter
    return "/".join(group)

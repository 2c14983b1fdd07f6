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
LETTERS: Final = {"left": "L", "right": "R"}  # in FACS a letter, as in L12; here behind the number


def check_side(side: str, dimension: str, name: str) -> None:
    """UsageError for an unknown side, or for one side of a set of expressions."""
    if side not in SIDES:
        raise UsageError(f"side is {side!r}; give one of {', '.join(SIDES)}")
    if side != "both" and dimension == vocabulary.EXPRESSION:
        raise UsageError(f"mask set {name!r} has masks of expressions; only action units and regions have sides")


def by_side(masks: MaskSet, side: str) -> MaskSet:
    """Masks of AUs or regions cut at the middle line of the face: `left`, `right` (the subject's) or `each` of both.

    AU12 becomes AU12L and AU12R, `nose` becomes `left_nose` and `right_nose`; halves do not overlap and together are
    the whole. A region `left_…` or `right_…` is of its side already and stays. `both` returns the set as it is.
    """
    check_side(side, masks.dimension, masks.name)
    if side == "both":
        return masks
    if masks.frame == ANY_FRAME:
        raise UsageError(f"mask set {masks.name!r} lies on no known frame, so its middle line is not known")
    wanted = [s for s in LETTERS if side in (s, "each")]
    right = on_frame(masks.frame).right_half()
    names, maps = sided(masks.names, masks.maps.values, right, wanted)
    keep = [index for index, values in enumerate(maps) if values.any()]
    if not keep:
        raise UsageError(f"mask set {masks.name!r} has nothing on the {side} side")
    stack = xr.DataArray(
        maps[keep],
        dims=masks.maps.dims,
        coords={masks.dimension: [names[index] for index in keep]},
        name=masks.maps.name,
    )
    attrs = dict(masks.attrs) | {"side": side}
    for key in ("reasons", "lost"):
        if key in attrs:
            known = json.loads(str(attrs[key]))
            attrs[key] = json.dumps(
                {half: value for name, value in known.items() for half in halves(name, wanted).values()},
                ensure_ascii=False,
            )
    groups = json.loads(str(attrs.get("indistinguishable", "[]")))
    cut = [[half for name in group for half in halves(name, [s]).values()] for group in groups for s in wanted]
    attrs["indistinguishable"] = json.dumps([group for group in cut if len(group) > 1])
    return replace(masks, maps=stack, attrs=attrs)


def halves(name: str, wanted: list[str]) -> dict[str, str]:
    """Side → the name of that half of an entry; one side only for a region that lies on one."""
    if name.startswith("AU"):
        return {side: f"{name}{LETTERS[side]}" for side in wanted}
    own = name.partition("_")[0]
    if own in LETTERS:
        return {own: name} if own in wanted else {}
    return {side: f"{side}_{name}" for side in wanted}


def sided(names: list[str], maps: np.ndarray, right: np.ndarray, wanted: list[str]) -> tuple[list[str], np.ndarray]:
    """Names and maps (K, h, w) of the wanted halves, given where the subject's right half is (h, w)."""
    places = {"right": right, "left": ~right}
    found = [
        (half, values if half == name else np.where(places[side], values, 0))
        for name, values in zip(names, maps, strict=True)
        for side, half in halves(name, wanted).items()
    ]
    stack = [values for _, values in found]
    return [name for name, _ in found], np.stack(stack) if stack else np.zeros((0, *right.shape), dtype=maps.dtype)


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

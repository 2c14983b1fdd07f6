"""A definition drawn on a frame, or on one face."""

from __future__ import annotations

import json
from typing import Final

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.canonical import MEDIAPIPE, load_frame
from workbench.errors import UsageError
from workbench.masks.definition import TEXTS, Definition
from workbench.masks.geometry import Outline, filled, outlines
from workbench.masks.maskset import MaskSet
from workbench.masks.place import Place, on_frame
from workbench.masks.points import Points
from workbench.masks.soft import softened

LEAST: Final = 0.05  # an entry with a smaller share on the frame would be a few stray pixels
_AROUND: Final = 0.5  # share of the longer side of a frame that is drawn beyond each edge, to know what is lost


def draw(definition: Definition, frame: str, *, soft: bool = False) -> MaskSet:
    """The set on that frame; what lies outside its domain is cut off and its share kept in `attrs["lost"]`.

    An entry of which less than `LEAST` is left is dropped. UsageError where the set is not defined there,
    or a point or shape cannot be drawn.
    """
    if frame not in definition.frames:
        raise UsageError(
            f"mask set {definition.name!r} is defined on {' and '.join(definition.frames)}, not on {frame!r}; "
            f'use frame="{definition.frames[0]}"'
        )
    face, place = load_frame(frame), on_frame(frame)
    height, width = face.grid
    pad = round(_AROUND * max(face.grid))
    table = definition.table
    drawn = shapes_of(definition, place)
    kept: dict[str, np.ndarray] = {}
    lost: dict[str, float] = {}
    for name in table["masks"]:
        whole = drawn_map(definition, place, drawn[name], soft=soft, pad=pad)
        if table["symmetric"] and frame == MEDIAPIPE:  # its own mirror image: rounding must not show
            whole = np.maximum(whole, whole[:, ::-1])
        if not whole.any():
            raise definition.error(f"it covers no pixel of {frame!r}", name)
        inside = np.where(face.domain, whole[pad : pad + height, pad : pad + width], 0).astype(np.float32)
        lost[name] = round(max(1 - float(inside.sum(dtype=float) / whole.sum(dtype=float)), 0.0), 4)
        if lost[name] <= 1 - LEAST and inside.max() >= 0.5 * whole.max():  # a thin ellipse stays below .5 when softened
            kept[name] = inside
    if not kept:
        raise definition.error(f"nothing of it is on {frame!r}")
    dimension = table["dimension"]
    maps = xr.DataArray(
        np.stack(list(kept.values())),
        dims=(dimension, vocabulary.Y, vocabulary.X),
        coords={dimension: list(kept)},
        name="mask",
    )
    attrs: dict[str, object] = {key: definition.text(key) for key in (*TEXTS, "caveat") if definition.text(key)}
    reasons = {name: [s["reason"] for s in table["masks"][name] if "reason" in s] for name in kept}
    attrs["reasons"] = json.dumps(reasons, ensure_ascii=False)
    attrs["lost"] = json.dumps(lost)
    groups = [[name for name in group if name in kept] for group in table.get("indistinguishable", [])]
    attrs["indistinguishable"] = json.dumps([group for group in groups if len(group) > 1])
    attrs["values"] = f"soft: {table.get('soft', {}).get('rule', 'blur')}" if soft else "binary"
    domain = xr.DataArray(face.domain.copy(), dims=(vocabulary.Y, vocabulary.X))
    return MaskSet(definition.name, maps, frame, domain, attrs)


def shapes_of(definition: Definition, place: Place) -> dict[str, list[Outline]]:
    """Entry → its outlines on that place, mirrored ones included."""
    table = definition.table
    points, mirrored = Points(table, place), Points(table, place, mirrored=True)
    found: dict[str, list[Outline]] = {}
    for name, shapes in table["masks"].items():
        own: list[Outline] = []
        for number, shape in enumerate(shapes):
            there = mirrored if "mirror_of" in shape else points
            parts = [shape]
            if other := shape.get("mirror_of", shape.get("same_as")):
                parts = table["masks"][other]
            try:
                for part in parts:
                    own += outlines(part, there)
                    if table["symmetric"] or part.get("both") or shape.get("both"):
                        own += outlines(part, points if there is mirrored else mirrored)
            except KeyError as missing:
                raise definition.error(f"there is no point {missing.args[0]!r}", name, number) from None
            except UsageError as problem:
                raise definition.error(str(problem), name, number) from None
        found[name] = own
    return found


def drawn_map(
    definition: Definition, place: Place, shapes: list[Outline], *, soft: bool = False, scale: int = 1, pad: int = 0
) -> np.ndarray:
    """One entry's map, bool or soft float32, with `pad` pixels around the place's picture, `scale` times finer."""
    binary = filled(shapes, place.size, scale, pad)
    if not soft:
        return binary
    return softened(binary, shapes, definition.table.get("soft", {}), Points(definition.table, place), pad)

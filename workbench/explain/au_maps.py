"""Where action units lie on each face: the map that a network's map is correlated with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.canonical import FRAMES, load_frame
from workbench.errors import UnknownNameError, UsageError
from workbench.explain.regions import _fault, frame_for
from workbench.faces.blendshapes import au_estimates, coded_aus
from workbench.faces.columns import au_columns
from workbench.faces.faceset import FaceSet
from workbench.heatmaps import normalise
from workbench.masks import Codebook, load_codebook, load_masks, masks_on_face
from workbench.masks.definition import Definition
from workbench.masks.library import definition_of
from workbench.masks.sides import class_name

MASK_SET: Final = "facs-au"
CODEBOOK: Final = "martinez-2017"
WHICH: Final = ("labelled", "expressions", "aus", "coded", "estimated")
SCALES: Final = ("min-max", "none")
_STRONGEST: Final = 5.0  # FACS intensity E


def au_heatmap(
    faces: FaceSet,
    of: str | xr.DataArray = "labelled",
    *,
    masks: str = MASK_SET,
    codebook: str = CODEBOOK,
    weights: str = "max",
    frame: str = "native",
    size: int | None = None,
    soft: bool = True,
    scale: str = "min-max",
) -> xr.DataArray:
    """Maps of a set of action units, put together for each face and drawn on it: float32 (image, y, x).

    of: "labelled", the expression of each face's label; an expression, the same for all; "expressions", all basic ones
    that the codebook lists, (image, expression, y, x); "aus", each unit of the set apart, (image, au, y, x), those
    that the set declares indistinguishable as one class (`AU23/24`); measured units, "coded" (annotated: intensity / 5
    where known, else presence), "estimated" (from blendshapes) or a DataArray (image, au) in [0, 1] of your own: the
    largest of value × map over the units that the set has. Expressions are put together by `codebook` (default
    `martinez-2017`) and `weights` (pixelwise maximum by default), as in `load_masks`.

    frame: "native" draws by the face's landmarks on its crop, `size` pixels a side (default: the crop's); a frame's
    name draws on the canonical face, where all faces have one shape. soft: by the set's own rule, else binary. scale:
    "min-max" stretches each map to [0, 1], "none" leaves it. The maps of arXiv 2402.00281 are those of
    masks="belharbi-au-published", codebook="belharbi-2024-code", size=224.

    A face without a map is NaN, and `status` (image) says why: "no expression", "no action unit", "outside the crop",
    or what is wrong with its landmarks; else "ok". Coordinates label, subject, `group_<column>`; attrs frame, masks,
    codebook, policy, authority, `action_units` (JSON: expression → units), caveat. Raises UnknownNameError for a name
    that is not known, UsageError for a set without action units and for faces without measured ones.
    """
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, SCALES)
    if frame != "native" and frame not in FRAMES:
        raise UnknownNameError("frame", frame, ["native", *FRAMES])
    if size is not None and (frame != "native" or size < 8):
        raise UsageError(f"size={size} with frame={frame!r}: give 8 pixels or more, and only on native crops")
    definition, book = _definition(masks), load_codebook(codebook)
    if isinstance(of, str) and of not in WHICH:
        of = vocabulary.expression(of)
    what = of if isinstance(of, str) else "given"
    units = what in ("aus", "coded", "estimated", "given")
    named = None if units else book.name
    side = size or faces.size
    if frame == "native":
        source = _on_crops(faces, masks, named, weights, soft, side)
    else:
        source = _on_frame(masks, named, weights, soft, frame)
    if what == "aus":
        source = _by_class(source, definition.table.get("indistinguishable", []))
    many = {"expressions": vocabulary.EXPRESSION, "aus": vocabulary.AU}.get(what)
    parts = None if many else _parts(faces, of, source.names, book)
    grid = (side, side) if frame == "native" else FRAMES[frame]
    values = np.full((len(faces), len(source.names) if many else 1, *grid), np.nan, np.float32)
    status = np.full(len(faces), "ok", object)
    for index in range(len(faces)):
        status[index] = _trouble(faces, index, frame, parts, units)
        if status[index] == "ok":
            maps = source.draw(index)
            values[index] = maps if parts is None else np.max(parts[index][:, None, None] * maps, axis=0)
            if not values[index].any():
                status[index], values[index] = "outside the crop", np.nan
    values = normalise(values, "min-max") if scale == "min-max" else values
    found = xr.DataArray(
        values if many else values[:, 0],
        dims=(vocabulary.IMAGE, *([many] if many else []), vocabulary.Y, vocabulary.X),
        coords={**_people(faces), "status": (vocabulary.IMAGE, status.astype(str))},
        name="au_heatmap",
        attrs={
            "frame": frame,
            "of": what,
            "masks": definition.name,
            "authority": definition.text("authority"),
            "codebook": "" if units and what != "aus" else book.name,
            "weights": weights,
            "values": "soft" if soft else "binary",
            "scale": scale,
            "policy": _policy(what, book, weights),
            "caveat": "estimated from blendshapes, not FACS coding" if what == "estimated" else "",
            "action_units": json.dumps({e: list(book.weights(e, weights)) for e in book.expressions}),
        },
    )
    found = found.assign_coords({many: source.names}) if many else found
    if frame == "native":
        return found
    return found.assign_coords(domain=((vocabulary.Y, vocabulary.X), load_frame(frame).domain))


@dataclass(frozen=True)
class _Source:
    """Names of K maps, and a function face index → (K, h, w)."""

    names: list[str]
    draw: Callable[[int], np.ndarray]


def _definition(masks: str) -> Definition:
    definition = definition_of(masks)
    if definition is None or definition.table["dimension"] != vocabulary.AU:
        what = "image files" if definition is None else f"masks of {definition.table['dimension']}s"
        raise UsageError(f"mask set {str(masks)!r} has {what}; a map of action units needs a set of action units")
    return definition


def _on_crops(faces: FaceSet, masks: str, codebook: str | None, weights: str, soft: bool, side: int) -> _Source:
    def draw(index: int) -> tuple[list[str], np.ndarray]:
        points = faces.landmarks[index]
        return masks_on_face(masks, points, (side, side), codebook, scheme=faces.scheme, soft=soft, weights=weights)

    names = draw(0)[0] if len(faces) else []
    return _Source(names, lambda index: draw(index)[1])


def _on_frame(masks: str, codebook: str | None, weights: str, soft: bool, frame: str) -> _Source:
    drawn = load_masks(masks, frame, codebook, soft=soft, weights=weights)
    return _Source(drawn.names, lambda index: np.asarray(drawn.maps.values))


def _by_class(source: _Source, groups: list[list[str]]) -> _Source:
    """Declared classes as one entry each, the pixelwise maximum over their members."""
    member = {name: group for group in groups for name in group}
    members = [[other for other in member.get(name, [name]) if other in source.names] for name in source.names]
    kept = [group for name, group in zip(source.names, members, strict=True) if group[0] == name]
    places = [[source.names.index(name) for name in group] for group in kept]

    def draw(index: int) -> np.ndarray:
        maps = source.draw(index)
        return np.stack([maps[of_class].max(axis=0) for of_class in places])

    return _Source([class_name(group) for group in kept], draw)


def _parts(faces: FaceSet, of: str | xr.DataArray, names: list[str], book: Codebook) -> np.ndarray:
    """How much of each map goes into each face's: (N, K), NaN and unknown as 0."""
    if isinstance(of, str) and of not in ("coded", "estimated"):
        if of != "labelled" and of not in names:
            raise UsageError(f"codebook {book.name!r} says nothing of {of}; it lists {', '.join(names)}")
        wanted = faces.table["label"].tolist() if of == "labelled" else [of] * len(faces)
        return np.array([[float(name == one) for name in names] for one in wanted]).reshape(len(faces), len(names))
    measured = _measured(faces, of)
    if vocabulary.AU not in measured.dims or vocabulary.IMAGE not in measured.dims:
        raise UsageError(f"measured action units have the dimensions (image, au), not {tuple(measured.dims)}")
    missing = set(faces.names) - {str(name) for name in measured[vocabulary.IMAGE].values}
    if missing:
        raise UsageError(f"the measured action units say nothing of the face {min(missing)!r}")
    known = [str(unit) for unit in measured[vocabulary.AU].values]
    both = [name for name in names if name in known]
    if not both:
        raise UsageError(f"none of the measured units ({', '.join(known)}) is in the mask set; name them like AU12")
    rows = measured.sel({vocabulary.IMAGE: faces.names, vocabulary.AU: both}).transpose(vocabulary.IMAGE, vocabulary.AU)
    values = np.nan_to_num(np.asarray(rows.values, float))
    if values.size and (values.min() < 0 or values.max() > 1):
        raise UsageError(f"measured action units lie in [0, 1], not {values.min():g} … {values.max():g}; scale them")
    parts = np.zeros((len(faces), len(names)))
    parts[:, [names.index(name) for name in both]] = values
    return parts


def _measured(faces: FaceSet, of: str | xr.DataArray) -> xr.DataArray:
    if isinstance(of, xr.DataArray):
        return of
    if of == "estimated":
        return au_estimates(faces)
    graded = any(column.intensity and not column.side for column in au_columns(faces.table.columns))
    return coded_aus(faces, intensity=True) / _STRONGEST if graded else coded_aus(faces)


def _trouble(faces: FaceSet, index: int, frame: str, parts: np.ndarray | None, units: bool) -> str:
    """Why a face gets no map, or "ok"."""
    if parts is not None and not parts[index].any():
        return "no action unit" if units else "no expression"
    fault = _fault(faces, index, load_frame(frame_for(faces))) if frame == "native" else ""
    return f"the landmarks {fault}" if fault else "ok"


def _people(faces: FaceSet) -> dict[str, Any]:
    columns = {"label": "label", "subject": "subject", **{f"group_{c}": c for c in faces.groups}}
    found = {name: (vocabulary.IMAGE, faces.table[c].astype(str).to_numpy(str)) for name, c in columns.items()}
    return {vocabulary.IMAGE: faces.names, **found}


def _policy(what: str, book: Codebook, weights: str) -> str:
    if what == "aus":
        return "each action unit apart, those that the set cannot separate as one class"
    if what in ("coded", "estimated", "given"):
        return "the pixelwise maximum of value × map over the units measured on the face"
    how = "maximum" if weights == "max" else "weighted mean"
    return f"the pixelwise {how} over the action units that {book.name} lists for the expression"

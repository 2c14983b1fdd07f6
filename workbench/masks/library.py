"""The mask sets by name, and the one door to all of them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.canonical import FRAMES, MEDIAPIPE
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.masks.codebooks import Codebook, combine, load_codebook, masks_root
from workbench.masks.definition import Definition, read_definition
from workbench.masks.drawing import draw, drawn_map, shapes_of
from workbench.masks.folder import load_mask_folder
from workbench.masks.maskset import MaskSet
from workbench.masks.place import on_face
from workbench.masks.sides import LETTERS, by_side, check_side, sided
from workbench.registry import Registry

MASKS: Final[Registry[Definition]] = Registry("mask set")
POLICIES: Final = {
    "max": "each expression is the pixelwise maximum over the action units that {} lists for it, without optional ones",
    "share": "each expression is the mean of the action units that {} lists for it, weighted by the share of people "
    "who show each (1 where none is stated, mean over alternatives)",
}


def add_masks(folder: str | os.PathLike[str]) -> str:
    """Register the set in `folder/maskset.toml` under its name; returns the name."""
    definition = read_definition(Path(folder) / "maskset.toml")
    MASKS.add(
        definition.name,
        definition,
        summary=definition.text("summary"),
        reference=definition.text("citation"),
        licence=definition.text("licence"),
        authority=definition.text("authority"),
        dimension=definition.table["dimension"],
        frames=definition.frames,
        entries=list(definition.table["masks"]),
        classes=definition.table.get("indistinguishable", []),
    )
    return definition.name


for _path in sorted(masks_root().glob("*/maskset.toml")):
    add_masks(_path.parent)


def load_masks(
    name_or_dir: str | os.PathLike[str],
    frame: str = MEDIAPIPE,
    codebook: str | None = None,
    *,
    side: str = "both",
    soft: bool = False,
    weights: str = "max",
    expressions: Sequence[str] | None = None,
) -> MaskSet:
    """Masks by the name of a set (`MASKS`), from a folder with `maskset.toml`, or from a folder of image files.

    Image files `<expression>_gt.png` bring their own frame, by their size. side: `both`, or AUs and regions cut at the
    middle line: `left`, `right` (the subject's), `each` (AU12L and AU12R, `left_nose` and `right_nose`). soft: maps in
    [0, 1] by the set's own rule instead of binary masks. codebook: turns masks of action units into masks of
    expressions, `weights="max"` by the pixelwise maximum over the AUs that it lists, `"share"` by their mean weighted
    by the share of people who show them; expressions: which ones (the basic six of it). Raises UnknownNameError,
    UsageError (set not defined on the frame; codebook on a set without AUs, side of expressions), and what `MaskSet`
    raises.
    """
    if frame not in FRAMES:
        raise UnknownNameError("frame", frame, FRAMES)
    definition = definition_of(name_or_dir)
    if definition is not None:
        check_side(side, definition.table["dimension"], definition.name)
        masks = draw(definition, frame, soft=soft)
    else:
        masks = load_mask_folder(Path(name_or_dir))
        if frame not in (MEDIAPIPE, masks.frame):
            shape = masks.maps.shape[1:]
            raise FrameMismatchError(f"{name_or_dir}: masks of {shape} are not on {frame!r} {FRAMES[frame]}")
    if codebook is None:
        return by_side(masks, side)
    if side != "both":
        raise UsageError("a codebook says itself which side it means; leave side at 'both'")
    return by_expression(masks, codebook, weights=weights, expressions=expressions)


def definition_of(name_or_dir: str | os.PathLike[str]) -> Definition | None:
    """The definition of a named set or of a folder with `maskset.toml`; None for a folder of image files."""
    if not isinstance(name_or_dir, str | os.PathLike):
        raise UsageError(
            f"masks are given by name or folder, not as {type(name_or_dir).__name__}; known: "
            + ", ".join(MASKS.names())
        )
    path = Path(name_or_dir)
    if str(name_or_dir) in MASKS:
        return MASKS[str(name_or_dir)].value
    if path.is_dir():
        return read_definition(path / "maskset.toml") if (path / "maskset.toml").is_file() else None
    if path.is_file() and path.suffix == ".toml":
        return read_definition(path)
    raise UnknownNameError("mask set", name_or_dir, MASKS.names(), "(or give a folder with masks)")


def by_expression(
    masks: MaskSet, codebook: str | Codebook, *, weights: str = "max", expressions: Sequence[str] | None = None
) -> MaskSet:
    """A set of AUs → a set of expressions, by a codebook; said in attrs (`codebook`, `action_units`, `policy`)."""
    book = load_codebook(codebook) if isinstance(codebook, str) else codebook
    if masks.dimension != vocabulary.AU:
        raise UsageError(f"mask set {masks.name!r} has masks of {masks.dimension}s; a codebook needs action units")
    wanted = _wanted(book, expressions)
    _require_units(book, wanted, weights, masks.names)
    lettered = any(unit[-1] in "LR" for e in wanted for unit in book.weights(e, weights))
    sides = by_side(masks, "each") if lettered else masks

    def map_of(unit: str) -> np.ndarray:
        source = sides if unit[-1] in "LR" else masks
        return np.asarray(source.maps.sel({vocabulary.AU: unit}).values)

    stack, used = combine(book, wanted, map_of, weights)
    maps = xr.DataArray(
        stack,
        dims=(vocabulary.EXPRESSION, vocabulary.Y, vocabulary.X),
        coords={vocabulary.EXPRESSION: wanted},
        name="mask",
    )
    attrs = {key: value for key, value in masks.attrs.items() if key not in ("reasons", "lost", "indistinguishable")}
    same = [
        [a, b] for i, a in enumerate(wanted) for j, b in enumerate(wanted) if i < j and (stack[i] == stack[j]).all()
    ]
    attrs |= {
        "codebook": book.name,
        "codebook_summary": book.summary,
        "codebook_citation": book.citation,
        "action_units": json.dumps({expression: list(units) for expression, units in used.items()}),
        "weights": json.dumps(used),
        "policy": POLICIES[weights].format(book.name),
        "indistinguishable": json.dumps(same),
    }
    return replace(masks, name=f"{masks.name} by {book.name}", maps=maps, attrs=attrs)


def masks_on_face(
    name_or_dir: str | os.PathLike[str],
    landmarks: np.ndarray,
    size: tuple[int, int],
    codebook: str | None = None,
    *,
    scheme: str | None = None,
    side: str = "both",
    soft: bool = False,
    weights: str = "max",
    expressions: Sequence[str] | None = None,
) -> tuple[list[str], np.ndarray]:
    """A mask set drawn straight onto a picture of `size` (h, w) by a face's landmarks (478, 468 or 68, 2), shares of
    the picture → names and maps (K, h, w) float32 in [0, 1]; what lies outside the picture is 0.

    Shapes in shares of the picture or in pixels (`belharbi-au-published`) mean this picture, as their authors did.
    The other arguments are those of `load_masks`. UsageError for image files, which have no shapes.
    """
    definition = definition_of(name_or_dir)
    if definition is None:
        raise UsageError(f"{name_or_dir}: masks from image files lie on a frame; unwarp them onto the face")
    check_side(side, definition.table["dimension"], definition.name)
    if codebook is not None and (definition.table["dimension"] != vocabulary.AU or side != "both"):
        raise UsageError(f"mask set {definition.name!r}: a codebook needs action units, both sides of them")
    place = on_face(landmarks, size, scheme)
    drawn = shapes_of(definition, place)
    if codebook is None:
        names = list(drawn)
        maps = np.stack([drawn_map(definition, place, drawn[name], soft=soft) for name in names]).astype(np.float32)
        if side == "both":
            return names, maps
        return sided(names, maps, place.right_half(), [s for s in LETTERS if side in (s, "each")])
    book = load_codebook(codebook)
    wanted = _wanted(book, expressions)
    _require_units(book, wanted, weights, list(drawn))

    @cache
    def map_of(unit: str) -> np.ndarray:
        whole = drawn_map(definition, place, drawn[unit.rstrip("LR")], soft=soft).astype(np.float32)
        if unit[-1] not in "LR":
            return whole
        right = place.right_half()
        return np.where(right if unit[-1] == "R" else ~right, whole, 0)

    return wanted, combine(book, wanted, map_of, weights)[0]


def _wanted(book: Codebook, expressions: Sequence[str] | None) -> list[str]:
    if expressions is None:
        return [e for e in vocabulary.BASIC_EXPRESSIONS if e in book.expressions]
    names = [vocabulary.expression(e) for e in expressions]
    for name in names:
        if name not in book.expressions:
            raise UsageError(f"codebook {book.name!r} says nothing of {name}; it lists {', '.join(book.expressions)}")
    return names


def _require_units(book: Codebook, wanted: list[str], weights: str, names: list[str]) -> None:
    needed = {unit.rstrip("LR") for expression in wanted for unit in book.weights(expression, weights)}
    missing = sorted(needed - set(names), key=lambda unit: int(unit[2:]))
    if missing:
        raise UsageError(f"codebook {book.name!r} needs masks of {', '.join(missing)}, which the mask set lacks")

"""The mask sets by name, and the one door to all of them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.canonical import FRAMES, MEDIAPIPE
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.masks.codebooks import combine, load_codebook, masks_root
from workbench.masks.definition import Definition, draw, read_definition
from workbench.masks.folder import load_mask_folder
from workbench.masks.maskset import MaskSet
from workbench.registry import Registry

MASKS: Final[Registry[Definition]] = Registry("mask set")


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
    )
    return definition.name


for _path in sorted(masks_root().glob("*/maskset.toml")):
    add_masks(_path.parent)


def load_masks(name_or_dir: str | os.PathLike[str], frame: str = MEDIAPIPE, codebook: str | None = None) -> MaskSet:
    """Masks by the name of a set (`MASKS`), from a folder with `maskset.toml`, or from a folder of image files.

    Image files `<expression>_gt.png` bring their own frame, by their size. `codebook` turns masks of action units
    into masks of expressions: the pixelwise maximum over the AUs that it lists. Raises UnknownNameError,
    UsageError (set not defined on the frame; codebook on a set without AUs), and what `MaskSet` raises.
    """
    if frame not in FRAMES:
        raise UnknownNameError("frame", frame, FRAMES)
    if not isinstance(name_or_dir, str | os.PathLike):
        raise UsageError(
            f"masks are given by name or folder, not as {type(name_or_dir).__name__}; known: "
            + ", ".join(MASKS.names())
        )
    path = Path(name_or_dir)
    if str(name_or_dir) in MASKS:
        masks = draw(MASKS[str(name_or_dir)].value, frame)
    elif path.is_dir() and (path / "maskset.toml").is_file():
        masks = draw(read_definition(path / "maskset.toml"), frame)
    elif path.is_file() and path.suffix == ".toml":
        masks = draw(read_definition(path), frame)
    elif path.is_dir():
        masks = load_mask_folder(path)
        if frame not in (MEDIAPIPE, masks.frame):
            raise FrameMismatchError(f"{path}: masks of {masks.maps.shape[1:]} are not on {frame!r} {FRAMES[frame]}")
    else:
        raise UnknownNameError("mask set", name_or_dir, MASKS.names(), "(or give a folder with masks)")
    return masks if codebook is None else by_expression(masks, codebook)


def by_expression(masks: MaskSet, codebook: str) -> MaskSet:
    """A set of AUs → a set of expressions, by a codebook; said in attrs (`codebook`, `action_units`)."""
    book = load_codebook(codebook)
    if masks.dimension != vocabulary.AU:
        raise UsageError(f"mask set {masks.name!r} has masks of {masks.dimension}s; a codebook needs action units")
    names, stack, used = combine(book, masks.names, masks.maps.values)
    maps = xr.DataArray(
        stack.astype(np.float32),
        dims=(vocabulary.EXPRESSION, vocabulary.Y, vocabulary.X),
        coords={vocabulary.EXPRESSION: names},
        name="mask",
    )
    attrs = {key: value for key, value in masks.attrs.items() if key not in ("reasons", "lost", "indistinguishable")}
    same = [[a, b] for i, a in enumerate(names) for j, b in enumerate(names) if i < j and (stack[i] == stack[j]).all()]
    attrs |= {
        "codebook": codebook,
        "codebook_summary": book.summary,
        "codebook_citation": book.citation,
        "action_units": json.dumps(used),
        "policy": f"each expression is the pixelwise maximum over the action units that {codebook} lists for it",
        "indistinguishable": json.dumps(same),
    }
    return replace(masks, name=f"{masks.name} by {codebook}", maps=maps, attrs=attrs)

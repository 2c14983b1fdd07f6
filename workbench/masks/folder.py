"""Masks as image files: a folder of `<entry>_gt.png`, read and written."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from workbench import vocabulary
from workbench.canonical import frame_of_grid, load_frame
from workbench.errors import FrameMismatchError, UnreadableFileError, UsageError
from workbench.masks.maskset import ANY_FRAME, MaskSet

_AU = re.compile(r"au[ _-]?0*(\d+)", re.IGNORECASE)


def load_mask_folder(folder: Path) -> MaskSet:
    """Masks from the files `<expression>_gt.png` (any case, synonyms) or `AU<number>_gt.png` of a folder.

    8 or 16 bit, grey or colour; foreground is what is not 0 in a file of two values, else what exceeds half of the
    file's range. All files must have one size; the frame is the one with that grid, else `image` (whole canvas).
    Raises UsageError (no files, unknown or double names, empty mask), UnreadableFileError, FrameMismatchError.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name.lower().endswith("_gt.png"))
    if not files:
        raise UsageError(f"{folder} holds neither maskset.toml nor <expression>_gt.png files; name the masks so")
    masks: dict[str, np.ndarray] = {}
    dimensions = set()
    for path in files:
        dimension, name = _entry_of(path)
        dimensions.add(dimension)
        if name in masks:
            raise UsageError(f"{path}: a second mask for {name}; keep one file for each")
        masks[name] = _read_mask(path)
        first = next(iter(masks.values()))
        if masks[name].shape != first.shape:
            raise FrameMismatchError(
                f"{path}: a mask of {_size(masks[name])} beside masks of {_size(first)}; all must have one size"
            )
    if len(dimensions) > 1:
        raise UsageError(f"{folder}: masks of expressions and of action units are mixed; keep them in two folders")
    dimension = dimensions.pop()
    order = sorted(masks, key=lambda n: vocabulary.EXPRESSIONS.index(n) if n in vocabulary.EXPRESSIONS else int(n[2:]))
    stack = np.stack([masks[name] for name in order]).astype(np.float32)
    grid = (stack.shape[1], stack.shape[2])
    frame = frame_of_grid(grid)
    domain = load_frame(frame).domain if frame else np.ones(grid, dtype=bool)
    outside = {name: round(float(mask[~domain].sum() / mask.sum()), 4) for name, mask in zip(order, stack, strict=True)}
    stack[:, ~domain] = 0
    maps = xr.DataArray(stack, dims=(dimension, vocabulary.Y, vocabulary.X), coords={dimension: order}, name="mask")
    attrs: dict[str, object] = {
        "summary": f"{len(order)} masks read from image files",
        "citation": "not stated",
        "licence": "not stated",
        "authority": "given by the user",
        "lost": json.dumps(outside),
    }
    place = xr.DataArray(domain.copy(), dims=(vocabulary.Y, vocabulary.X))
    return MaskSet(folder.resolve().name, maps, frame or ANY_FRAME, place, attrs)


def save_masks(masks: MaskSet, folder: str | os.PathLike[str]) -> list[Path]:
    """Write `<entry>_gt.png` (8-bit grey, 0 … 255) for every mask; the folder is made. Returns the paths."""
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, mask in zip(masks.names, masks.maps.values, strict=True):
        path = out / f"{name}_gt.png"
        partial = out / f".{name}_gt.png.part"
        try:
            Image.fromarray(np.round(mask * 255).astype(np.uint8)).save(partial, format="PNG")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        paths.append(path)
    return paths


def _entry_of(path: Path) -> tuple[str, str]:
    stem = path.stem[: -len("_gt")]
    match = _AU.fullmatch(stem.strip())
    if match:
        number = int(match.group(1))
        if number not in vocabulary.ACTION_UNITS:
            raise UsageError(f"{path}: AU{number} is no action unit of FACS")
        return vocabulary.AU, f"AU{number}"
    found = vocabulary.split_file_stem(stem)
    if found is None and vocabulary.is_expression(stem):
        found = ("", vocabulary.expression(stem))
    if found is None:
        known = ", ".join(vocabulary.EXPRESSIONS)
        raise UsageError(f"{path}: {stem!r} names no expression or action unit; known: {known}, AU1 …")
    return vocabulary.EXPRESSION, found[1]


def _read_mask(path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode in ("I;16", "I;16B", "I;16L", "I"):
                    values, full = np.asarray(image).astype(np.int64), 65535
                else:
                    grey = image.convert("RGB") if image.mode in ("P", "PA", "RGBA", "LA") else image
                    values, full = np.asarray(grey.convert("L")).astype(np.int64), 255
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise UnreadableFileError(f"{path}: not a readable PNG mask ({reason}); write it anew") from None
    levels = np.unique(values)
    mask = values > 0 if len(levels) <= 2 and levels[0] == 0 else 2 * values > full
    if not mask.any():
        raise UsageError(f"{path}: the mask is empty; mark its pixels with values above 0, or remove the file")
    return np.asarray(mask)


def _size(mask: np.ndarray) -> str:
    return f"{mask.shape[0]} × {mask.shape[1]} (height × width)"

"""Masks as image files: a folder of `<entry>_gt.png`, read and written."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from workbench import vocabulary
from workbench.canonical import FRAMES, frame_of_grid, load_frame
from workbench.errors import FrameMismatchError, UnreadableFileError, UsageError
from workbench.masks.maskset import ANY_FRAME, DIMENSIONS, MaskSet, check_name

_AU = re.compile(r"au[ _-]?0*(\d+)([LR]?)", re.IGNORECASE)
_CHUNK: Final = "workbench"  # PNG text that `save_masks` adds: what a file name cannot say


def load_mask_folder(folder: Path) -> MaskSet:
    """Masks from the files `<expression>_gt.png` (any case, synonyms) or `AU<number>_gt.png` of a folder.

    8 or 16 bit, grey or colour; foreground is what is not 0 in a file of two values, else what exceeds half of the
    file's range. All files must have one size; the frame is the one with that grid, else `image` (whole canvas). Files
    written by `save_masks` also say their set, regions and soft values; these come back as they were.
    Raises UsageError (no files, unknown or double names, empty mask), UnreadableFileError, FrameMismatchError.
    """
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name.lower().endswith("_gt.png"))
    if not files:
        raise UsageError(f"{folder} holds neither maskset.toml nor <expression>_gt.png files; name the masks so")
    masks: dict[str, np.ndarray] = {}
    said: dict[str, dict[str, Any]] = {}
    dimensions = set()
    for path in files:
        mask, about = _read_mask(path)
        dimension, name = (str(about["dimension"]), str(about["entry"])) if about else _entry_of(path)
        check_name(dimension, name, str(path))
        dimensions.add(dimension)
        if name in masks:
            raise UsageError(f"{path}: a second mask for {name}; keep one file for each")
        masks[name], said[name] = mask, about
        first = next(iter(masks.values()))
        if mask.shape != first.shape:
            raise FrameMismatchError(
                f"{path}: a mask of {_size(mask)} beside masks of {_size(first)}; all must have one size"
            )
    if len(dimensions) > 1:
        raise UsageError(f"{folder}: masks of {' and '.join(sorted(dimensions))}s are mixed; keep them in two folders")
    dimension = dimensions.pop()
    order = sorted(masks, key=lambda name: (said[name].get("place", 0), _rank(name)))
    stack = np.stack([masks[name] for name in order]).astype(np.float32)
    grid = (stack.shape[1], stack.shape[2])
    about = next((said[name] for name in order if said[name]), {})
    frame = str(about["frame"]) if FRAMES.get(str(about.get("frame"))) == grid else frame_of_grid(grid)
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
    attrs |= about.get("attrs", {})
    place = xr.DataArray(domain.copy(), dims=(vocabulary.Y, vocabulary.X))
    return MaskSet(str(about.get("set", folder.resolve().name)), maps, frame or ANY_FRAME, place, attrs)


def save_masks(masks: MaskSet, folder: str | os.PathLike[str]) -> list[Path]:
    """Write `<entry>_gt.png` for every mask (grey; binary 8 bit, 0 and 255; soft 16 bit, 0 … 65535); the folder is
    made. `load_masks(folder)` gives the same set back, soft values to 1 / 65535. Returns the paths.

    Set, dimension, frame and sources stand in the files' own text, so that a name need not say them. In a file name
    `/` becomes `-`.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (name, mask) in enumerate(zip(masks.names, masks.maps.values, strict=True)):
        stem = f"{name.replace('/', '-')}_gt.png"
        path, partial = out / stem, out / f".{stem}.part"
        soft = bool(((mask > 0) & (mask < 1)).any())
        about = {
            "set": masks.name,
            "dimension": masks.dimension,
            "entry": name,
            "place": place,
            "frame": masks.frame,
            "soft": soft,
            "attrs": {key: str(value) for key, value in masks.attrs.items()},
        }
        text = PngInfo()
        text.add_itxt(_CHUNK, json.dumps(about, ensure_ascii=False), zip=True)
        values = np.round(mask * 65535).astype(np.uint16) if soft else np.round(mask * 255).astype(np.uint8)
        try:
            Image.fromarray(values).save(partial, format="PNG", pnginfo=text)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        paths.append(path)
    return paths


def _rank(name: str) -> tuple[int, str]:
    """Expressions as the vocabulary has them, AUs by number, other names by letter."""
    if name in vocabulary.EXPRESSIONS:
        return vocabulary.EXPRESSIONS.index(name), name
    match = _AU.match(name)
    return (int(match.group(1)) if match else 0), name


def _entry_of(path: Path) -> tuple[str, str]:
    stem = path.stem[: -len("_gt")]
    match = _AU.fullmatch(stem.strip())
    if match:
        number = int(match.group(1))
        if number not in vocabulary.ACTION_UNITS:
            raise UsageError(f"{path}: AU{number} is no action unit of FACS")
        return vocabulary.AU, f"AU{number}{match.group(2).upper()}"
    found = vocabulary.split_file_stem(stem)
    if found is None and vocabulary.is_expression(stem):
        found = ("", vocabulary.expression(stem))
    if found is None:
        known = ", ".join(vocabulary.EXPRESSIONS)
        raise UsageError(f"{path}: {stem!r} names no expression or action unit; known: {known}, AU1 …")
    return vocabulary.EXPRESSION, found[1]


def _read_mask(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """A mask (h, w), bool or soft float32, and what `save_masks` said of it ({} for any other file)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode in ("I;16", "I;16B", "I;16L", "I"):
                    values, full = np.asarray(image).astype(np.int64), 65535
                else:
                    grey = image.convert("RGB") if image.mode in ("P", "PA", "RGBA", "LA") else image
                    values, full = np.asarray(grey.convert("L")).astype(np.int64), 255
                about = _about(image.info.get(_CHUNK))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise UnreadableFileError(f"{path}: not a readable PNG mask ({reason}); write it anew") from None
    levels = np.unique(values)
    soft = bool(about.get("soft")) and full == 65535
    mask = values > 0 if soft or (len(levels) <= 2 and levels[0] == 0) else 2 * values > full
    if not mask.any():
        raise UsageError(f"{path}: the mask is empty; mark its pixels with values above 0, or remove the file")
    return (values / full).astype(np.float32) if soft else np.asarray(mask), about


def _about(text: object) -> dict[str, Any]:
    """What a file says of itself, {} unless it is whole."""
    try:
        found = json.loads(str(text))
    except ValueError:
        return {}
    whole = isinstance(found, dict) and found.get("dimension") in DIMENSIONS and isinstance(found.get("entry"), str)
    return found if whole and isinstance(found.get("attrs", {}), dict) else {}


def _size(mask: np.ndarray) -> str:
    return f"{mask.shape[0]} × {mask.shape[1]} (height × width)"

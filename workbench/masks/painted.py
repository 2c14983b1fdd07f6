"""Painted arrays become a mask set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench import vocabulary
from workbench.canonical import FRAMES, MEDIAPIPE, load_frame
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError
from workbench.masks.maskset import MaskSet, check_name
from workbench.masks.polygons import dimension_of


def masks_from_arrays(
    arrays: Mapping[str, npt.ArrayLike],
    frame: str = MEDIAPIPE,
    *,
    dimension: str | None = None,
    name: str = "painted",
    summary: str = "",
    citation: str = "not stated",
    licence: str = "not stated",
    authority: str = "given by the user",
) -> MaskSet:
    """Masks painted over the canonical face, by name (`anger`, `AU12`, any region) → a mask set; keep it by
    `save_masks`.

    Each array has the frame's grid (height, width) or an integer multiple of it, which is averaged down: bool; 0 … 255
    (uint8); 0 … 1 (float); or (height, width, 4) uint8 RGBA, of which the opacity counts, as of a layer painted over
    the face. Bool arrays and those of two values become binary masks, others soft ones. What lies outside the face is
    cut off; its share is in `attrs["lost"]`. dimension: told from the names unless given.

    Raises UsageError (a name, a kind of array, an empty mask), FrameMismatchError (another size), UnknownNameError.
    """
    if frame not in FRAMES:
        raise UnknownNameError("frame", frame, FRAMES)
    if not arrays:
        raise UsageError("there is no array; give {name: array}")
    names = [str(each) for each in arrays]
    kind = dimension or dimension_of(names)
    domain = load_frame(frame).domain
    stack, lost = [], {}
    for each, array in arrays.items():
        check_name(kind, str(each), f"the mask set {name!r}")
        whole = _painted(np.asarray(array), FRAMES[frame], str(each))
        inside = np.where(domain, whole, 0).astype(np.float32)
        if not inside.any():
            where = "outside the face" if whole.any() else "nowhere"
            raise UsageError(f"the mask {each!r} is painted {where}; paint it on the face, or leave it out")
        lost[str(each)] = round(1 - float(inside.sum(dtype=float) / whole.sum(dtype=float)), 4)
        stack.append(inside)
    maps = xr.DataArray(np.stack(stack), dims=(kind, vocabulary.Y, vocabulary.X), coords={kind: names}, name="mask")
    attrs: dict[str, object] = {
        "summary": summary or f"{len(names)} painted masks",
        "citation": citation,
        "licence": licence,
        "authority": authority,
        "lost": json.dumps(lost),
        "values": "soft: painted" if ((maps.values > 0) & (maps.values < 1)).any() else "binary",
    }
    return MaskSet(name, maps, frame, xr.DataArray(domain.copy(), dims=(vocabulary.Y, vocabulary.X)), attrs)


def _painted(array: np.ndarray, grid: tuple[int, int], name: str) -> np.ndarray:
    """A painted array as values in [0, 1] on the grid."""
    layer: np.ndarray[Any, Any] = array[..., 3] if array.ndim == 3 and array.shape[2] == 4 else array
    full = {"b": 1.0, "u": 255.0, "f": 1.0}.get(layer.dtype.kind)
    if layer.ndim != 2 or full is None or (layer.dtype.kind == "u" and layer.dtype.itemsize != 1):
        raise UsageError(
            f"the mask {name!r} is {array.dtype}{array.shape}; give bool, uint8 or float (height, width), or RGBA"
        )
    values = layer.astype(np.float64) / full
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise UsageError(f"the mask {name!r} has values outside 0 … 1")
    times = layer.shape[0] // grid[0]
    if times < 1 or layer.shape != (times * grid[0], times * grid[1]):
        raise FrameMismatchError(
            f"the mask {name!r} has {layer.shape[0]} × {layer.shape[1]} pixels; the frame has {grid[0]} × {grid[1]}, "
            "or paint on a whole multiple of it"
        )
    binary = len(np.unique(values)) <= 2
    values = values.reshape(grid[0], times, grid[1], times).mean(axis=(1, 3))
    return values / values.max() >= 0.5 if binary and values.any() else values

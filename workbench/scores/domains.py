"""Where maps and masks are compared: the same frame, and the part of it that counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import load_frame
from workbench.errors import FrameMismatchError, UsageError, WorkbenchError
from workbench.heatmaps.checks import as_domain
from workbench.masks import MaskSet
from workbench.vocabulary import X, Y

Pixels = npt.NDArray[np.bool_]
Domain = str | npt.ArrayLike | None


def same_frame(maps: xr.DataArray, masks: MaskSet) -> None:
    """FrameMismatchError where maps and masks lie on different grids or in frames of different name."""
    frame, grid = str(maps.attrs.get("frame", "")), (maps.sizes[Y], maps.sizes[X])
    wanted = (masks.maps.sizes[Y], masks.maps.sizes[X])
    if grid != wanted or (frame and masks.frame and frame != masks.frame):
        raise FrameMismatchError(
            f"the maps are in frame {frame or 'unknown'!r} on {grid[0]}×{grid[1]} and the masks {masks.name!r} in "
            f"frame {masks.frame!r} on {wanted[0]}×{wanted[1]}; load the masks, or make the maps, in the other's frame"
        )


def face_domain(masks: MaskSet) -> Pixels | None:
    """The face on the masks' frame (y, x), None where the frame has none."""
    try:
        face = np.asarray(load_frame(masks.frame).face_domain, dtype=bool)
    except WorkbenchError:
        return None
    return face if face.shape == masks.maps.shape[1:] else None


def domain_of(domain: Domain, masks: MaskSet) -> Pixels:
    """The pixels (y, x) that count: None for the masks' own, "face", "canvas", or a boolean array (y, x).

    UsageError for another name or an empty domain, FrameMismatchError for one of another size.
    """
    grid = masks.maps.shape[1:]
    if domain is None:
        found = np.asarray(masks.domain.values, dtype=bool)
    elif isinstance(domain, str):
        face = face_domain(masks)
        if domain == "canvas":
            found = np.ones(grid, dtype=bool)
        elif domain == "face" and face is not None:
            found = face
        else:
            why = (
                f"the frame {masks.frame!r} has no face domain"
                if domain == "face"
                else f"there is no domain {domain!r}"
            )
            raise UsageError(f"{why}; give None (the masks' own), 'canvas', 'face' or a boolean array (y, x)")
    else:
        found = as_domain(domain)
    if found.shape != grid:
        raise FrameMismatchError(f"the domain is {'×'.join(map(str, found.shape))} and the masks {grid[0]}×{grid[1]}")
    if not found.any():
        raise UsageError("the domain is empty; give one with at least a pixel")
    return found


def domain_name(domain: Domain, masks: MaskSet) -> str:
    """What a table calls its domain: masks, canvas, face or given."""
    if domain is None:
        return "canvas" if bool(np.all(masks.domain.values)) else "masks"
    return domain if isinstance(domain, str) else "given"

"""Do these maps and these faces belong together? Said in one line before anything is drawn."""

from __future__ import annotations

import xarray as xr

from workbench import heatmaps
from workbench.canonical import CanonicalFace, load_frame
from workbench.errors import FrameMismatchError, UsageError
from workbench.faces.faceset import FaceSet


def per_image(maps: xr.DataArray) -> tuple[xr.DataArray, CanonicalFace]:
    """Checked per-image maps and the canonical face on which they lie; UsageError or FrameMismatchError for others."""
    maps = heatmaps.check(maps)
    if "image" not in maps.dims:
        raise UsageError("these are global heatmaps, which show no single face; give the per-image maps of explain()")
    frame = load_frame(str(maps.attrs.get("frame", "mediapipe478")))
    size = (maps.sizes["y"], maps.sizes["x"])
    if size != tuple(frame.grid):
        raise FrameMismatchError(
            f"maps are {size[0]} × {size[1]} but the frame {frame.name!r} is {frame.grid[0]} × {frame.grid[1]}; "
            "explain with frame='mediapipe478'"
        )
    return maps, frame


def positions(maps: xr.DataArray, faces: FaceSet) -> dict[str, int]:
    """Name of each explained image → its position among the faces.

    UsageError where a map's face is missing, or where the hashes say that it is another picture of that name.
    """
    if not isinstance(faces, FaceSet):
        raise UsageError(f"faces is {type(faces).__name__}; give the FaceSet that was explained (see load_faces)")
    place = {name: i for i, name in enumerate(faces.names)}
    images = [str(name) for name in maps["image"].values]
    missing = [name for name in images if name not in place]
    if missing:
        raise UsageError(
            f"maps and faces do not match: {len(missing)} of {len(images)} explained faces are not among the faces "
            f"({_some(missing)}); give the FaceSet that was explained"
        )
    if "sha256" in maps.coords and "sha256" in faces.table:
        known = dict(zip(faces.names, faces.table["sha256"].astype(str), strict=True))
        explained = dict(zip(images, maps["sha256"].values.astype(str).tolist(), strict=True))
        other = [name for name in images if explained[name] and known[name] and explained[name] != known[name]]
        if other:
            raise UsageError(
                f"maps and faces do not match: another picture stands under the name {_some(other)}; "
                "explain these faces again"
            )
    return {name: place[name] for name in images}


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")

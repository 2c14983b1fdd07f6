"""A folder of heatmaps made elsewhere, one file a network and expression, as one named array."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import FrameMismatchError, UnreadableFileError, UsageError, WorkbenchError
from workbench.heatmaps.aggregate import global_heatmaps
from workbench.heatmaps.checks import NO_DATA, OK, roles, status_of
from workbench.heatmaps.store import load
from workbench.vocabulary import (
    BASIC_EXPRESSIONS,
    EXPLAINER,
    EXPRESSION,
    EXPRESSIONS,
    IMAGE,
    MODEL,
    X,
    Y,
    split_file_stem,
)

READABLE: Final = (".png", ".npy", ".npz", ".nc")
_REPORTED: Final = {  # files that a report writes beside its heatmaps.nc
    "maps.nc": "the single maps behind heatmaps.nc; name the file itself to read it",
    "scores.nc": "a report's scores",
}
_LARGEST: Final = 64_000_000  # pixels

Cell = tuple[str, str, str]
Values = npt.NDArray[np.float32]


@dataclass
class _Found:
    """Maps by cell (model, explainer, expression), where each came from, and what could not be used."""

    maps: dict[Cell, Values] = field(default_factory=dict)
    sources: dict[Cell, list[str]] = field(default_factory=dict)
    bad: dict[Cell, str] = field(default_factory=dict)
    role: dict[str, str] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def add(self, cell: Cell, values: Values, source: str) -> None:
        self.sources.setdefault(cell, []).append(source)
        self.maps[cell] = values

    def fail(self, source: str, reason: str, cell: Cell | None = None) -> None:
        self.failures.append({"file": source, "reason": reason})
        if cell is not None:
            self.sources.setdefault(cell, []).append(source)
            self.bad[cell] = reason


def read_png(path: Path) -> Values:
    """One grey PNG of 8 or 16 bits as (y, x) float32, in the file's own units.

    Raises UnreadableFileError for a damaged or enormous file, an animation, colours, or transparency: a colour-mapped
    heatmap cannot be turned back into numbers.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > _LARGEST:
                raise UnreadableFileError(
                    f"{path.name} has {picture.width}×{picture.height} pixels, too many for a heatmap"
                )
            if getattr(picture, "n_frames", 1) > 1:
                raise UnreadableFileError(f"{path.name} is animated; give one still image")
            picture.load()
            spread = picture.mode in ("P", "PA", "LA") or "transparency" in picture.info
            pixels = np.asarray(picture.convert("RGBA") if spread else picture)
    except UnreadableFileError:
        raise
    except Exception as error:
        raise UnreadableFileError(
            f"{path.name} is no readable image ({type(error).__name__}); export it again"
        ) from error
    if pixels.ndim == 3:
        if pixels.shape[2] == 4:
            if (pixels[..., 3] != 255).any():
                raise UnreadableFileError(f"{path.name} has transparent pixels; save it as plain grey")
            pixels = pixels[..., :3]
        if (pixels != pixels[..., :1]).any():
            raise UnreadableFileError(
                f"{path.name} is in colour; a colour-mapped heatmap cannot be read back into numbers, "
                "save the grey map or a .npy array"
            )
        pixels = pixels[..., 0]
    return pixels.astype(np.float32)


def _plain(array: npt.NDArray[Any], what: str) -> Values:
    if array.dtype.kind not in "biuf":
        raise UnreadableFileError(f"{what} holds {array.dtype}, not real numbers")
    squeezed = array.squeeze() if array.ndim > 2 else array
    if squeezed.ndim != 2 or squeezed.size == 0:
        raise UnreadableFileError(f"{what} has the shape {array.shape}, not (height, width)")
    return squeezed.astype(np.float32)


def _read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except Exception as error:
        raise UnreadableFileError(
            f"{path.name} is no readable NumPy file ({type(error).__name__}); save it again with "
            "numpy.save, without pickled objects"
        ) from error


def _take_file(path: Path, model: str, found: _Found) -> None:
    if path.suffix.lower() == ".nc":
        _take_netcdf(path, found)
        return
    named = split_file_stem(path.stem)
    if path.suffix.lower() == ".npz":
        _take_npz(path, named, model, found)
        return
    if named is None:
        found.skipped.append({"file": path.name, "reason": "its name names no expression (<model>_<expression>.png)"})
        return
    cell = (named[0] or model, "", named[1])
    try:
        values = read_png(path) if path.suffix.lower() == ".png" else _plain(_read_arrays(path)[""], path.name)
    except UnreadableFileError as error:
        found.fail(path.name, str(error), cell)
        return
    found.add(cell, values, path.name)


def _take_npz(path: Path, named: tuple[str, str] | None, model: str, found: _Found) -> None:
    try:
        arrays = _read_arrays(path)
    except UnreadableFileError as error:
        found.fail(path.name, str(error), (named[0] or model, "", named[1]) if named else None)
        return
    for key, array in arrays.items():
        inner = split_file_stem(key)
        source = path.name if len(arrays) == 1 else f"{path.name}[{key}]"
        if inner is None and (named is None or len(arrays) > 1):
            found.skipped.append(
                {"file": source, "reason": "neither the array's name nor the file's names its expression"}
            )
            continue
        outer = named[0] if named else path.stem
        cell = (inner[0] or outer or model, "", inner[1]) if inner else (outer or model, "", named[1] if named else "")
        try:
            found.add(cell, _plain(array, source), source)
        except UnreadableFileError as error:
            found.fail(source, str(error), cell)


def _take_netcdf(path: Path, found: _Found) -> None:
    try:
        maps = load(path)
        heat = global_heatmaps(maps) if IMAGE in maps.dims else maps
    except WorkbenchError as error:
        found.fail(path.name, str(error))
        return
    before = len(found.maps)
    found.attrs.update({k: v for k, v in heat.attrs.items() if k not in ("failures", "skipped")})
    for x, (explainer, role) in enumerate(zip(heat[EXPLAINER].values, roles(heat), strict=True)):
        found.role[str(explainer)] = role
        for m, model in enumerate(heat[MODEL].values):
            for e, expression in enumerate(heat[EXPRESSION].values):
                values = np.asarray(heat.isel({MODEL: m, EXPLAINER: x, EXPRESSION: e}).values, dtype=np.float32)
                if not np.isnan(values).all():
                    found.add((str(model), str(explainer), str(expression)), values, path.name)
    if len(found.maps) == before:
        reason = "none of its maps enters an expression (a map does if it explains the class that the network predicts)"
        found.skipped.append({"file": path.name, "reason": reason})


def load_folder(folder: str | Path, *, grid: tuple[int, int] | None = None) -> xr.DataArray:
    """Heatmaps made elsewhere, as global maps (model, explainer, expression, y, x) float32 in the files' own units.

    Files are `<model>_<expression>*.png` (grey, 8 or 16 bits), `.npy`, `.npz` (one array, or one a key) or `.nc` (saved
    by `save`; maps of single images are aggregated first); one file alone will do. The explainer is "" for maps made
    elsewhere. All maps have one size: `grid` (height, width), else that of most files. `status(model, explainer,
    expression)` is `ok`, `constant`, `non-finite`, `not computed` (no file), or why the file failed; such maps are all
    NaN. `attrs["failures"]` and `attrs["skipped"]` list the files that could not be used, as JSON.

    Raises UsageError for a folder that is none or holds no heatmap, FrameMismatchError where no map has the grid.
    """
    folder = Path(folder)
    if folder.is_file() and folder.suffix.lower() in READABLE:
        files, home = [folder], folder.parent
    elif folder.is_dir():
        files, home = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")), folder
    else:
        raise UsageError(f"there is no folder {folder}; give the one that holds the heatmaps")
    found = _Found()
    for path in files:
        if path.name in _REPORTED and (home / "heatmaps.nc") in files:
            found.skipped.append({"file": path.name, "reason": _REPORTED[path.name]})
        elif path.suffix.lower() not in READABLE:
            found.skipped.append({"file": path.name, "reason": f"not a heatmap file ({', '.join(READABLE)})"})
        elif path.stem.lower().endswith(("_gt", "_mask")):
            found.skipped.append({"file": path.name, "reason": "named as a mask"})
        else:
            _take_file(path, home.resolve().name, found)
    if not found.sources:
        why = (
            f": {(found.failures + found.skipped)[0]['file']}: {(found.failures + found.skipped)[0]['reason']}"
            if (found.failures or found.skipped)
            else ""
        )
        raise UsageError(f"{folder} holds no heatmap named <model>_<expression>.png (or .npy, .npz, .nc){why}")
    _refuse_duplicates(found)
    _refuse_sizes(found, grid, folder)
    return _assemble(found)


def _refuse_duplicates(found: _Found) -> None:
    for cell, sources in found.sources.items():
        if len(sources) > 1:
            found.maps.pop(cell, None)
            reason = f"{len(sources)} files for one map ({', '.join(sources)}); keep one"
            found.bad[cell] = reason
            found.failures.extend({"file": source, "reason": reason} for source in sources)


def _refuse_sizes(found: _Found, grid: tuple[int, int] | None, folder: Path) -> None:
    sizes = Counter((v.shape[0], v.shape[1]) for v in found.maps.values())
    if not sizes:
        first = next(iter(found.bad.values()), "nothing in it can be read")
        raise UnreadableFileError(f"no heatmap in {folder} can be used: {first}")
    wanted = grid or max(sizes, key=lambda s: (sizes[s], s))
    if wanted not in sizes:
        other = max(sizes, key=lambda s: (sizes[s], s))
        raise FrameMismatchError(
            f"the heatmaps in {folder} are {other[0]}×{other[1]} and {wanted[0]}×{wanted[1]} (height × "
            "width) is wanted, the masks' grid; warp them to one frame, they are not resized"
        )
    for cell in [c for c, v in found.maps.items() if v.shape != wanted]:
        height, width = found.maps.pop(cell).shape
        reason = f"is {height}×{width}, not {wanted[0]}×{wanted[1]} (height × width) as the others"
        found.bad[cell] = reason
        found.failures.append({"file": found.sources[cell][0], "reason": reason})


def _assemble(found: _Found) -> xr.DataArray:
    grid = next(iter(found.maps.values())).shape
    models, explainers = sorted({c[0] for c in found.sources}), sorted({c[1] for c in found.sources})
    present = {c[2] for c in found.sources}
    expressions = [e for e in (*EXPRESSIONS,) if e in present or e in BASIC_EXPRESSIONS]
    shape = (len(models), len(explainers), len(expressions))
    values = np.full((*shape, *grid), np.nan, dtype=np.float32)
    status, source = np.full(shape, NO_DATA, dtype=object), np.full(shape, "", dtype=object)
    for cell, names in found.sources.items():
        at = (models.index(cell[0]), explainers.index(cell[1]), expressions.index(cell[2]))
        source[at] = ", ".join(names)
        if cell not in found.maps:
            status[at] = found.bad[cell]
            continue
        state = status_of(found.maps[cell])
        status[at] = "no pixel has a value" if state == NO_DATA else state
        if state == OK:
            values[at] = found.maps[cell]
        else:
            found.failures.append(
                {"file": names[0], "reason": f"the map is {state}" if state != NO_DATA else status[at]}
            )
    where = (MODEL, EXPLAINER, EXPRESSION)
    return xr.DataArray(
        values,
        dims=(*where, Y, X),
        name="heatmap",
        coords={
            MODEL: models,
            EXPLAINER: explainers,
            EXPRESSION: expressions,
            "status": (where, status.astype(str)),
            "source": (where, source.astype(str)),
            "role": (EXPLAINER, np.array([found.role.get(x, "method") for x in explainers])),
        },
        attrs={
            "frame": "",
            **found.attrs,
            "policy": found.attrs.get("policy", "maps made elsewhere, taken as they are"),
            "failures": json.dumps(found.failures),
            "skipped": json.dumps(found.skipped),
        },
    )

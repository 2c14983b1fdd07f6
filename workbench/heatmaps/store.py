"""Heatmaps on disk: NetCDF (always) or Zarr (where installed), written whole or not at all."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from workbench.errors import UnreadableFileError, UsageError
from workbench.heatmaps.checks import check
from workbench.vocabulary import X, Y

_JSON_KEYS: Final = "json_attrs"  # names of the attributes that were written as JSON


def _encoded(maps: xr.DataArray) -> xr.DataArray:
    attrs: dict[str, Any] = {}
    packed = []
    for key, value in maps.attrs.items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            attrs[str(key)] = value
        else:
            attrs[str(key)] = json.dumps(value, default=str)
            packed.append(str(key))
    out = maps.copy(deep=False)
    out.attrs = attrs | ({_JSON_KEYS: json.dumps(packed)} if packed else {})
    for name, coordinate in out.coords.items():
        if coordinate.dtype.kind in "OUT":
            texts = np.empty(coordinate.shape, dtype=object)
            texts[...] = np.vectorize(str, otypes=[object])(coordinate.values) if coordinate.size else ""
            out = out.assign_coords({name: (coordinate.dims, texts)})
    return out


def _decoded(maps: xr.DataArray) -> xr.DataArray:
    attrs = {key: (value.item() if isinstance(value, np.generic) else value) for key, value in maps.attrs.items()}
    for key in json.loads(str(attrs.pop(_JSON_KEYS, "[]"))):
        attrs[key] = json.loads(str(attrs[key]))
    maps.attrs = attrs
    for name, coordinate in maps.coords.items():
        if coordinate.dtype.kind in "OT":
            maps = maps.assign_coords({name: (coordinate.dims, coordinate.values.astype(object).astype(str))})
        elif str(name) == "domain":
            maps = maps.assign_coords(domain=coordinate.astype(bool))
    return maps


def save(maps: xr.DataArray, path: str | Path) -> Path:
    """Write heatmaps with all coordinates and attributes to `.nc` (NetCDF 4, compressed) or `.zarr`; returns the path.

    Several layers and targets are kept as they are.
    The file appears under its name only once it is complete, and replaces what was there. Raises UsageError for
    another ending, for `.zarr` without the zarr package, and for what is no heatmap array.
    """
    maps = check(maps, several=True)
    path = Path(path)
    if path.suffix not in (".nc", ".zarr"):
        raise UsageError(f"heatmaps are saved as .nc or .zarr, not {path.name!r}")
    if path.suffix == ".zarr" and importlib.util.find_spec("zarr") is None:
        raise UsageError(f"{path.name!r} needs the zarr package; install facs-workbench[zarr], or save as .nc")
    single = maps if maps.dtype == np.float32 else maps.astype(np.float32)  # which would read what is mapped from disk
    dataset = _encoded(single).to_dataset(name="heatmap")
    chunk = tuple(
        min(n, 64) if d not in (Y, X) and i == maps.ndim - 3 else (n if d in (Y, X) else 1)
        for i, (d, n) in enumerate(maps.sizes.items())
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        whole = scratch / path.name
        if path.suffix == ".nc":
            encoding = {"heatmap": {"compression": "gzip", "compression_opts": 4, "shuffle": True, "chunksizes": chunk}}
            dataset.to_netcdf(whole, engine="h5netcdf", encoding=encoding)
        else:
            dataset.to_zarr(whole, mode="w", consolidated=False, encoding={"heatmap": {"chunks": chunk}})
            if path.exists():
                path.replace(scratch / "old")
        whole.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return path


def load(path: str | Path, *, lazy: bool = False) -> xr.DataArray:
    """Heatmaps that `save` wrote, as they were; `lazy=True` reads values only when they are used.

    Raises UnreadableFileError for a missing, damaged or foreign file, in one line.
    """
    path = Path(path)
    if not path.exists():
        raise UnreadableFileError(f"there is no file {path}")
    try:
        dataset = (
            xr.open_zarr(path, consolidated=False)
            if path.suffix == ".zarr"
            else xr.open_dataset(path, engine="h5netcdf")
        )
    except Exception as error:
        raise UnreadableFileError(
            f"{path} is no readable {path.suffix.lstrip('.') or 'NetCDF'} file: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if "heatmap" not in dataset:
        dataset.close()
        raise UnreadableFileError(f"{path} holds no variable 'heatmap'; it was not written by heatmaps.save()")
    maps = dataset["heatmap"]
    if not lazy:
        try:
            maps = maps.load()
        except Exception as error:
            raise UnreadableFileError(f"{path} is damaged: its values cannot be read") from error
        finally:
            dataset.close()
    return check(_decoded(maps), several=True)

"""The manifest: what went in, what was used, what came out, with hashes; no host name, no user's path."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import xarray as xr

from workbench.assets import sha256_of
from workbench.faces.faceset import FaceSet
from workbench.masks import MaskSet
from workbench.report.recognition import Recognition

SCHEMA = 1
PACKAGES = (
    "facs-workbench",
    "numpy",
    "scipy",
    "xarray",
    "torch",
    "torchvision",
    "timm",
    "captum",
    "mediapipe",
    "scikit-image",
    "matplotlib",
    "pillow",
    "h5py",
)


def versions() -> dict[str, str]:
    """Installed versions of the packages that can influence a number."""
    out = {}
    for name in PACKAGES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return out


def manifest(
    maps: xr.DataArray,
    masks: Sequence[MaskSet],
    faces: FaceSet | None,
    *,
    contains_faces: bool,
    classifiers: Iterable[Mapping[str, Any]],
    assets: Iterable[Mapping[str, Any]],
    policy: str,
    threshold: object,
    title: str,
    files: Iterable[Path],
    notes: Iterable[str] = (),
    caveat: str = "",
    answers: Iterable[Recognition] = (),
) -> dict[str, Any]:
    """Everything needed to know what a page shows and to make it again, as plain JSON values.

    Paths are reduced to their last part. `files` are hashed; a mask set's `sha256` is that of its array (little-endian
    float32, masks × y × x).
    """
    out = {
        "schema": SCHEMA,
        "title": title,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "contains_faces": contains_faces,
        "caveat": caveat,
        "notes": list(notes),
        "versions": versions(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "inputs": _inputs(maps, faces),
        "classifiers": list(classifiers),
        "assets": list(assets),
        "explainers": _explainers(maps),
        "recognition": [
            {"model": a.model, "n": a.n, "accuracy": a.accuracy, "right": a.right, "labelled": a.labelled}
            for a in answers
        ],
        "target": maps.attrs.get("target"),
        "target_space": maps.attrs.get("target_space"),
        "seed": maps.attrs.get("seed"),
        "frame": maps.attrs.get("frame"),
        "policy": policy,
        "threshold": threshold,
        "masks": [
            {
                "name": m.name,
                "dimension": m.dimension,
                "masks": m.names,
                "sha256": hashlib.sha256(np.ascontiguousarray(m.maps.values, "<f4").tobytes()).hexdigest(),
                **{k: _parsed(v) for k, v in m.attrs.items()},
            }
            for m in masks
        ],
        "files": {path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in files},
    }
    return dict(plain(out))


def _inputs(maps: xr.DataArray, faces: FaceSet | None) -> dict[str, Any]:
    out: dict[str, Any] = {"faces": [], "failures": []}
    if faces is not None:
        table = faces.table
        columns = [c for c in ("name", "label", "subject", "sha256") if c in table.columns]
        out["faces"] = [{c: row[c] for c in columns} for row in table.to_dict("records")]
        out["sources"] = _parsed(faces.attrs.get("sources", {}))
        out["failures"] = [{"name": f.name, "stage": f.stage, "reason": f.reason} for f in faces.failures]
    elif "image" in maps.dims:
        hashes = maps["sha256"].values if "sha256" in maps.coords else [""] * maps.sizes["image"]
        out["faces"] = [{"name": n, "sha256": h} for n, h in zip(maps["image"].values, hashes, strict=True)]
    failed = maps.attrs.get("failures")
    if failed:
        out["map_failures"] = json.loads(failed) if isinstance(failed, str) else failed
    return out


def _explainers(maps: xr.DataArray) -> list[dict[str, Any]]:
    options = maps.attrs.get("options", {})
    options = json.loads(options) if isinstance(options, str) and options else options
    names = maps["explainer"].values.astype(str)
    roles = maps["role"].values.astype(str) if "role" in maps.coords else ["method"] * len(names)
    out = []
    for n, r in zip(names.tolist(), roles, strict=True):
        row: dict[str, Any] = {"name": n, "role": str(r), "options": options.get(n, {})}
        if "status" in maps.coords:
            found, counts = np.unique(maps["status"].sel(explainer=n).values.astype(str), return_counts=True)
            row["maps"] = dict(zip(found.tolist(), counts.tolist(), strict=True))
        out.append(row)
    return out


def _parsed(value: Any) -> Any:
    """An attribute that is a JSON object or list as that, anything else as it is."""
    if isinstance(value, str) and value[:1] in "[{" and value:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def plain(value: Any) -> Any:
    """JSON-able values only: NumPy scalars made plain, NaN and infinity None, paths cut to their last part."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Path):
        return value.name
    if isinstance(value, str):
        return without_path(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(v) for v in value]
    return str(value)


def without_path(text: str) -> str:
    """A string that is one absolute path cut to its last part; anything else, URLs included, as it is."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(text)
        if path.is_absolute() and "\n" not in text and len(path.parts) > 1:
            return path.name
    home = str(Path.home())
    return text.replace(home + "/", "~/") if len(home) > 1 and home in text else text

"""From native maps to the one named array on the canonical face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.canonical import load_frame
from workbench.explain.native import package_version
from workbench.explain.targets import Prediction
from workbench.explainers import EXPLAINERS, NativeMaps
from workbench.vocabulary import EXPRESSIONS, ON_RANDOM_WEIGHTS

if TYPE_CHECKING:
    from workbench.faces.faceset import FaceSet


def to_canonical(native: NativeMaps, faces: FaceSet, frame: str = "mediapipe478") -> np.ndarray:
    """Native maps of the first n faces → (n, height, width) float32 on the canonical face, NaN where not computed."""
    face = load_frame(frame)
    result = np.full((len(native), *face.grid), np.nan, np.float32)
    for index, status in enumerate(native.status):
        if status != "not computed":
            result[index] = face.warp(native.values[index][None], faces.landmarks[index], faces.scheme)[0]
    return result


def named(maps: NativeMaps, faces: FaceSet) -> xr.DataArray:
    """Native maps of the first n faces as an array (image, y, x), each map covering its whole crop."""
    coords = {"image": faces.names[: len(maps)], "status": ("image", np.array(maps.status, str))}
    attrs = {"frame": "native", "layer": maps.layer, "options": json.dumps(maps.options), "reason": maps.reason}
    return xr.DataArray(maps.values, coords, ("image", "y", "x"), "heatmap", attrs)


def assemble(
    native: Mapping[str, Mapping[str, NativeMaps]],
    predictions: Mapping[str, Prediction],
    faces: FaceSet,
    *,
    frame: str = "mediapipe478",
    target: str = "predicted",
    seed: int = 0,
) -> xr.DataArray:
    """model → explainer → native maps, and model → prediction, as the one array that `explain` returns.

    An array's coordinates may only have dimensions of the array, so that every class's probability is a coordinate
    of its own: `probability_<class>(model, image)`, NaN where a network lacks the class.
    """
    models = list(native)
    explainers = list(dict.fromkeys(name for found in native.values() for name in found))
    shape = (len(models), len(explainers), len(faces))
    values = np.full((*shape, *load_frame(frame).grid), np.nan, np.float32)
    status, layer = np.full(shape, "not computed", "<U13"), np.full(shape[:2], "", object)
    failures: list[dict[str, str]] = []
    options: dict[str, dict[str, Any]] = {}
    for row, model in enumerate(models):
        if predictions[model].reason:
            failures.append({"model": model, "explainer": "", "reason": predictions[model].reason})
        for column, name in enumerate(explainers):
            maps = native[model].get(name) or NativeMaps.missing(0)
            values[row, column, : len(maps)] = to_canonical(maps, faces, frame)
            status[row, column, : len(maps)] = maps.status
            layer[row, column] = maps.layer
            options.setdefault(name, maps.options)
            if maps.reason:
                failures.append({"model": model, "explainer": name, "reason": maps.reason})
    found = {label for prediction in predictions.values() for label in prediction.labels}
    classes = [*(e for e in EXPRESSIONS if e in found), *sorted(found - set(EXPRESSIONS))]
    probability = np.full((len(models), len(faces), len(classes)), np.nan, np.float32)
    for row, model in enumerate(models):
        places = [classes.index(label) for label in predictions[model].labels]
        probability[row][:, places] = predictions[model].probability
    table = faces.table
    origin = [name.removesuffix(ON_RANDOM_WEIGHTS) for name in explainers]
    control = [o != n or EXPLAINERS[o].value.role == "control" for o, n in zip(origin, explainers, strict=True)]
    coords: dict[str, Any] = {
        "model": models,
        "explainer": explainers,
        "image": faces.names,
        "status": (("model", "explainer", "image"), status),
        "role": ("explainer", ["control" if c else "method" for c in control]),
        "control_of": ("explainer", [o if o != n else "" for o, n in zip(origin, explainers, strict=True)]),
        "layer": (("model", "explainer"), layer.astype(str)),
        "predicted": (("model", "image"), [predictions[model].predicted for model in models]),
        "explained": (("model", "image"), [predictions[model].explained for model in models]),
        **{f"probability_{c}": (("model", "image"), probability[..., k]) for k, c in enumerate(classes)},
        **{name: ("image", table[name].astype(str).to_numpy(str)) for name in ("label", "subject", "sha256")},
        "domain": (("y", "x"), load_frame(frame).domain),
        **{f"group_{c}": ("image", table[c].astype(str).to_numpy(str)) for c in faces.groups},
    }
    other = [name for name, given in options.items() if given.get("space") == "probability"]
    attrs = {
        "frame": frame,
        "target": target,
        "target_space": "logit" + ("; probability for " + ", ".join(other) if other else ""),
        "seed": seed,
        "options": json.dumps(options),
        "failures": json.dumps(failures),
        "package_version": package_version(),
    }
    return xr.DataArray(values, coords, ("model", "explainer", "image", "y", "x"), "heatmap", attrs)

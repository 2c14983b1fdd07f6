"""From native maps to the one named array on the canonical face."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import xarray as xr

from workbench.canonical import face_flags, load_frame
from workbench.explain.native import package_version
from workbench.explain.targets import Prediction
from workbench.explainers import EXPLAINERS, NativeMaps
from workbench.explainers.run import Key
from workbench.vocabulary import EXPRESSIONS, ON_RANDOM_WEIGHTS

if TYPE_CHECKING:
    from workbench.faces.faceset import FaceSet

_WARPED = 32  # maps warped at a time: bounds what is held twice


@overload
def to_canonical(native: NativeMaps, faces: FaceSet, frame: str = "mediapipe478") -> np.ndarray: ...
@overload
def to_canonical(native: Sequence[NativeMaps], faces: FaceSet, frame: str = "mediapipe478") -> list[np.ndarray]: ...
def to_canonical(
    native: NativeMaps | Sequence[NativeMaps], faces: FaceSet, frame: str = "mediapipe478"
) -> np.ndarray | list[np.ndarray]:
    """Native maps of the first n faces → (n, height, width) float32 on the canonical face, NaN where not computed.

    Several native maps give a list in their order; those of one resolution share each face's operator, which is some
    four times as fast as one after the other, with the same values.
    """
    maps = [native] if isinstance(native, NativeMaps) else list(native)
    face = load_frame(frame)
    result = [np.full((len(one), *face.grid), np.nan, np.float32) for one in maps]
    computed = [np.array([status != "not computed" for status in one.status], bool) for one in maps]
    alike: dict[tuple[int, ...], list[int]] = {}
    for index, one in enumerate(maps):
        alike.setdefault(one.values.shape, []).append(index)
    for members in alike.values():
        chosen = np.flatnonzero(np.any([computed[index] for index in members], axis=0))
        step = max(1, _WARPED // len(members))
        for some in (chosen[start : start + step] for start in range(0, len(chosen), step)):
            stacked = np.stack([maps[index].values[some] for index in members], axis=1)
            warped = face.warp(stacked, faces.landmarks[some], faces.scheme)
            for place, index in enumerate(members):
                known = computed[index][some]
                result[index][some[known]] = warped[known, place]
    return result[0] if isinstance(native, NativeMaps) else result


def named(native: Mapping[Key, NativeMaps], faces: FaceSet, *, several: bool = False) -> xr.DataArray:
    """Native maps of one explainer at one layer as an array (image, y, x), each map covering its whole crop.

    With `several`, (target, image, y, x). Values of named regions, where there are any, are JSON in `attrs["parts"]`
    ((target,) image, part), with `attrs["part_names"]`.
    """
    maps = list(native.values())
    first = maps[0]
    coords: dict[str, Any] = {"image": faces.names[: len(first)]}
    status, values = np.array([one.status for one in maps], str), np.stack(_alike([one.values for one in maps]))
    dims: tuple[str, ...] = ("target", "image")
    if several:
        coords["target"] = [target for _, _, target in native]
    else:
        dims, status, values = dims[1:], status[0], values[0]
    coords["status"] = (dims, status)
    attrs = {
        "frame": "native",
        "target": ", ".join(target for _, _, target in native),
        "layer": first.layer,
        "options": json.dumps(first.options),
        "reason": "; ".join(dict.fromkeys(one.reason for one in maps if one.reason)),
    }
    found = xr.DataArray(values, coords, (*dims, "y", "x"), "heatmap", attrs)
    if first.parts is not None:
        attrs["part_names"] = json.dumps(first.part_names)
        parts = [np.asarray(one.parts, float).tolist() for one in maps]
        found = found.assign_attrs(attrs, parts=json.dumps(parts if several else parts[0]))
    return found


def _alike(values: list[np.ndarray]) -> list[np.ndarray]:
    """Maps that were not computed have one place; they are repeated to the shape of the others."""
    shape = max((one.shape for one in values), key=lambda shape: shape[1] * shape[2])
    return [np.broadcast_to(one, shape) if one.shape[1:] == (1, 1) else one for one in values]


def assemble(
    native: Mapping[str, Mapping[Key, NativeMaps]],
    predictions: Mapping[str, Prediction],
    faces: FaceSet,
    *,
    frame: str = "mediapipe478",
    target: str | Sequence[str] = "predicted",
    layers: Sequence[str] | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> xr.DataArray:
    """model → (explainer, layer, target) → native maps, and model → prediction, as the array that `explain` returns.

    An array's coordinates may only have dimensions of the array, so that every class's probability is a coordinate
    of its own: `probability_<class>(model, image)`, NaN where a network lacks the class.
    """
    models = list(native)
    keys = list(dict.fromkeys(key for found in native.values() for key in found))
    explainers, depths, targets = (list(dict.fromkeys(key[axis] for key in keys)) for axis in range(3))
    shape = (len(models), len(explainers), len(depths), len(targets), len(faces))
    values = np.full((*shape, *load_frame(frame).grid), np.nan, np.float32)
    status, layer = np.full(shape, "not computed", "<U13"), np.full(shape[:3], "", object)
    failures: list[dict[str, str]] = []
    options: dict[str, dict[str, Any]] = {}
    for row, model in enumerate(models):
        found = {id(maps): maps for maps in native[model].values()}  # one map may serve several targets
        warped = dict(zip(found, to_canonical(list(found.values()), faces, frame), strict=True))
        for aim in predictions[model].aims:
            if aim.reason:
                failures.append({"model": model, "explainer": "", "reason": aim.reason})
        for key in keys:
            name, depth, aimed = key
            place = (row, explainers.index(name), depths.index(depth), targets.index(aimed))
            maps = native[model].get(key)
            if maps is None:
                continue
            values[(*place, slice(len(maps)))] = warped[id(maps)]
            status[(*place, slice(len(maps)))] = maps.status
            layer[place[:3]] = maps.layer
            options.setdefault(name, {k: v for k, v in maps.options.items() if k != "layer" or not depth})
            failure = {"model": model, "explainer": name, "reason": maps.reason}
            if maps.reason and failure not in failures:
                failures.append(failure)
    origin = [name.removesuffix(ON_RANDOM_WEIGHTS) for name in explainers]
    control = [o != n or EXPLAINERS[o].value.role == "control" for o, n in zip(origin, explainers, strict=True)]
    table = faces.table
    several = target if not isinstance(target, str) else None
    dims = ["model", "explainer", *(["layer"] if layers is not None else []), *(["target"] if several else [])]
    kept = [True, True, layers is not None, bool(several), True]

    def squeezed(array: np.ndarray) -> np.ndarray:
        drop = tuple(axis for axis, keep in enumerate(kept[: array.ndim]) if not keep)
        return array.squeeze(drop)

    explained = np.array([[aim.explained for aim in predictions[model].aims] for model in models])
    coords: dict[str, Any] = {
        "model": models,
        "explainer": explainers,
        "image": faces.names,
        "status": ([*dims, "image"], squeezed(status)),
        "role": ("explainer", ["control" if c else "method" for c in control]),
        "control_of": ("explainer", [o if o != n else "" for o, n in zip(origin, explainers, strict=True)]),
        "predicted": (("model", "image"), [predictions[model].predicted for model in models]),
        "explained": (("model", "target", "image"), explained) if several else (("model", "image"), explained[:, 0]),
        **_outputs(models, predictions, len(faces)),
        **{name: ("image", table[name].astype(str).to_numpy(str)) for name in ("label", "subject", "sha256")},
        "domain": (("y", "x"), load_frame(frame).domain),
        **_flags(faces, frame),
        **{f"group_{c}": ("image", table[c].astype(str).to_numpy(str)) for c in faces.groups},
    }
    coords |= {"target": targets} if several else {}
    coords |= (
        {"layer": depths} if layers is not None else {"layer": (("model", "explainer"), layer[..., 0].astype(str))}
    )
    attrs = {
        "frame": frame,
        "target": target if isinstance(target, str) else ", ".join(targets),
        "target_space": _spaces(options),
        "seed": seed,
        "options": json.dumps(options),
        "failures": json.dumps(failures),
        "package_version": package_version(),
        **({"precision": precision} if precision != "float32" else {}),
    }
    return xr.DataArray(squeezed(values), coords, (*dims, "image", "y", "x"), "heatmap", attrs)


def _flags(faces: FaceSet, frame: str) -> dict[str, Any]:
    """Which faces the canonical face cannot show well (`folded`, `turned`), and the numbers behind that, (image)."""
    angles = ("yaw", "pitch", "roll")
    known = all(angle in faces.table for angle in angles)
    pose = np.stack([faces.table[angle].to_numpy(float) for angle in angles], axis=1) if known else None
    return dict(face_flags(load_frame(frame), faces.landmarks, faces.scheme, pose=pose).coordinates())


def _outputs(models: list[str], predictions: Mapping[str, Prediction], count: int) -> dict[str, Any]:
    """`probability_<expression>`, `au_<number>`, `<head>_<label>`: what each network says, (model, image)."""
    names: dict[str, np.ndarray] = {}
    known = [("expression", label) for label in EXPRESSIONS]
    said = [(head, label) for p in predictions.values() for head, labels in p.heads.items() for label in labels]
    order = [pair for pair in known if pair in said] + sorted({pair for pair in said if pair not in known})
    for head, label in order:
        name = f"probability_{label}" if head == "expression" else f"{head}_{label}"
        names[name] = np.full((len(models), count), np.nan, np.float32)
        for row, model in enumerate(models):
            column = 0
            for own, labels in predictions[model].heads.items():
                if own == head and label in labels:
                    names[name][row] = predictions[model].activated[:, column + labels.index(label)]
                column += len(labels)
    return {name: (("model", "image"), values) for name, values in names.items()}


def _spaces(options: Mapping[str, Mapping[str, Any]]) -> str:
    """What was explained: "logit", and which explainers took the probability instead."""
    other = [name for name, given in options.items() if given.get("space") == "probability"]
    return "logit" + ("; probability for " + ", ".join(other) if other else "")

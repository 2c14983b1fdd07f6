"""What a mask set promises, measured: equivariance, distinctness, area, place. One row an entry."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from workbench.canonical import IBUG, MEDIAPIPE, PUBLISHED, convert, load_frame
from workbench.masks.definition import Definition
from workbench.masks.drawing import draw, shapes_of
from workbench.masks.geometry import filled
from workbench.masks.maskset import MaskSet
from workbench.masks.place import mirrored_indices, on_face

SIZES: Final = (112, 224, 448)
TURNS: Final = (-30.0, 30.0)
_FILL: Final = 0.72  # height of the test face as a share of its picture


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boolean maps; 1 where both are empty."""
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 1.0


def equivariance(definition: Definition, *, scheme: str = "", fine: int = 896) -> pd.DataFrame:
    """IoU of each entry with itself after the face was mirrored, enlarged or turned: outlines carried back to the
    upright face and filled on one grid of `fine` pixels, 8 times that of the smallest picture.

    The face is the canonical mesh (scheme: its landmarks, those of the set unless given), made a little lopsided so
    that nothing is symmetric by accident. Columns: `mirror` (landmarks mirrored, left and right swapped, against the
    mirrored mask; an entry `right_…` against `left_…`), `scale` (pictures of 224 and 448 pixels against 112, the
    lower), `roll` (±30°, the lower), `symmetry` (the mask against its own mirror image on the canonical face;
    reported, not required).
    """
    kind = scheme or definition.table["landmarks"]
    face, permutation = _test_face(kind), mirrored_indices(kind)
    smallest = SIZES[0]
    upright = _drawn(definition, face, smallest, fine)
    flipped = _drawn(definition, (face * [-1, 1] + [1, 0])[permutation], smallest, fine)
    larger = [_drawn(definition, face, size, fine) for size in SIZES[1:]]
    turned = [_drawn(definition, face, smallest, fine, angle) for angle in TURNS]
    straight = _drawn(definition, _test_face(kind, lopsided=False), smallest, fine)
    rows = []
    for name, mask in upright.items():
        other = _other_side(name)
        rows.append(
            {
                "entry": name,
                "mirror": iou(flipped[other][:, ::-1], mask),
                "scale": min(iou(mask, drawn[name]) for drawn in larger),
                "roll": min(iou(mask, drawn[name]) for drawn in turned),
                "symmetry": iou(straight[name], straight[other][:, ::-1]),
            }
        )
    return pd.DataFrame(rows).set_index("entry")


def distinctness(masks: MaskSet) -> pd.DataFrame:
    """Each entry's nearest other outside its declared class: columns `nearest`, `iou` (of what is at least .5)."""
    binary = masks.maps.values >= 0.5
    classes = [set(group) for group in masks.classes]
    rows = []
    for i, name in enumerate(masks.names):
        own = next((group for group in classes if name in group), {name})
        others = [(iou(binary[i], binary[j]), other) for j, other in enumerate(masks.names) if other not in own]
        value, nearest = max(others, default=(float("nan"), ""))
        rows.append({"entry": name, "nearest": nearest, "iou": value})
    return pd.DataFrame(rows).set_index("entry")


def extent(masks: MaskSet) -> pd.DataFrame:
    """Each entry's `area` as a share of the face and the share of it `inside` the face (the frame's face domain)."""
    face = load_frame(masks.frame).face_domain
    binary = masks.maps.values >= 0.5
    rows = [
        {"entry": name, "area": float(mask[face].mean()), "inside": float(mask[face].sum() / mask.sum())}
        for name, mask in zip(masks.names, binary, strict=True)
    ]
    return pd.DataFrame(rows).set_index("entry")


def summary(definition: Definition, fine: int = 896) -> dict[str, tuple[float, str]]:
    """The worst entry of a set in each respect: {measure: (value, entry)}.

    `mirror`, `scale`, `roll`, `symmetry` as in `equivariance`; `overlap`: greatest IoU outside the declared classes on
    mediapipe478 (entry: both names); `least` and `most`: areas there; `lost`, `lost_ibug68`: greatest share cut off by
    that frame; `inside`: least share inside the face of `published`, whose canvas is larger than the face.
    """
    masks = draw(definition, MEDIAPIPE)
    moved, apart, where = equivariance(definition, fine=fine), distinctness(masks), extent(masks)
    inside = extent(draw(definition, PUBLISHED))["inside"]
    found = {name: _worst(moved[name]) for name in moved}
    closest = int(apart["iou"].argmax())
    found["overlap"] = (float(apart["iou"].iloc[closest]), f"{apart.index[closest]}, {apart['nearest'].iloc[closest]}")
    found["inside"] = _worst(inside)
    found["least"], found["most"] = _worst(where["area"]), _worst(where["area"], greatest=True)
    for name, frame in (("lost", MEDIAPIPE), ("lost_ibug68", IBUG)):
        lost = json.loads(str(draw(definition, frame).attrs["lost"]))
        found[name] = _worst(pd.Series(lost), greatest=True)
    return {str(name): value for name, value in found.items()}


def _worst(values: pd.Series[Any], greatest: bool = False) -> tuple[float, str]:
    at = int(values.argmax() if greatest else values.argmin())
    return float(values.iloc[at]), str(values.index[at])


def _test_face(scheme: str, lopsided: bool = True) -> np.ndarray:
    """The canonical mesh as shares of a square picture: its face `_FILL` high, in the middle; lopsided by a shear and
    a slant of up to 3 % of its height."""
    mesh = load_frame(MEDIAPIPE).points
    middle, height = (mesh[:468].min(axis=0) + mesh[:468].max(axis=0)) / 2, float(np.ptp(mesh[:468, 1]))
    face = (mesh - middle) / height * _FILL
    if lopsided:
        x, y = face.T
        face = np.column_stack([x + 0.05 * y + 0.08 * x**2, y + 0.04 * x * (1 + y)])
    face = face + 0.5
    return convert(face, MEDIAPIPE, IBUG) if scheme == IBUG else face


def _drawn(definition: Definition, face: np.ndarray, size: int, fine: int, angle: float = 0.0) -> dict[str, np.ndarray]:
    """Entries drawn over a face turned by `angle` degrees, and their outlines turned back."""
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    place = on_face((face - 0.5) @ rotation.T + 0.5, (size, size))
    middle = (size - 1) / 2
    found = {}
    for name, shapes in shapes_of(definition, place).items():
        back = [replace(shape, vertices=(shape.vertices - middle) @ rotation + middle) for shape in shapes]
        found[name] = filled(back, place.size, fine // size)
    return found


def _other_side(name: str) -> str:
    first, _, rest = name.partition("_")
    return {"right": "left_", "left": "right_"}.get(first, first + "_" * bool(rest)) + rest

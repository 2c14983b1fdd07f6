"""A mask set as data: `maskset.toml`, read, checked and drawn on a frame. No code per set."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.canonical import FRAMES, IBUG, MEDIAPIPE, CanonicalFace, convert, load_frame
from workbench.errors import UnreadableFileError, UsageError
from workbench.masks.maskset import DIMENSIONS, MaskSet, check_name
from workbench.masks.shapes import filled_triangle, grown, hull

TEXTS: Final = ("summary", "citation", "licence", "authority")
_KEYS: Final = {
    *TEXTS,
    "name",
    "caveat",
    "dimension",
    "landmarks",
    "frames",
    "symmetric",
    "points",
    "rim",
    "indistinguishable",
    "masks",
}
_TYPES: Final[dict[str, type]] = {
    "frames": list,
    "symmetric": bool,
    "points": dict,
    "rim": dict,
    "indistinguishable": list,
}
_KINDS: Final[dict[str, type]] = {"triangles": str, "polygon": list, "hull": list, "line": list, "same_as": str}
_UNIT: Final = {MEDIAPIPE: (33, 263), IBUG: (37, 46)}  # outer eye corners: their distance is the unit of `grow`


@dataclass(frozen=True)
class Definition:
    """A parsed `maskset.toml`; `table` is its content, keys and types checked, points not yet resolved."""

    path: Path
    name: str
    table: dict[str, Any]

    @property
    def frames(self) -> list[str]:
        """The frames on which the set is defined."""
        return list(self.table["frames"])

    def text(self, key: str) -> str:
        """One of summary, citation, licence, authority, caveat; "" if absent."""
        return " ".join(str(self.table.get(key, "")).split())

    def error(self, what: str) -> UsageError:
        """An error that names the file."""
        return UsageError(f"{self.path}: {what}")


def read_definition(path: Path) -> Definition:
    """Read and check a `maskset.toml`; UsageError names the file and the entry, UnreadableFileError the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UnreadableFileError(f"{path}: not a readable TOML file ({problem})") from None
    definition = Definition(path, str(table.get("name", path.resolve().parent.name)), table)
    table.setdefault("landmarks", MEDIAPIPE)
    table.setdefault("frames", [MEDIAPIPE])
    table.setdefault("symmetric", False)
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise definition.error(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    for key in TEXTS:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise definition.error(f"{key} is missing; say it in one sentence")
    if table.get("dimension") not in DIMENSIONS:
        raise definition.error(f"dimension is {table.get('dimension')!r}; write one of {', '.join(DIMENSIONS)}")
    if table["landmarks"] not in _UNIT:
        raise definition.error(f"landmarks is {table['landmarks']!r}; write {MEDIAPIPE} or {IBUG}")
    for key, kind in _TYPES.items():
        if not isinstance(table.get(key, kind()), kind):
            raise definition.error(f"{key} = {table[key]!r} is no {kind.__name__}")
    for frame in table["frames"]:
        if frame not in FRAMES or (frame != MEDIAPIPE and table["landmarks"] == MEDIAPIPE):
            raise definition.error(f"frame {frame!r} cannot be drawn from {table['landmarks']} landmarks")
        if table["symmetric"] and frame != MEDIAPIPE:
            raise definition.error(f"symmetric = true needs a frame that is its own mirror image; {frame!r} is not")
    _check_masks(definition)
    return definition


def _check_masks(definition: Definition) -> None:
    masks = definition.table.get("masks")
    if not isinstance(masks, dict) or not masks:
        raise definition.error("no masks; add [[masks.<entry>]] with a hull, polygon, line or triangles")
    for entry, shapes in masks.items():
        check_name(definition.table["dimension"], entry, f"{definition.path}: entry {entry!r}")
        if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
            raise definition.error(f"entry {entry!r} is no list of shapes; write [[masks.{entry}]]")
        for shape in shapes:
            kinds = [kind for kind in _KINDS if kind in shape]
            odd = sorted(set(shape) - {*_KINDS, "grow", "reason"})
            if odd or len(kinds) != 1:
                found = f"unknown key {odd[0]!r}" if odd else f"{len(kinds)} of them"
                raise definition.error(f"entry {entry!r}: a shape has one of {', '.join(_KINDS)}; found {found}")
            kind = kinds[0]
            if not isinstance(shape[kind], _KINDS[kind]) or len(shape[kind]) < (3 if kind == "polygon" else 1):
                raise definition.error(f"entry {entry!r}: {kind} = {shape[kind]!r} is no list of points")
            if kind == "same_as" and (
                shape["same_as"] not in masks
                or shape["same_as"] == entry
                or any("same_as" in other for other in masks[shape["same_as"]])
            ):
                raise definition.error(f"entry {entry!r}: same_as = {shape['same_as']!r} names no drawn entry")
            grow = shape.get("grow", 0)
            if isinstance(grow, bool) or not isinstance(grow, (int, float)) or not 0 <= grow <= 1:
                raise definition.error(f"entry {entry!r}: grow is {grow!r}; give 0 … 1 outer eye corner distances")
            if kind == "line" and not grow:
                raise definition.error(f"entry {entry!r}: a line needs grow > 0")
    for group in definition.table.get("indistinguishable", []):
        for entry in group:
            if entry not in masks:
                raise definition.error(f"indistinguishable names {entry!r}, which is no entry")


def draw(definition: Definition, frame: str) -> MaskSet:
    """The set on that frame. UsageError where it is not defined there, or a point or shape cannot be drawn."""
    if frame not in definition.frames:
        raise UsageError(
            f"mask set {definition.name!r} is defined on {' and '.join(definition.frames)}, not on {frame!r}; "
            f'use frame="{definition.frames[0]}"'
        )
    face = load_frame(frame)
    points = _Points(definition, face)
    table = definition.table
    first, second = (points[n] for n in _UNIT[table["landmarks"]])
    unit = float(np.linalg.norm(first - second))
    names = list(table["masks"])
    drawn = {name: np.zeros(face.grid, dtype=bool) for name in names}
    for name in sorted(names, key=lambda n: any("same_as" in shape for shape in table["masks"][n])):
        for shape in table["masks"][name]:
            try:
                drawn[name] |= drawn[shape["same_as"]] if "same_as" in shape else _pixels(shape, points, face, unit)
            except KeyError as missing:
                raise definition.error(f"entry {name!r}: there is no point {missing.args[0]!r}") from None
        if table["symmetric"]:
            drawn[name] |= drawn[name][:, ::-1]
        if not (drawn[name] & face.domain).any():
            raise definition.error(f"entry {name!r} covers no pixel of {frame!r}")
    stack = np.stack([drawn[name] for name in names])
    lost = {name: round(float((mask & ~face.domain).sum() / mask.sum()), 4) for name, mask in drawn.items()}
    dimension = table["dimension"]
    maps = xr.DataArray(
        (stack & face.domain).astype(np.float32),
        dims=(dimension, vocabulary.Y, vocabulary.X),
        coords={dimension: names},
        name="mask",
    )
    attrs: dict[str, object] = {key: definition.text(key) for key in (*TEXTS, "caveat") if definition.text(key)}
    reasons = {name: [s["reason"] for s in table["masks"][name] if "reason" in s] for name in names}
    attrs["reasons"] = json.dumps(reasons, ensure_ascii=False)
    attrs["lost"] = json.dumps(lost)
    attrs["indistinguishable"] = json.dumps(table.get("indistinguishable", []))
    domain = xr.DataArray(face.domain.copy(), dims=(vocabulary.Y, vocabulary.X))
    return MaskSet(definition.name, maps, frame, domain, attrs)


def _pixels(shape: dict[str, Any], points: _Points, face: CanonicalFace, unit: float) -> np.ndarray:
    if "triangles" in shape:
        out = np.zeros(face.grid, dtype=bool)
        for triangle in shape["triangles"].split():
            names = triangle.split("-")
            if len(names) != 3:
                raise points.definition.error(f"{triangle!r} is no triangle; write a-b-c")
            out |= filled_triangle(np.stack([points[name] for name in names]), face.grid)
        return out
    kind = next(kind for kind in ("polygon", "hull", "line") if kind in shape)
    vertices = np.stack([points[name] for name in shape[kind]])
    if kind == "hull":
        vertices = hull(vertices)
    return grown(vertices, face.grid, float(shape.get("grow", 0)) * unit, closed=kind != "line")


class _Points:
    """Points of a frame by name: landmark numbers (mesh from 0, dlib from 1) and the set's own [points].

    A helper is `{x = a, y = b}` (x of one point, y of another; `y = "rim"`: where the frame's upper rim is at that
    x) or `{between = [a, b]}`. `topleft` and `topright` are the canvas's corners.
    """

    def __init__(self, definition: Definition, face: CanonicalFace) -> None:
        self.definition, self._face = definition, face
        self._helpers: dict[str, Any] = definition.table.get("points", {})
        if definition.table["landmarks"] == MEDIAPIPE:
            self._landmarks = dict(enumerate(face.points))
        else:
            own = face.points[:68] if face.scheme == IBUG else convert(face.points, face.scheme, IBUG)
            self._landmarks = dict(enumerate(own, start=1))

    def __getitem__(self, name: int | str) -> np.ndarray:
        text = str(name)
        if text in self._helpers:
            return self._helper(text)
        if text in ("topleft", "topright"):
            return np.array([0.0 if text == "topleft" else self._face.grid[1], 0.0])
        if re.fullmatch(r"\d+", text) and int(text) in self._landmarks:
            return self._landmarks[int(text)]
        raise KeyError(text)

    def _helper(self, name: str) -> np.ndarray:
        rule = self._helpers[name]
        if isinstance(rule, dict) and set(rule) == {"between"} and len(rule["between"]) == 2:
            return np.asarray((self[rule["between"][0]] + self[rule["between"][1]]) / 2)
        if not isinstance(rule, dict) or set(rule) != {"x", "y"}:
            raise self.definition.error(f"point {name!r}: write {{x = a, y = b}} or {{between = [a, b]}}")
        x = self[rule["x"]][0]
        if rule["y"] != "rim":
            return np.array([x, self[rule["y"]][1]])
        try:
            rim = self._face.points[self.definition.table["rim"][self._face.name]]
        except KeyError:
            raise self.definition.error(f"point {name!r} needs [rim] {self._face.name} = [points …]") from None
        rim = rim[np.argsort(rim[:, 0])]
        return np.array([x, np.interp(x, rim[:, 0], rim[:, 1])])

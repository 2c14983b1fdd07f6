"""AffectNet: the lists of 2017 (CSV) or the annotation files of the later release (one NumPy file a value)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from workbench.errors import UnreadableFileError, UsageError
from workbench.faces.images import SUFFIXES
from workbench.faces.layouts.reading import csv_header, table_rows, whole
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import Item

CODES: Final = {
    0: "neutral",
    1: "happiness",
    2: "sadness",
    3: "surprise",
    4: "fear",
    5: "disgust",
    6: "anger",
    7: "contempt",
}
_NO_EXPRESSION: Final = {8: "none", 9: "uncertain", 10: "no face"}
_COLUMNS: Final = {"subdirectory_filepath", "expression"}
_PICTURES: Final = ("", "Manually_Annotated_Images", "Manually_Annotated", "Automatically_Annotated_Images", "images")


def _lists(path: Path) -> list[Path]:
    """The CSV lists at a path, in its folder, or in the folders just below."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".csv" and _is_list(path) else []
    folders = [path, *sorted(p for p in path.iterdir() if p.is_dir())]
    return [file for folder in folders for file in sorted(folder.glob("*.csv")) if _is_list(file)]


def _is_list(file: Path) -> bool:
    return {cell.strip().lower() for cell in csv_header(file)} >= _COLUMNS


def _annotated(path: Path) -> list[Path]:
    """Folders that hold `annotations` and `images`: the path, or folders just below (train_set, val_set)."""
    folders = [path, *sorted(p for p in path.iterdir() if p.is_dir())] if path.is_dir() else []
    return [folder for folder in folders if (folder / "annotations").is_dir() and (folder / "images").is_dir()]


def _fits(path: Path) -> bool:
    if _lists(path):
        return True
    return any(next((folder / "annotations").glob("*_exp.npy"), None) for folder in _annotated(path))


@layout(
    "affectnet",
    recognise=_fits,
    reference="Mollahosseini, Hasani & Mahoor, AffectNet, IEEE TAFFC 2019, arXiv:1708.03985",
)
def affectnet(path: Path, notes: Notes, part: str = "", images: str = "") -> Iterator[Item]:
    """CSV lists (subDirectory_filePath, expression 0-10, valence, arousal, facial_landmarks), or annotations/*_exp.npy.

    part: one list or folder alone, by its name ("training", "val_set"). images: the folder of the pictures, where it
    lies elsewhere. Expressions 8 to 10 (none, uncertain, no face) are left out and counted; valence and arousal
    outside [-1, 1] (-2: missing) become NaN. The 68 landmarks that come with the set are used on request
    (`landmarks="dataset"`). Group: `part`.
    """
    lists, folders = _lists(path), _annotated(path)
    if not lists and not folders:
        raise UsageError(
            f"{path}: neither a CSV with the columns subDirectory_filePath and expression nor a folder with "
            "annotations and images; name one of them"
        )
    known = [p.stem if p in lists else p.name for p in (*lists, *folders)]
    if part and part not in known:
        raise UsageError(f"{path}: no part {part!r}; there are {', '.join(known)}")
    for file in lists:
        if part in ("", file.stem):
            yield from _of_list(file, notes, images)
    for folder in [] if lists else folders:
        if part in ("", folder.name):
            yield from _of_annotations(folder, notes)


def _of_list(file: Path, notes: Notes, images: str) -> Iterator[Item]:
    rows = list(table_rows(file, sorted(_COLUMNS)))
    base = Path(images).expanduser() if images else _base(file, [row["subdirectory_filepath"] for _, row in rows[:50]])
    for line, row in rows:
        name = row["subdirectory_filepath"]
        code = whole(row["expression"], file, line, "the expression")
        if code in _NO_EXPRESSION:
            notes.left_out(f"expression {code}, {_NO_EXPRESSION[code]}", name)
            continue
        if code not in CODES:
            raise UsageError(f"{file}, line {line}: the expression is {code}; AffectNet's codes run from 0 to 10")
        affect: dict[str, Any] = {a: _affect(row[a], file, line, a) for a in ("valence", "arousal") if a in row}
        points = row.get("facial_landmarks", "")
        yield Item.of_file(
            name,
            base / name,
            label=CODES[code],
            groups={"part": file.stem, **affect},
            landmarks=_points_of_text(points, file, line) if points else None,
        )


def _base(file: Path, names: list[str]) -> Path:
    roots = [file.parent, file.parent.parent]
    folders = [root / below for root in roots for below in _PICTURES]
    folders += [root / "Manually_Annotated" / "Manually_Annotated_Images" for root in roots]
    for folder in folders:
        if any((folder / name).is_file() for name in names):
            return folder
    raise UsageError(
        f"{file}: the pictures that it lists ({names[0] if names else '-'}) are not beside it; state images="
    )


def _affect(text: str, file: Path, line: int, what: str) -> float:
    try:
        value = float(text) if text else float("nan")
    except ValueError:
        raise UsageError(f"{file}, line {line}: {what} is {text!r}, not a number; correct the line") from None
    return value if -1 <= value <= 1 else float("nan")


def _points_of_text(text: str, file: Path, line: int) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        try:
            values = np.array([float(number) for number in text.split(";") if number.strip()])
            return values.reshape(-1, 2)
        except ValueError:
            raise UsageError(f"{file}, line {line}: facial_landmarks are no pairs of numbers x;y;…") from None

    return read


def _of_annotations(folder: Path, notes: Notes) -> Iterator[Item]:
    found = sorted((folder / "annotations").glob("*_exp.npy"), key=lambda p: (len(p.stem), p.stem))
    for file in found:
        stem = file.name.removesuffix("_exp.npy")
        code = _value(file)
        if code in _NO_EXPRESSION:
            notes.left_out(f"expression {code:.0f}, {_NO_EXPRESSION[int(code)]}", stem)
            continue
        if code not in CODES:
            raise UsageError(f"{file}: the expression is {code:g}; AffectNet's codes run from 0 to 10")
        groups: dict[str, Any] = {"part": folder.name}
        for name, ending in (("valence", "val"), ("arousal", "aro")):
            other = file.with_name(f"{stem}_{ending}.npy")
            value = _value(other) if other.is_file() else float("nan")
            groups[name] = value if -1 <= value <= 1 else float("nan")
        points = file.with_name(f"{stem}_lnd.npy")
        picture = next((p for s in sorted(SUFFIXES) if (p := folder / "images" / f"{stem}{s}").is_file()), None)
        yield Item.of_file(
            f"{folder.name}/{stem}.jpg" if picture is None else f"{folder.name}/{picture.name}",
            picture or folder / "images" / f"{stem}.jpg",
            label=CODES[int(code)],
            groups=groups,
            landmarks=partial(_points_of_file, points) if points.is_file() else None,
        )


def _array(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFileError(f"{path}: no NumPy file that can be read ({error}); replace it") from error


def _points_of_file(path: Path) -> np.ndarray:
    return _array(path).astype(float).reshape(-1, 2)


def _value(path: Path) -> float:
    """One number, stored as a number or as text."""
    try:
        return float(_array(path).reshape(-1)[0])
    except (ValueError, IndexError):
        raise UsageError(f"{path}: holds no number; replace the file") from None

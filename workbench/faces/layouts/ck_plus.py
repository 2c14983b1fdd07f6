"""CK+: sequences from neutral to the peak, with expression, FACS codes and landmarks of the last frame beside them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from workbench.errors import UsageError
from workbench.faces.layouts.reading import coded, files_below, is_picture, text_lines, whole
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import Item

CODES: Final = {
    0: "neutral",
    1: "anger",
    2: "contempt",
    3: "disgust",
    4: "fear",
    5: "happiness",
    6: "sadness",
    7: "surprise",
}
FRAMES: Final = ("peak", "onset", "both")
_NAME: Final = re.compile(r"(S\d+)_(\d+)_(\d+)", re.IGNORECASE)
_ENDINGS: Final = ("_emotion", "_facs", "_landmarks")


@dataclass
class _Found:
    """pictures: (subject, sequence) → frame → file; beside: ending → stem of the frame → file."""

    pictures: dict[tuple[str, str], dict[int, Path]] = field(default_factory=lambda: defaultdict(dict))
    beside: dict[str, dict[str, Path]] = field(default_factory=lambda: {ending: {} for ending in _ENDINGS})


def _fits(path: Path) -> bool:
    if not path.is_dir():
        return False
    names = {p.name.lower() for p in path.iterdir() if p.is_dir()}
    return any("cohn-kanade" in name for name in names) and any(n.startswith(("emotion", "facs")) for n in names)


@layout(
    "ck+",
    recognise=_fits,
    reference="Lucey et al., The extended Cohn-Kanade dataset (CK+), CVPR workshops 2010",
)
def ck_plus(path: Path, notes: Notes, frames: str = "peak") -> Iterator[Item]:
    """S005_001_00000011.png in folders of any name, beside …_emotion.txt (0-7), …_facs.txt and …_landmarks.txt.

    frames: "peak" (the last frame of a sequence, to which its labels belong), "onset" (the first one, labelled
    neutral), or "both". A sequence without an expression stays, unlabelled. FACS: `au_12` is 1 where the unit was
    coded, 0 where a coded frame lacks it, NaN where a frame was not coded; `au_12_intensity` is 1 to 5 (A to E), NaN
    where only presence was coded (0 in the file). Groups: `sequence`, `frame`. The 68 landmarks that come with the
    set are used on request (`landmarks="dataset"`).
    """
    if frames not in FRAMES:
        raise UsageError(f"frames is {frames!r}; take {', '.join(map(repr, FRAMES))}")
    found = _search(path, notes)
    codes = {stem: _facs(file) for stem, file in found.beside["_facs"].items()}
    units = sorted({unit for units in codes.values() for unit in units})
    unlabelled = 0
    for (subject, sequence), pictures in sorted(found.pictures.items()):
        onset, peak = min(pictures), max(pictures)
        wanted = {"peak": [peak], "onset": [onset], "both": sorted({onset, peak})}[frames]
        for number in wanted:
            file = pictures[number]
            stem = file.stem.upper()
            is_peak = number == peak
            label = "neutral" if number == onset and not is_peak else _expression(found.beside["_emotion"].get(stem))
            unlabelled += not label
            groups: dict[str, Any] = {"sequence": sequence, "frame": "peak" if is_peak else "onset"}
            yield Item.of_file(
                file.name,
                file,
                label=label,
                subject=subject,
                groups=groups | _columns(codes.get(stem), units),
                landmarks=_landmarks(found.beside["_landmarks"].get(stem)),
            )
    if unlabelled:
        notes.say(f"{unlabelled} frames without an expression (no _emotion.txt of that name) stay unlabelled")


def _search(path: Path, notes: Notes) -> _Found:
    found = _Found()
    for file in files_below(path):
        ending = next((e for e in _ENDINGS if file.stem.lower().endswith(e)), None)
        if file.suffix.lower() == ".txt" and ending:
            found.beside[ending][file.stem[: -len(ending)].upper()] = file
        elif is_picture(file):
            match = _NAME.fullmatch(file.stem)
            if match:
                found.pictures[match[1].upper(), match[2]][int(match[3])] = file
            else:
                notes.left_out("no name as S005_001_00000011.png", file.name)
    lost = [stem for stem in found.beside["_emotion"] if not _has(found, stem)]
    for stem in lost:
        notes.left_out("an expression without its picture", stem)
    return found


def _has(found: _Found, stem: str) -> bool:
    match = _NAME.fullmatch(stem)
    return match is not None and int(match[3]) in found.pictures.get((match[1].upper(), match[2]), {})


def _expression(file: Path | None) -> str:
    if file is None:
        return ""
    lines = list(text_lines(file))
    if len(lines) != 1:
        raise UsageError(f"{file}: {len(lines)} lines, expected one number from 0 to 7; replace the file")
    return coded(CODES, lines[0][1], file, lines[0][0])


def _facs(file: Path) -> dict[int, int]:
    """Action unit → intensity, 0 where only its presence was coded."""
    units = {}
    for line, text in text_lines(file):
        words = text.split()
        if len(words) != 2:
            raise UsageError(f"{file}, line {line}: {text!r}; expected an action unit and its intensity")
        unit, intensity = (whole(word, file, line, what) for word, what in zip(words, ("AU", "intensity"), strict=True))
        if not 0 <= intensity <= 5:
            raise UsageError(f"{file}, line {line}: intensity {intensity}; expected 0 (not scored) or 1 to 5 (A to E)")
        units[unit] = intensity
    return units


def _columns(coded_units: dict[int, int] | None, units: list[int]) -> dict[str, float]:
    out = {}
    for unit in units:
        known = coded_units is not None
        intensity = coded_units.get(unit) if coded_units is not None else None
        out[f"au_{unit}"] = float(intensity is not None) if known else float("nan")
        out[f"au_{unit}_intensity"] = (
            0.0 if known and intensity is None else float(intensity) if intensity else float("nan")
        )
    return out


def _landmarks(file: Path | None) -> Callable[[], np.ndarray] | None:
    return partial(_points, file) if file else None


def _points(file: Path) -> np.ndarray:
    points = []
    for line, text in text_lines(file):
        try:
            x, y = (float(word) for word in text.split())
        except ValueError:
            raise UsageError(f"{file}, line {line}: {text!r}; expected x and y of a landmark") from None
        points.append((x, y))
    return np.array(points)

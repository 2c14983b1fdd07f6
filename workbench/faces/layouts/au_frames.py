"""Sets of videos with action units coded frame by frame: DISFA and BP4D."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from workbench.errors import UsageError, WorkbenchError
from workbench.faces.layouts.reading import files_below, is_picture, text_lines, whole
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import Item

_VIDEOS: Final = (".avi", ".mp4", ".mov", ".mpg", ".wmv", ".mkv")
_LAST_NUMBER: Final = re.compile(r"(\d+)$")
_DISFA: Final = re.compile(r"(SN\d+)_au(\d+)\.txt", re.I)
_DISFA_SUBJECT: Final = re.compile(r"SN\d+", re.I)
_BP4D: Final = re.compile(r"([FM]\d+)_(T\d+)(?:_AU(\d+))?\.csv", re.I)
_BP4D_TASK: Final = re.compile(r"(?<![A-Z0-9])([FM]\d{3})[_/](T\d+)(?![0-9])", re.I)
_UNKNOWN: Final = 9

Coded = dict[str, dict[int, dict[str, float]]]
"""Recording → frame → column of the table → value."""


class _Folder(NamedTuple):
    tables: list[Path]
    pictures: list[Path]
    videos: list[Path]


def _search(path: Path, pattern: re.Pattern[str]) -> _Folder:
    if not path.is_dir():
        raise UsageError(f"{path}: the layout is a folder with tables and frames below it; name the folder")
    out = _Folder([], [], [])
    for file in files_below(path):
        if pattern.fullmatch(file.name):
            out.tables.append(file)
        elif is_picture(file):
            out.pictures.append(file)
        elif file.suffix.lower() in _VIDEOS:
            out.videos.append(file)
    return out


def _has_table(path: Path, folders: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
    """Whether one of the folders, by its usual name, holds a coding table (looked for two levels down)."""
    if not path.is_dir():
        return False
    for folder in (p for p in path.iterdir() if p.is_dir() and p.name.lower() in folders):
        below = (folder, *(p for p in sorted(folder.iterdir())[:5] if p.is_dir()))
        if any(pattern.fullmatch(p.name) for here in below for p in here.iterdir()):
            return True
    return False


@layout(
    "disfa",
    recognise=lambda path: _has_table(path, ("actionunit_labels", "labels"), _DISFA),
    reference="Mavadati et al., DISFA: a spontaneous facial action intensity database, IEEE TAFFC 2013",
)
def disfa(path: Path, notes: Notes, every: int = 1, first: int = 1) -> Iterator[Item]:
    """SN001_au12.txt with lines `frame,intensity` (0-5), and frames as pictures below folders whose name holds SN001.

    every: each n-th frame only. first: number of the first picture of a video (the tables count from 1).
    `au_12_intensity` is what was coded, `au_12` is 1 above 0. Subjects are SN001 and so on; the folder of the frames
    is the group `video`. The set comes as videos: frames must be extracted first.
    """
    found = _search(path, _DISFA)
    coded: Coded = defaultdict(lambda: defaultdict(dict))
    for file in found.tables:
        match = _DISFA.fullmatch(file.name)
        assert match is not None
        unit = int(match[2])
        for line, text in text_lines(file):
            frame, intensity = _pair(text, file, line)
            if not 0 <= intensity <= 5:
                raise UsageError(f"{file}, line {line}: intensity {intensity}; expected 0 to 5")
            row = coded[match[1].upper()][frame]
            row[f"au_{unit}"], row[f"au_{unit}_intensity"] = float(intensity > 0), float(intensity)
    videos: dict[tuple[str, Path], dict[int, Path]] = defaultdict(dict)
    for picture in found.pictures:
        place = _DISFA_SUBJECT.search(picture.relative_to(path).as_posix())
        if place is None:
            notes.left_out("no subject (SN001) in its path", picture.name)
            continue
        videos[place.group().upper(), picture.parent][_frame(picture, notes)] = picture
    _complete(path, found, "SN001_au12.txt")
    for (subject, folder), frames in sorted(videos.items()):
        if first == 1 and 0 in frames:
            raise UsageError(f"{folder}: its frames count from 0 and the tables from 1; state first=0, or rename them")
        yield from _frames(
            {number - first + 1: file for number, file in frames.items()},
            coded.get(subject),
            path,
            notes,
            every,
            subject=subject,
            groups={"video": folder.relative_to(path).as_posix()},
        )


@layout(
    "bp4d",
    recognise=lambda path: _has_table(path, ("aucoding", "au_occ"), _BP4D),
    reference="Zhang et al., BP4D-Spontaneous, Image and Vision Computing 2014",
)
def bp4d(path: Path, notes: Notes, every: int = 1) -> Iterator[Item]:
    """AU_OCC/F001_T1.csv (line 1: the AUs; then frame, 0 / 1 / 9 = unknown), and frames below F001/T1.

    every: each n-th frame only. `au_12` is presence, NaN where unknown; tables of one AU (AU_INT, F001_T1_AU06.csv,
    lines of frame and intensity) give `au_6_intensity`, 0 to 5. Subjects are F001 and so on; groups: `sex`, `task`.
    Works for BP4D+ as far as its tables have these names.
    """
    found = _search(path, _BP4D)
    coded: Coded = defaultdict(lambda: defaultdict(dict))
    for file in found.tables:
        match = _BP4D.fullmatch(file.name)
        assert match is not None
        recording = coded[f"{match[1]}/{match[2]}".upper()]
        if match[3]:
            _intensities(file, int(match[3]), recording)
        else:
            _occurrence(file, recording)
    recordings: dict[str, dict[int, Path]] = defaultdict(dict)
    for picture in found.pictures:
        place = _BP4D_TASK.search(picture.relative_to(path).as_posix())
        if place is None:
            notes.left_out("no recording (F001/T1) in its path", picture.name)
            continue
        recordings[f"{place[1]}/{place[2]}".upper()][_frame(picture, notes)] = picture
    _complete(path, found, "F001_T1.csv")
    for name, frames in sorted(recordings.items()):
        subject, task = name.split("/")
        yield from _frames(
            frames,
            coded.get(name),
            path,
            notes,
            every,
            subject=subject,
            groups={"sex": "female" if subject[0] == "F" else "male", "task": task},
        )


def _frames(
    frames: dict[int, Path],
    coded: dict[int, dict[str, float]] | None,
    path: Path,
    notes: Notes,
    every: int,
    *,
    subject: str,
    groups: dict[str, Any],
) -> Iterator[Item]:
    """The frames of one recording that were coded, each `every`-th."""
    if every < 1:
        raise UsageError(f"every is {every}; take 1 (all frames) or more")
    known = coded or {}
    kept = [number for number in sorted(frames) if number in known]
    if len(kept) < len(frames):
        lost = next(number for number in sorted(frames) if number not in known)
        for _ in range(len(frames) - len(kept)):
            notes.left_out("a frame without codes", frames[lost].relative_to(path).as_posix())
    for number in kept[::every]:
        file = frames[number]
        yield Item.of_file(
            file.relative_to(path).as_posix(),
            file,
            subject=subject,
            groups={**groups, "frame": number, **known[number]},
        )


def _complete(path: Path, found: _Folder, example: str) -> None:
    if not found.tables:
        raise WorkbenchError(f"{path}: no table of action units (named like {example}) below it; correct the path")
    if not found.pictures:
        video = f" ({found.videos[0].name} is a video)" if found.videos else ""
        raise WorkbenchError(
            f"{path}: no frames as pictures below it{video}; extract them first, for example: "
            "ffmpeg -i SN001.avi SN001/%05d.png"
        )


def _frame(picture: Path, notes: Notes) -> int:
    match = _LAST_NUMBER.search(picture.stem)
    if match is None:
        notes.left_out("no frame number at the end of its name", picture.name)
        return -1
    return int(match[1])


def _pair(text: str, file: Path, line: int) -> tuple[int, int]:
    words = text.replace(",", " ").split()
    if len(words) != 2:
        raise UsageError(f"{file}, line {line}: {text!r}; expected frame,intensity")
    return whole(words[0], file, line, "the frame"), whole(words[1], file, line, "the intensity")


def _intensities(file: Path, unit: int, recording: dict[int, dict[str, float]]) -> None:
    for line, text in text_lines(file):
        frame, intensity = _pair(text, file, line)
        if intensity not in (*range(6), _UNKNOWN):
            raise UsageError(f"{file}, line {line}: intensity {intensity}; expected 0 to 5, or 9 (unknown)")
        recording[frame][f"au_{unit}_intensity"] = float("nan") if intensity == _UNKNOWN else float(intensity)


def _occurrence(file: Path, recording: dict[int, dict[str, float]]) -> None:
    lines = text_lines(file)
    number, header = next(lines, (1, ""))
    units = [re.sub(r"^AU_?0*", "", cell.strip(), flags=re.I) for cell in header.split(",")[1:]]
    if (
        not units
        or not all(unit.isdigit() and int(unit) for unit in units)
        or [*map(int, units)] != sorted({*map(int, units)})
    ):
        raise UsageError(
            f"{file}, line {number}: {header[:40]!r} does not name the action units; line 1 must (…,1,2,4,…)"
        )
    for line, text in lines:
        cells = text.split(",")
        if len(cells) != len(units) + 1:
            raise UsageError(
                f"{file}, line {line}: {len(cells)} cells under {len(units) + 1} columns; replace the file"
            )
        row = recording[whole(cells[0], file, line, "the frame")]
        for unit, cell in zip(units, cells[1:], strict=True):
            value = whole(cell, file, line, f"AU{unit}")
            if value not in (0, 1, _UNKNOWN):
                raise UsageError(f"{file}, line {line}: AU{unit} is {value}; expected 0, 1 or 9 (unknown)")
            row[f"au_{unit}"] = float("nan") if value == _UNKNOWN else float(value)

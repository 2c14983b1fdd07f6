"""FER2013: all pictures in one CSV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from workbench.errors import UsageError
from workbench.faces.layouts.reading import coded, csv_header, table_rows
from workbench.faces.layouts.registry import Notes, layout
from workbench.faces.sources import Item

CODES: Final = {0: "anger", 1: "disgust", 2: "fear", 3: "happiness", 4: "sadness", 5: "surprise", 6: "neutral"}
_FILES: Final = ("fer2013.csv", "icml_face_data.csv")


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for folder in (path, *sorted(p for p in path.iterdir() if p.is_dir())):
        for name in _FILES:
            if (folder / name).is_file():
                return folder / name
    raise UsageError(f"{path}: no {' or '.join(_FILES)} in it; name the CSV file")


def _fits(path: Path) -> bool:
    if path.is_dir():
        return any((path / name).is_file() for name in _FILES)
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    return {"emotion", "pixels"} <= {cell.strip().lower() for cell in csv_header(path)}


@layout("fer2013", recognise=_fits, reference="Goodfellow et al., Challenges in representation learning, ICONIP 2013")
def fer2013(path: Path, notes: Notes, usage: str = "") -> Iterator[Item]:
    """One CSV with the columns emotion (0-6), pixels (grey values, separated by blanks) and Usage.

    usage: only the rows of this part ("Training", "PublicTest", "PrivateTest"). Names are part and line number
    (`PrivateTest-00017`); the part is the group `usage`. Other square sizes than 48 × 48 are taken as they are.
    """
    file = _file(path)
    parts = set()
    for line, row in table_rows(file, ["pixels"]):
        part = row.get("usage", "")
        parts.add(part)
        if usage and part.lower() != usage.lower():
            continue
        yield Item.of_array(
            f"{part or 'row'}-{line:05d}",
            _picture(row["pixels"], file, line),
            label=coded(CODES, row["emotion"], file, line) if row.get("emotion") else "",
            source=f"{file}, line {line}",
            groups={"usage": part},
        )
    if usage and usage.lower() not in {part.lower() for part in parts}:
        notes.say(f"no row of usage {usage!r}; there are {', '.join(sorted(parts)) or 'none'}")


def _picture(text: str, file: Path, line: int) -> np.ndarray:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{file}, line {line}: 'pixels' holds something else than whole numbers; replace the file"
        ) from None
    side = math.isqrt(len(values))
    if side * side != len(values) or side < 8:
        raise UsageError(f"{file}, line {line}: {len(values)} pixels make no square picture (48 × 48 = 2304 expected)")
    if values.min() < 0 or values.max() > 255:
        raise UsageError(f"{file}, line {line}: grey values from {values.min()} to {values.max()}; 0 to 255 expected")
    return values.astype(np.uint8).reshape(side, side)

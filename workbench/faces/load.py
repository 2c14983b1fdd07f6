"""From a path, a table or a list to a FaceSet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import UsageError
from workbench.faces.detector import Detector
from workbench.faces.faceset import FaceSet
from workbench.faces.gather import gather
from workbench.faces.sources import items_of
from workbench.faces.store import is_saved, load_saved


def load_faces(
    source: Any,
    *,
    all_faces: bool = False,
    size: int = 256,
    margin: float = 1.15,
    detector: Detector | None = None,
    progress: bool = True,
) -> FaceSet:
    """Faces found in pictures, cropped to their landmarks, with labels and groups.

    source: a picture file; a folder (searched with its sub-folders; one named after an expression labels what is in
        it); a table (CSV, TSV, Parquet or DataFrame) with `path` and optionally `name`, `label`, `subject` and group
        columns, relative paths taken from the table's folder; a list of paths or of (name, RGB uint8 array); a folder
        written by `save_faces`, which is read back without detecting again.
    all_faces: take every face of a picture (`x.jpg#1`, …) instead of the largest. size: side of the crops in pixels.
    margin: side of the crop ÷ longer side of the landmarks' box. detector: another finder of faces than MediaPipe's.

    A picture that cannot be read or shows no face is listed in `failures` and the rest goes on. Raises UsageError for
    a source that is not understood or an unknown label (row and value named), UnreadableFileError for a missing or
    unreadable single file, WorkbenchError where nothing gives a face.
    """
    if isinstance(source, FaceSet):
        return source
    if isinstance(source, str | os.PathLike):
        if not str(source).strip():
            raise UsageError("the path of the faces is empty; name a picture, a folder or a table")
        path = Path(source).expanduser()
        if is_saved(path):
            return load_saved(path)
    origin = (
        str(source)
        if isinstance(source, str | os.PathLike)
        else ("the table" if isinstance(source, pd.DataFrame) else "the list")
    )
    items, notes = items_of(source)
    return gather(
        items,
        origin=origin,
        size=size,
        margin=margin,
        all_faces=all_faces,
        detector=detector,
        notes=notes,
        progress=progress,
    )

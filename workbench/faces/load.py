"""From a path, a table or a list to a FaceSet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.errors import UsageError
from workbench.faces.detector import Detector
from workbench.faces.faceset import FaceSet
from workbench.faces.gather import gather
from workbench.faces.layouts import read_layout, recognised
from workbench.faces.sources import Item, items_of
from workbench.faces.store import is_saved, load_saved

if TYPE_CHECKING:
    from workbench.classifiers import Classifier

SIZE = 256
MARGIN = 1.15


def load_faces(
    source: Any,
    *,
    layout: str = "",
    landmarks: Any = None,
    cropped: bool = False,
    all_faces: bool = False,
    size: int | None = None,
    margin: float | None = None,
    like: Classifier | None = None,
    detector: Detector | None = None,
    progress: bool = True,
    **options: Any,
) -> FaceSet:
    """Faces found in pictures, cropped to their landmarks, with labels, subjects, annotations and groups.

    source: a picture file; a folder (searched with its sub-folders; one named after an expression labels what is in
        it); a table (CSV, TSV, Parquet or DataFrame) with `path` and optionally `name`, `label`, `subject`, annotated
        action units (`au_12`, `au_12_intensity`) and group columns, relative paths taken from the table's folder; a
        list of paths or of (name, RGB or grey uint8 array); a folder written by `save_faces`, which is read back
        without detecting again; a data set in a layout of its own.
    layout: how the data set lies on disk (names in `workbench.faces.LAYOUTS`: "fer2013", "raf-db", "affectnet", "ck+",
        "jaffe", "kdef", "disfa", "bp4d", "class-folders", "table"); its reader's options follow as keywords
        (`usage="PrivateTest"`). Without it a layout is recognised only where nothing else is possible, and said in
        `notes`.
    landmarks: points that are known already, so that nothing is detected: a CSV or NPZ file or a mapping (68 or 478
        points a face, see `workbench.faces.supplied`), "dataset" (those that come with the data set), or "template"
        (the canonical face laid over every picture, for crops aligned by their maker).
    cropped: the pictures are face crops already and are kept whole.
    all_faces: take every face of a picture (`x.jpg#1`, …) instead of the largest. detector: another finder of faces
        than MediaPipe's.
    size: side of the crops in pixels, 256. margin: side of the crop ÷ longer side of the landmarks' box, 1.15. like: a
        classifier whose crops are wanted: the larger side of its input, and the margin of its training crops where
        its `provenance["margin"]` states it; `size` and `margin` go before.

    A picture that cannot be read or shows no face is listed in `failures` and the rest goes on. Raises UsageError for
    a source that is not understood, an unknown label (row and value named) or a file that does not fit its layout
    (file and line named), UnreadableFileError for a missing or unreadable single file, WorkbenchError where nothing
    gives a face.
    """
    if isinstance(source, FaceSet):
        return source
    if isinstance(source, str | os.PathLike) and not str(source).strip():
        raise UsageError("the path of the faces is empty; name a picture, a folder or a table")
    if isinstance(source, str | os.PathLike) and not layout and is_saved(path := Path(source).expanduser()):
        return load_saved(path)
    origin = (
        str(source)
        if isinstance(source, str | os.PathLike)
        else ("the table" if isinstance(source, pd.DataFrame) else "the list")
    )
    if like is not None and not hasattr(like, "preprocessing"):
        raise UsageError(f"like is {type(like).__name__}; give a classifier (see load_classifier), or state size=")
    items, notes, attrs = _items(source, layout, options)
    return gather(
        items,
        origin=origin,
        size=size if size is not None else max(like.preprocessing.size) if like is not None else SIZE,
        margin=margin if margin is not None else _margin(like),
        all_faces=all_faces,
        detector=detector,
        landmarks=landmarks,
        cropped=cropped,
        notes=notes,
        attrs=attrs,
        progress=progress,
    )


def _items(source: Any, layout: str, options: dict[str, Any]) -> tuple[list[Item], list[str], dict[str, str]]:
    """Items, notes and attrs of a source, by its layout if one is stated or recognised."""
    is_path = isinstance(source, str | os.PathLike)
    if layout and not is_path:
        raise UsageError(f"layout {layout!r} is read from a path, not from {type(source).__name__}")
    said: list[str] = []
    path = Path(source).expanduser() if is_path else Path()
    if is_path and not layout and path.exists():
        layout, said = recognised(path)
    if layout:
        items, notes = read_layout(layout, path, options)
        return items, [*said, *notes], {"layout": layout}
    if options:
        raise UsageError(
            f"load_faces() has no option {next(iter(options))!r}; a layout's options need layout=…, and it takes none "
            "without"
        )
    items, notes = items_of(source)
    return items, [*said, *notes], {}


def _margin(like: Classifier | None) -> float:
    """The margin of the crops that a classifier was trained on, where that is known."""
    stated = like.provenance.get("margin", "") if like is not None else ""
    try:
        return float(stated) if stated else MARGIN
    except ValueError:
        raise UsageError(f"the margin {stated!r} in the provenance of {like!r} is no number; state margin=") from None

"""A FaceSet as a folder: crops, landmarks, table and failures, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import vocabulary
from workbench.errors import UnreadableFileError, UsageError, WorkbenchError
from workbench.faces.columns import with_numbers
from workbench.faces.faceset import SCHEMES, FaceSet, Failure, crop_sha256
from workbench.faces.images import read_image

_FORMAT = 1
_TABLE, _LANDMARKS, _FAILURES, _ABOUT, _CROPS = "faces.csv", "landmarks.npz", "failures.csv", "faceset.json", "crops"
_OURS = {_TABLE, _LANDMARKS, _FAILURES, _ABOUT, _CROPS}
_TEXT = {"name": str, "label": str, "subject": str, "source": str, "sha256": str, "crop": str}


def is_saved(path: Path) -> bool:
    """Whether a folder was written by `save_faces`."""
    return (path / _ABOUT).is_file() and (path / _TABLE).is_file() and (path / _LANDMARKS).is_file()


def check_target(folder: str | os.PathLike[str]) -> Path:
    """The absolute folder, refused (UsageError) where it is a file or holds other things than saved faces."""
    folder = Path(folder).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the faces")
    if folder.is_dir() and (strange := sorted({p.name for p in folder.iterdir()} - _OURS)):
        raise UsageError(f"{folder} holds other files ({strange[0]}); choose a new or empty folder")
    return folder


def save_faces(faces: FaceSet, folder: str | os.PathLike[str]) -> Path:
    """Write crops (PNG), `landmarks.npz`, `faces.csv`, `failures.csv` and `faceset.json`; `load_faces` reads them back.

    The folder appears whole or not at all; an earlier set in it is replaced. Raises UsageError where the folder holds
    anything else and WorkbenchError where it cannot be written.
    """
    folder = check_target(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as work:
            new, old = Path(work, "new"), Path(work, "old")
            _write(faces, new)
            if folder.exists():
                folder.replace(old)
            try:
                new.replace(folder)
            except OSError:
                if old.exists():
                    old.replace(folder)
                raise
    except OSError as error:
        reason = error.strerror or error
        raise WorkbenchError(f"{folder} cannot be written ({reason}); choose another folder") from error
    return folder


def _write(faces: FaceSet, folder: Path) -> None:
    from PIL import Image

    (folder / _CROPS).mkdir(parents=True)
    crops = []
    for i, (name, image) in enumerate(zip(faces.names, faces.images, strict=True)):
        crops.append(f"{_CROPS}/{i:05d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[-60:]}.png")
        Image.fromarray(image).save(folder / crops[-1])
    faces.table.assign(crop=crops).to_csv(folder / _TABLE, index=False)
    arrays = {"landmarks": faces.landmarks, "names": np.array(faces.names, dtype=str)}
    if faces.blendshapes is not None:
        arrays["blendshapes"] = faces.blendshapes
    np.savez_compressed(folder / _LANDMARKS, **arrays)  # type: ignore[arg-type]
    pd.DataFrame([asdict(f) for f in faces.failures], columns=["name", "stage", "reason"]).to_csv(
        folder / _FAILURES, index=False
    )
    about = {
        "format": _FORMAT,
        "scheme": faces.scheme,
        "size": faces.size,
        "notes": list(faces.notes),
        "attrs": dict(faces.attrs),
    }
    (folder / _ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")


def load_saved(folder: Path) -> FaceSet:
    """The set that `save_faces` wrote; labels, subjects and groups edited in `faces.csv` count.

    Raises UnreadableFileError where a file is missing, damaged or was changed.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            raise UnreadableFileError(
                f"{folder}: faces saved in format {about['format']}, this version reads {_FORMAT}; save them again"
            )
        table = pd.read_csv(folder / _TABLE, dtype=_TEXT, keep_default_na=False, na_values={}, encoding="utf-8-sig")
        failed = pd.read_csv(folder / _FAILURES, dtype=str, keep_default_na=False)
        with np.load(folder / _LANDMARKS, allow_pickle=False) as stored:
            points = dict(zip(stored["names"].tolist(), stored["landmarks"], strict=True))
            shapes = stored["blendshapes"] if "blendshapes" in stored else np.zeros((len(points), 0), dtype=np.float32)
            scores = dict(zip(points, shapes, strict=True))
        names, crops, sums = table["name"].tolist(), table["crop"].tolist(), table["sha256"].tolist()
        if lost := [name for name in names if name not in points]:
            raise UnreadableFileError(f"{folder}: no landmarks for {lost[0]!r}; names in {_TABLE} must stay as saved")
        landmarks = np.array([points[name] for name in names], dtype=np.float32)
        blendshapes = np.array([scores[name] for name in names], dtype=np.float32)
        scheme, notes, attrs = about["scheme"], about["notes"], about["attrs"]
    except (OSError, KeyError, ValueError) as error:
        if isinstance(error, WorkbenchError):
            raise
        raise UnreadableFileError(
            f"{folder}: the saved faces are damaged ({type(error).__name__}: {error}); save them again"
        ) from error
    images = []
    for name, crop, expected in zip(names, crops, sums, strict=True):
        image, _ = read_image(folder / crop)
        if crop_sha256(image) != expected:
            raise UnreadableFileError(
                f"{folder / crop}: the crop of {name!r} was changed since it was saved; load the pictures again"
            )
        images.append(image)
    table["label"] = [_label(folder, row, text) for row, text in enumerate(table["label"], start=1)]
    size = int(about["size"])
    return FaceSet(
        images=np.stack(images) if images else np.zeros((0, size, size, 3), dtype=np.uint8),
        landmarks=landmarks.reshape(len(images), SCHEMES.get(scheme, -1), 2),
        table=with_numbers(table.drop(columns="crop"), str(folder / _TABLE)),
        scheme=scheme,
        failures=tuple(Failure(*row) for row in failed[["name", "stage", "reason"]].itertuples(index=False)),
        notes=tuple(notes),
        attrs=attrs,
        blendshapes=blendshapes if blendshapes.ndim == 2 and blendshapes.shape[1] else None,
    )


def _label(folder: Path, row: int, text: str) -> str:
    try:
        return vocabulary.expression(text) if text.strip() else ""
    except KeyError as error:
        raise UsageError(f"{folder / _TABLE}, row {row}: label {text!r}: {error}") from error

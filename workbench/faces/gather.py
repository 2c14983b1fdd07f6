"""Items → faces: read, detect, crop; what fails is kept by name and the rest goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from workbench.canonical import head_pose
from workbench.errors import UnreadableFileError, UsageError, WorkbenchError
from workbench.faces.blendshapes import blendshape_row
from workbench.faces.columns import POSE, is_annotation
from workbench.faces.crop import crop_face, crop_whole
from workbench.faces.detector import Detection, Detector, MediapipeDetector
from workbench.faces.faceset import SCHEMES, FaceSet, Failure, crop_sha256
from workbench.faces.sources import Item
from workbench.faces.supplied import supplied_landmarks

LARGEST_CROP = 4096


def gather(
    items: Sequence[Item],
    *,
    origin: str,
    size: int,
    margin: float,
    all_faces: bool,
    detector: Detector | None = None,
    landmarks: Any = None,
    cropped: bool = False,
    notes: Iterable[str] = (),
    attrs: Mapping[str, str] | None = None,
    progress: bool = True,
) -> FaceSet:
    """The faces of the items as one FaceSet.

    Of several faces in a picture the largest is taken, or all of them, named `x.jpg#1`, `x.jpg#2`, … by size; label,
    subject and annotations then stay with the largest. landmarks: looked up instead of detected (see
    `supplied_landmarks`). cropped: every picture is a face crop already and is kept whole.
    Raises WorkbenchError, with counts, when no item gives a face.
    """
    from tqdm import tqdm

    if isinstance(size, bool) or not isinstance(size, Integral):
        raise UsageError(f"the crop's side is a whole number of pixels, not {size!r}")
    if size < 16:
        raise UsageError(f"the crop's side must be at least 16 pixels, got {size}")
    if size > LARGEST_CROP:
        raise UsageError(f"the crop's side must be at most {LARGEST_CROP} pixels, got {size}")
    if not 0.5 <= margin <= 4:
        raise UsageError(f"the margin must lie between 0.5 and 4, got {margin}")
    if landmarks is not None and detector is not None:
        raise UsageError("landmarks and a detector are given; leave one of them out")
    if cropped and all_faces:
        raise UsageError("a face crop shows one face; leave out cropped or all_faces")
    failures: list[Failure] = []
    remarks: dict[str, list[str]] = {}  # what was decided → the pictures it was decided for
    rows: list[dict[str, Any]] = []
    images, points, scores = [], [], []
    supplied = supplied_landmarks(landmarks, items, margin) if landmarks is not None else None
    with ExitStack() as stack:
        if supplied is None and detector is None:
            detector = stack.enter_context(MediapipeDetector(progress=progress))
        scheme = supplied.scheme if supplied else detector.scheme if detector else ""
        for item in tqdm(
            items, desc="faces", unit="picture", file=sys.stderr, leave=False, disable=None if progress else True
        ):
            try:
                rgb, said = item.read()
            except UnreadableFileError as error:
                failures.append(Failure(item.name, "read", str(error)))
                continue
            for remark in said:
                remarks.setdefault(remark, []).append(item.name)
            try:
                found = supplied.find(item, rgb) if supplied else _detected(detector, rgb)
            except (RuntimeError, ValueError) as error:  # one picture that the detector cannot digest
                stage = "landmarks" if supplied else "detect"
                failures.append(Failure(item.name, stage, (str(error).splitlines() or [type(error).__name__])[0]))
                continue
            if not found and supplied:
                failures.append(Failure(item.name, "landmarks", "no landmarks are given for it"))
                continue
            if not found:
                failures.append(Failure(item.name, "detect", f"no face found in {rgb.shape[1]}×{rgb.shape[0]} pixels"))
                continue
            several = len(found) > 1
            if several and not all_faces:
                remarks.setdefault(f"{len(found)} faces, the largest was taken", []).append(item.name)
                found = found[:1]
            elif several and (item.label or item.subject):
                remarks.setdefault(f"{len(found)} faces, label and subject stay with the largest", []).append(item.name)
            for number, face in enumerate(found, start=1):
                if not np.isfinite(face.landmarks).all() or face.area <= 0:
                    failures.append(Failure(item.name, "landmarks", "the landmarks are degenerate"))
                    continue
                whole = crop_whole(rgb, face.landmarks, size) if cropped else None
                crop = whole or crop_face(rgb, face.landmarks, size, margin)
                first = number == 1
                pose = head_pose(face.landmarks, scheme)
                rows.append(
                    {
                        "name": f"{item.name}#{number}" if several and all_faces else item.name,
                        "label": item.label if first else "",
                        "subject": item.subject if first else "",
                        "source": item.source,
                        "sha256": crop_sha256(crop.image),
                        "padding": round(crop.padding, 4),
                        **{angle: round(float(value), 1) for angle, value in zip(POSE, pose, strict=True)},
                        **{c: value for c, value in item.groups.items() if first or not is_annotation(c)},
                    }
                )
                images.append(crop.image)
                points.append(crop.landmarks)
                scores.append(blendshape_row(face.blendshapes))
    if not rows:
        raise WorkbenchError(_nothing(origin, failures))
    if cut := [str(row["name"]) for row in rows if row["padding"] >= 0.05]:
        remarks["part of the crop lies outside the picture (black)"] = cut
    blendshapes = np.stack(scores)
    how = "the whole picture, a face crop already" if cropped else f"landmark box, squared, × {margin:g}"
    return FaceSet(
        images=np.stack(images),
        landmarks=np.array(points, dtype=np.float32).reshape(len(rows), SCHEMES[scheme], 2),
        table=pd.DataFrame(rows),
        scheme=scheme,
        failures=tuple(failures),
        notes=(
            *notes,
            *(supplied.notes if supplied else ()),
            *(_note(remark, names) for remark, names in remarks.items()),
        ),
        attrs={"crop": how, **(attrs or {})},
        blendshapes=None if np.isnan(blendshapes).all() else blendshapes,
    )


def _detected(detector: Detector | None, rgb: np.ndarray) -> list[Detection]:
    return detector.detect(rgb) if detector else []


def _note(remark: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]}: {remark}"
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"{len(names)} pictures ({', '.join(names[:4])}{more}): {remark}"


def _nothing(origin: str, failures: Sequence[Failure]) -> str:
    unread = [f for f in failures if f.stage == "read"]
    if len(failures) == 1:
        only = failures[0]
        return only.reason if unread else f"{origin}: {only.reason}; give a picture with a whole, visible face"
    example = unread[0].reason if len(unread) == len(failures) else f"first: {failures[0].name}: {failures[0].reason}"
    return (
        f"{origin}: no face in {len(failures)} pictures ({len(unread)} unreadable, {len(failures) - len(unread)} "
        f"without a face; {example}); give pictures with whole, visible faces"
    )

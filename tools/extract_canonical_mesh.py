"""Read the canonical face mesh out of MediaPipe's `face_landmarker.task` and write the frame's three tables.

    python tools/extract_canonical_mesh.py face_landmarker.task workbench/canonical/frames

The task is a zip; its member `geometry_pipeline_metadata*.binarypb` is a protobuf message (Mesh3d: field 3 the
vertex buffer, five floats x y z u v a vertex; field 4 the index buffer). Only these fields are read, by hand.
The front view is orthographic: z goes into a table of its own (head pose needs it), y is turned downwards;
centimetres, as in the source. The mesh has no iris points: 468-472 and 473-477 (centre, image right, top, image left,
bottom) are set to the mean of the eye's contour and a radius of .23 of the eye's width, as the landmarker gives on a
photograph that looks at the camera.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HEADER = """\
# {title}
# From the canonical face model of Google's MediaPipe (face_landmarker.task, geometry_pipeline_metadata),
# Copyright The MediaPipe Authors, Apache License 2.0. Changed: {changed}
"""


RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)  # the subject's right
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)


def iris(front: np.ndarray) -> np.ndarray:
    """The ten iris points (10, 2) of both eyes."""
    points = []
    for contour in (RIGHT_EYE, LEFT_EYE):
        centre = front[list(contour)].mean(axis=0)
        radius = 0.23 * abs(front[contour[0], 0] - front[contour[8], 0])
        points += [centre + radius * np.array(step) for step in ((0, 0), (1, 0), (0, -1), (-1, 0), (0, 1))]
    return np.array(points)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The variable-length integer at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one message: varints as int, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}[kind]
        yield key >> 3, data[at : at + size]
        at += size


def read_mesh(task: Path) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (468, 3) in centimetres and triangles (898, 3)."""
    with zipfile.ZipFile(task) as archive:
        member = next(n for n in archive.namelist() if n.startswith("geometry_pipeline_metadata"))
        message = archive.read(member)
    mesh = next(v for n, v in fields(message) if n == 1 and isinstance(v, bytes))
    floats: list[float] = []
    indices: list[int] = []
    for number, value in fields(mesh):
        if number == 3 and isinstance(value, bytes):
            floats += np.frombuffer(value, "<f4").tolist()
        elif number == 4 and isinstance(value, int):
            indices.append(value)
        elif number == 4 and isinstance(value, bytes):
            at = 0
            while at < len(value):
                index, at = varint(value, at)
                indices.append(index)
    return np.array(floats).reshape(-1, 5)[:, :3], np.array(indices).reshape(-1, 3)


def main(task: Path, out: Path) -> None:
    """Write the tables into the folder `out`."""
    vertices, triangles = read_mesh(task)
    front = vertices[:, :2] * [1, -1]
    lines = [f"{i},{x:.4f},{y:.4f}" for i, (x, y) in enumerate(np.vstack([front, iris(front)]))]
    header = HEADER.format(
        title="Vertices of the canonical face mesh, front view (x to the image's right, y down; cm)",
        changed="z dropped, y negated, iris points added, rounded to 1e-4.",
    )
    (out / "mediapipe478_points.csv").write_text(header + "index,x,y\n" + "\n".join(lines) + "\n")
    header = HEADER.format(
        title="Depth of the vertices of the canonical face mesh (z towards the camera; cm)",
        changed="x and y dropped, rounded to 1e-4.",
    )
    body = "\n".join(f"{i},{z:.4f}" for i, z in enumerate(vertices[:, 2]))
    (out / "mediapipe478_depth.csv").write_text(header + "index,z\n" + body + "\n")
    header = HEADER.format(title="Triangles of the canonical face mesh, by vertex index", changed="format only.")
    body = "\n".join(",".join(map(str, t)) for t in triangles.tolist())
    (out / "mediapipe478_triangles.csv").write_text(header + "a,b,c\n" + body + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The canonical warp beside scikit-image's piecewise affine transform: one table of ratios.

    OMP_NUM_THREADS=1 python benchmarks/canonical.py [--repetitions 7] [--device cuda] [--out FILE.md|FILE.json]

Ours and theirs are called in turn in one process; processor time of one thread; the ratio is that of the minima, the
median is over the repetitions. Theirs is timed as its user calls it, `estimate` and `warp` of one map; where 70 maps
share a face also with the estimate given.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from harness import table
from harness.clock import Clock
from skimage.transform import AffineTransform, PiecewiseAffineTransform, warp

from workbench.canonical import CanonicalFace, load_frame

SIDE, MANY, FACES = 224, 70, 32
POINTS = {"ibug68": 68, "published": 68, "mediapipe478": 468}
NOTES = [
    "Both get the same points: the 68 or 468 landmarks, and on `published`, which fills its canvas, the paper's 21 "
    "helper points too.",
    f"{MANY} maps that share a face: milliseconds of ours are per map. Transform given: scikit-image's is estimated "
    "before, and only its `warp` of one map is timed.",
    "Accuracy: our triangles put into scikit-image's transform; smooth maps, pixels whose neighbours are all on the "
    "face.",
    f"7 × 7 → 56 × 56: `load_frame(name, grid=(56, 56))`, no upsampled copy in between; batches of {FACES} faces.",
]


def wobbly(face: CanonicalFace, phase: float = 1.0) -> np.ndarray:
    """Landmarks of a face that is no affine image of the canonical one."""
    shares = face.shares()
    return 0.1 + 0.8 * shares + 0.01 * np.sin(9 * shares[:, ::-1] + phase)


def peer_transform(points: np.ndarray, landmarks: np.ndarray) -> PiecewiseAffineTransform:
    """scikit-image's transform from the canonical grid to the crop."""
    transform = PiecewiseAffineTransform()
    transform.estimate(points, landmarks * SIDE - 0.5)
    return transform


class OurTriangles:
    """Stands in for the triangulation inside scikit-image's transform: which triangle a pixel of the grid is in."""

    def __init__(self, face: CanonicalFace) -> None:
        self.simplices = face.triangles
        self._owner = np.full(face.grid, -1)
        self._owner[face.domain] = face.triangle_of

    def find_simplex(self, pixels: np.ndarray) -> np.ndarray:
        """Triangle of each pixel (x, y), −1 outside."""
        columns, rows = np.rint(pixels).astype(int).T
        return self._owner[rows, columns]


def difference(face: CanonicalFace) -> float:
    """Largest difference from scikit-image with our triangles on smooth maps in [−1, 1], inside the face."""
    from scipy.ndimage import binary_erosion

    landmarks = wobbly(face)
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    maps = np.stack([np.sin(5 * x) * np.cos(4 * y), x * y, np.exp(-((x - 0.5) ** 2 + (y - 0.4) ** 2) * 8)])
    transform = PiecewiseAffineTransform()
    transform._tesselation = OurTriangles(face)
    transform.affines = []
    for corners in face.triangles:
        system = np.column_stack([face.points[corners], np.ones(3)])
        rows = np.linalg.lstsq(system, landmarks[corners] * SIDE - 0.5)[0].T
        transform.affines.append(AffineTransform(np.vstack([rows, [0, 0, 1]])))
    theirs = np.stack([warp(one, transform, output_shape=face.grid, order=1, mode="edge") for one in maps])
    inner = binary_erosion(face.domain)
    return float(np.abs(face.warp(maps, landmarks) - theirs)[:, inner].max())


def full_size(clock: Clock, name: str, repetitions: int) -> list[table.Row]:
    """One map a face, and 70 that share it."""
    face, rng = load_frame(name), np.random.default_rng(0)
    number = len(face.points) if name == "published" else POINTS[name]
    landmarks = wobbly(face)[:number]
    points = face.points[:number]
    maps = rng.random((MANY, SIDE, SIDE), dtype=np.float32)
    estimated = peer_transform(points, landmarks)

    def peer_one() -> object:
        transform = peer_transform(points, landmarks)
        return warp(maps[0], transform, output_shape=face.grid, order=1, mode="edge")

    times = clock.interleaved(
        {
            "one": lambda: face.warp(maps[:1], landmarks),
            "peer": peer_one,
            "many": lambda: face.warp(maps, landmarks),
            "estimated": lambda: warp(maps[0], estimated, output_shape=face.grid, order=1, mode="edge"),
        },
        repetitions,
    )
    key, many = f"warp-{POINTS[name]}", times["many"] / MANY
    return [
        table.Row.timed(key, name, times["one"], times["peer"]),
        table.Row.timed(f"{key}-many", name, many, times["peer"]),
        table.Row.timed("warp-estimated", name, many, times["estimated"]),
    ]


def small(clock: Clock, name: str, repetitions: int) -> list[table.Row]:
    """A raw 7 × 7 map straight to 56 × 56."""
    face, rng = load_frame(name, (56, 56)), np.random.default_rng(0)
    landmarks = np.stack([wobbly(face, phase) for phase in range(FACES)])
    shared = rng.random((FACES, MANY, 7, 7), dtype=np.float32)
    single = rng.random((FACES, 1, 7, 7), dtype=np.float32)
    times = clock.interleaved(
        {"many": lambda: face.warp(shared, landmarks), "one": lambda: face.warp(single, landmarks)},
        max(repetitions, 20),
    )
    rows = []
    for key, each in (("warp-7-many", times["many"] / (FACES * MANY)), ("warp-7-one", times["one"] / FACES)):
        rows.append(table.Row(key, name, float(each.min()), np.nan, float(each.min()), float(np.median(each))))
    return rows


def on_device(device: str, name: str, repetitions: int) -> list[table.Row]:
    """Tensors in, tensors out: 32 faces with 10 maps each, beside NumPy on the processor."""
    face, rng = load_frame(name), np.random.default_rng(0)
    landmarks = np.stack([wobbly(face, phase) for phase in range(FACES)])
    maps = rng.random((FACES, 10, SIDE, SIDE), dtype=np.float32)
    tensors = torch.from_numpy(maps).to(device)
    numpy = Clock("cpu").interleaved({"": lambda: face.warp(maps, landmarks)}, repetitions)[""]
    ours = Clock("cuda").interleaved({"": lambda: face.warp(tensors, landmarks)}, repetitions)[""]
    each = FACES * 10
    return [table.Row.timed("warp-device", name, ours / each, numpy / each, f"{FACES} faces × 10 maps, ms a map")]


def main() -> int:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = []
    for name in POINTS:
        worst = difference(load_frame(name))
        rows += full_size(Clock(), name, asked.repetitions) + small(Clock(), name, asked.repetitions)
        rows.append(table.Row("warp-accuracy", name, np.nan, np.nan, worst, worst, ""))
        if asked.device != "cpu":
            rows += on_device(asked.device, name, asked.repetitions)
    about = {**table.machine(asked.device), "repetitions": str(asked.repetitions)}
    print(table.markdown(rows, about, NOTES))
    if asked.out:
        table.save(asked.out, rows, about, NOTES, "The canonical warp, beside scikit-image")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

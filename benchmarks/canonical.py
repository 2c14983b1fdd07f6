"""The canonical warp beside scikit-image's piecewise affine transform: one table of ratios.

    OMP_NUM_THREADS=1 python benchmarks/canonical.py [--repetitions 7] [--device cuda] [--out FILE.md|FILE.json]

Ours and theirs are called in turn in one process; processor time of one thread; the ratio is that of the minima, the
median is over the repetitions. Theirs is timed as its user calls it: one map a face costs `estimate` and `warp`; where
70 maps share a face, it is given the estimate, and only `warp` is timed.
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
    "scikit-image triangulates the 68 or 468 points themselves; ours of `published` has 21 helper points more and fills "
    "the whole canvas.",
    "Accuracy: our triangles put into scikit-image's transform; smooth maps, pixels whose neighbours are all on the "
    "face.",
    "7 × 7 → 56 × 56: `load_frame(name, grid=(56, 56))`, no upsampled copy in between; one map a face: a batch of "
    f"{FACES} faces.",
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
    landmarks = wobbly(face)
    known = landmarks if name == "published" else landmarks[: POINTS[name]]
    ours_known = landmarks[:68] if name == "published" else known
    points = face.points[: POINTS[name]]
    maps = rng.random((MANY, SIDE, SIDE), dtype=np.float32)
    estimated = peer_transform(points, known[: POINTS[name]])

    def peer_one() -> object:
        transform = peer_transform(points, known[: POINTS[name]])
        return warp(maps[0], transform, output_shape=face.grid, order=1, mode="edge")

    times = clock.interleaved(
        {
            "one": lambda: face.warp(maps[:1], ours_known),
            "peer": peer_one,
            "many": lambda: face.warp(maps, ours_known),
            "peer again": lambda: warp(maps[0], estimated, output_shape=face.grid, order=1, mode="edge"),
        },
        repetitions,
    )
    key = f"warp-{POINTS[name]}"
    return [
        table.Row.timed(key, name, times["one"], times["peer"]),
        table.Row.timed(f"{key}-many", name, times["many"] / MANY, times["peer again"], f"{MANY} maps, ms a map"),
    ]


def small(clock: Clock, name: str, repetitions: int) -> list[table.Row]:
    """A raw 7 × 7 map straight to 56 × 56."""
    face, rng = load_frame(name, (56, 56)), np.random.default_rng(0)
    landmarks = np.stack([wobbly(face, phase) for phase in range(FACES)])
    shared = rng.random((MANY, 7, 7), dtype=np.float32)
    single = rng.random((FACES, 1, 7, 7), dtype=np.float32)
    times = clock.interleaved(
        {"many": lambda: face.warp(shared, landmarks[0]), "one": lambda: face.warp(single, landmarks)},
        max(repetitions, 20),
    )
    rows = []
    for key, each in (("warp-7-many", times["many"] / MANY), ("warp-7-one", times["one"] / FACES)):
        rows.append(table.Row(key, name, float(each.min()), np.nan, float(each.min()), float(np.median(each))))
    return rows


def on_device(device: str, name: str, repetitions: int) -> list[table.Row]:
    """Tensors in, tensors out: 32 faces with 10 maps each, beside NumPy on the processor."""
    face, rng = load_frame(name), np.random.default_rng(0)
    landmarks = np.stack([wobbly(face, phase) for phase in range(FACES)])
    maps = rng.random((FACES, 10, SIDE, SIDE), dtype=np.float32)
    tensors = torch.from_numpy(maps).to(device)
    found = {}
    for where, work in (("cpu", lambda: face.warp(maps, landmarks)), (device, lambda: face.warp(tensors, landmarks))):
        found[where + work.__name__] = Clock("cpu" if where == "cpu" else "cuda").interleaved({"": work}, repetitions)[""]
    ours, numpy = reversed([times / (FACES * 10) for times in found.values()])
    return [table.Row.timed("warp-device", name, ours, numpy, f"NumPy ÷ {device}, ms a map")]


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

"""Milliseconds per 224 × 224 map of the canonical warp, beside scikit-image's piecewise affine transform.

    OMP_NUM_THREADS=1 python benchmarks/warp_speed.py

Ours and theirs are interleaved in one process; processor time of one thread; minimum and median of the repetitions.
Theirs is timed as a user calls it: `estimate` for the face, then `warp` for one map.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
from skimage.transform import PiecewiseAffineTransform, warp

from workbench.canonical import load_frame

REPETITIONS = 7


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Processor milliseconds of one call."""
    start = time.process_time()
    work(*arguments)
    return (time.process_time() - start) * 1e3


def peer(points: np.ndarray, landmarks: np.ndarray, image: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """scikit-image, as its documentation shows it."""
    transform = PiecewiseAffineTransform()
    transform.estimate(points, landmarks * image.shape[::-1] - 0.5)
    return np.asarray(warp(image, transform, output_shape=grid, order=1, mode="edge"))


def main() -> None:
    """Print one line per frame and number of maps."""
    warnings.simplefilter("ignore", FutureWarning)
    rng = np.random.default_rng(0)
    for name, count in (("published", 68), ("mediapipe478", 468)):
        face = load_frame(name)
        shares = face.shares()
        landmarks = (0.1 + 0.8 * shares + 0.01 * np.sin(9 * shares[:, ::-1]))[: None if name == "published" else 468]
        for maps in (1, 10, 70):
            batch = rng.random((maps, 224, 224), dtype=np.float32)
            ours, theirs = [], []
            for _ in range(REPETITIONS):
                ours.append(timed(face.warp, batch, landmarks) / maps)
                theirs.append(timed(peer, face.points[: len(landmarks)], landmarks, batch[0], face.grid))
            print(
                f"{name} ({count} points), {maps} maps: {min(ours):.3f} ms (median {np.median(ours):.3f}), "
                f"scikit-image {min(theirs):.1f} ms (median {np.median(theirs):.1f}): {min(theirs) / min(ours):.0f} ×"
            )


if __name__ == "__main__":
    main()

"""Warps in several threads, and of several sizes in one, do not disturb one another."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from workbench.canonical import load_frame


def test_scratch_memory_is_not_shared():
    rng = np.random.default_rng(5)
    maps = rng.random((2, 20, 20), dtype=np.float32)
    jobs = []
    for k in range(24):
        face = load_frame("mediapipe478" if k % 2 else "published")
        jobs.append((face, 0.1 + 0.8 * face.shares() + 0.01 * k))
    alone = [face.warp(maps, landmarks) for face, landmarks in jobs]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda job: job[0].warp(maps, job[1]), jobs))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)

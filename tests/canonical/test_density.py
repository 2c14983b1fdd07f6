"""Density semantics: the amount on the face is the amount on the canonical face."""

import numpy as np
import pytest

from workbench.canonical import FRAMES, load_frame
from workbench.canonical.triangles import areas, rasterise

NAMES = sorted(FRAMES)
SIDE = 64


def wobbly(face):
    shares = face.shares()
    return 0.1 + 0.8 * shares + 0.01 * np.sin(9 * shares[:, ::-1] + 1)


def fields(side):
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    return np.stack([np.ones((side, side)), 1 + np.sin(6 * x) * np.cos(5 * y), x * y])


def amount_on_the_face(face, landmarks, side):
    """Integral of the fields over the face's own area, in pixels of a map of `side`, on a grid of 800 pixels."""
    domain, _, _ = rasterise(landmarks * 800 - 0.5, face.triangles, (800, 800))
    return fields(800)[:, domain].sum(axis=1) * (side / 800) ** 2


@pytest.mark.parametrize("grid", [None, (56, 56), (28, 24)])
@pytest.mark.parametrize("name", NAMES)
def test_the_sum_over_the_canonical_face_is_the_sum_over_the_face(name, grid):
    face = load_frame(name, grid)
    landmarks = wobbly(load_frame(name))
    out = face.warp(fields(SIDE).astype(np.float32), landmarks, semantics="density")
    expected = amount_on_the_face(load_frame(name), landmarks, SIDE)
    assert np.abs(out.sum(axis=(1, 2)) / expected - 1).max() < 2e-3


@pytest.mark.parametrize("name", ["published", "ibug68"])
def test_a_constant_map_keeps_the_area_of_the_triangles_exactly(name):
    face = load_frame(name)
    landmarks = wobbly(face)
    area = np.abs(areas(landmarks * SIDE, face.triangles)).sum() / 2
    out = face.warp(np.ones((1, SIDE, SIDE), np.float32), landmarks, semantics="density")
    assert out.sum(dtype=np.float64) == pytest.approx(area, rel=1e-5)


def test_an_affine_face_multiplies_values_by_one_factor():
    face = load_frame("ibug68")
    matrix = np.array([[0.5, 0.1], [-0.05, 0.6]])
    landmarks = face.shares() @ matrix.T + [0.2, 0.2]
    maps = 1 + np.random.default_rng(0).random((5, 9, 9), dtype=np.float32)
    ratio = face.warp(maps, landmarks, semantics="density") / np.where(face.domain, face.warp(maps, landmarks), 1)
    factor = abs(np.linalg.det(matrix)) * 9 * 9 / (face.grid[0] * face.grid[1])
    inner = face.domain & np.roll(face.domain, 4, 0) & np.roll(face.domain, -4, 0)
    inner &= np.roll(inner, 4, 1) & np.roll(inner, -4, 1)
    assert np.median(ratio[:, inner]) == pytest.approx(factor, rel=0.01)
    assert ratio[:, inner].mean() == pytest.approx(factor, rel=0.01)
    assert np.allclose(ratio[0][inner], ratio[4][inner])


def test_a_face_twice_as_large_carries_the_same_amount_of_its_own_map():
    face = load_frame()
    near, far = 0.5 + 0.9 * (face.shares() - 0.5), 0.5 + 0.45 * (face.shares() - 0.5)
    maps = np.ones((1, 30, 30), np.float32)
    value = [face.warp(maps, points).sum() for points in (near, far)]
    density = [face.warp(maps, points, semantics="density").sum() for points in (near, far)]
    assert value[0] == value[1]
    assert density[0] / density[1] == pytest.approx(4, rel=1e-4)


def test_a_cheek_that_is_folded_behind_the_face_counts_once():
    face = load_frame()
    tucked = 0.1 + 0.8 * face.shares()
    side = tucked[:, 0] > 0.75
    tucked[side, 0] = 1.5 - tucked[side, 0]  # the far rim laid over the cheek
    out = face.warp(np.ones((1, 40, 40), np.float32), tucked, semantics="density")
    domain, _, _ = rasterise(tucked * 800 - 0.5, face.triangles, (800, 800))
    assert face.folded_share(tucked) > 0.1
    assert out.sum() == pytest.approx(domain.sum() * (40 / 800) ** 2, rel=0.02)
    assert out.min() >= 0


@pytest.mark.parametrize("name", NAMES)
def test_unwarp_gives_the_amount_back(name):
    face = load_frame(name)
    landmarks, maps = wobbly(face), fields(256)[1:].astype(np.float32)
    there = face.warp(maps, landmarks, semantics="density")
    back = face.unwarp(there, landmarks, (256, 256), semantics="density")
    assert np.nansum(back, axis=(1, 2)) == pytest.approx(there.sum(axis=(1, 2)), rel=5e-3)
    assert np.nanmean(np.abs(back - maps)) < 0.02  # steps of the Jacobian at the edges of triangles are smoothed

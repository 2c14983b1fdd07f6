"""Native maps on the canonical face: in batches, several explainers at once, gaps kept."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.canonical import load_frame
from workbench.explain import assembly, to_canonical
from workbench.explainers import NativeMaps


@pytest.fixture
def moved(face_set):
    """Four faces at different places; the last reaches beyond its crop."""
    landmarks = face_set.landmarks + np.array([[[0, 0]], [[0.03, 0]], [[0, -0.02]], [[0.2, 0]]], np.float32)
    return replace(face_set, landmarks=landmarks)


def native(count, side, seed, missing=()):
    values = np.random.default_rng(seed).normal(size=(count, side, side)).astype(np.float32)
    values[list(missing)] = np.nan
    return NativeMaps(values, ["not computed" if i in missing else "ok" for i in range(count)])


@pytest.mark.parametrize("frame", ["mediapipe478", "ibug68"])
def test_each_face_is_warped_by_its_own_landmarks(moved, frame, monkeypatch):
    monkeypatch.setattr(assembly, "_WARPED", 3)  # more faces than one batch
    maps, face = native(4, 7, 0, missing=[1]), load_frame(frame)
    warped = to_canonical(maps, moved, frame)
    assert warped.shape == (4, *face.grid)
    assert np.isnan(warped[1]).all()
    for i in (0, 2, 3):
        expected = face.warp(maps.values[i][None], moved.landmarks[i], moved.scheme)[0]
        np.testing.assert_array_equal(warped[i], expected)
    assert np.isnan(warped[3][face.domain]).any()


def test_several_native_maps_share_a_face_and_give_the_values_of_one_after_the_other(moved):
    maps = [native(4, 7, 0), native(4, 9, 1, missing=[0]), native(4, 7, 2, missing=[3]), native(2, 7, 3)]
    maps += [native(4, 7, seed) for seed in (4, 5, 6)] + [NativeMaps.missing(4), NativeMaps.missing(0)]
    together = to_canonical(maps, moved)
    assert [len(one) for one in together] == [4, 4, 4, 2, 4, 4, 4, 4, 0]
    for one, given in zip(together, maps, strict=True):
        np.testing.assert_allclose(one, to_canonical(given, moved), rtol=1e-6, atol=1e-6)
    assert np.isnan(together[7]).all()

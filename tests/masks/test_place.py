"""Places to draw on: faces by their landmarks, and landmarks estimated from fewer."""

import numpy as np
import pytest

from workbench.canonical import IBUG, MEDIAPIPE, convert, load_frame
from workbench.errors import UsageError
from workbench.masks import load_masks, masks_on_face
from workbench.masks.carrying import spline_weights, triangle_weights
from workbench.masks.place import mirrored_indices, on_face, on_frame


def test_splines_are_exact_at_their_controls_and_for_affine_maps():
    rng = np.random.default_rng(0)
    controls, at = rng.random((20, 2)) * 100, rng.random((7, 2)) * 120 - 10
    weights = spline_weights(controls, at)
    assert np.allclose(weights.sum(axis=1), 1)
    shear = np.array([[1.2, 0.3], [-0.4, 0.8]])
    assert np.allclose(weights @ (controls @ shear.T + [5, -3]), at @ shear.T + [5, -3])
    assert np.allclose(spline_weights(controls, controls), np.eye(20), atol=1e-8)


def test_splines_equal_scipys():
    from scipy.interpolate import RBFInterpolator

    rng = np.random.default_rng(1)
    controls, at, targets = rng.random((15, 2)) * 50, rng.random((9, 2)) * 50, rng.random((15, 2))
    expected = RBFInterpolator(controls, targets, kernel="thin_plate_spline")(at)
    assert np.allclose(spline_weights(controls, at) @ targets, expected, atol=1e-8)


def test_triangle_weights_are_barycentric_inside_and_affine_outside():
    points, triangles = np.array([[0.0, 0], [4, 0], [0, 4], [4, 4]]), np.array([[0, 1, 2], [1, 3, 2]])
    at = np.array([[1.0, 1], [4, 4], [6, 5]])
    weights = triangle_weights(points, triangles, at)
    assert np.allclose(weights @ points, at)
    assert weights[0].tolist() == [0.5, 0.25, 0.25, 0]


@pytest.mark.parametrize("scheme", [MEDIAPIPE, IBUG])
def test_left_and_right_points_are_each_others_mirror_image(scheme):
    other = mirrored_indices(scheme)
    assert np.array_equal(other[other], np.arange(len(other)))
    if scheme == IBUG:
        assert other[[0, 17, 27, 36, 41, 48, 59, 60, 67]].tolist() == [16, 26, 27, 45, 46, 54, 55, 64, 65]


def test_the_mesh_is_estimated_from_68_points():
    shares = load_frame().shares()
    known = on_face(shares, (256, 224))
    estimated = on_face(convert(shares, MEDIAPIPE, IBUG), (256, 224))
    assert np.allclose(known.points[MEDIAPIPE], load_frame().points)
    assert np.allclose(estimated.points[MEDIAPIPE], load_frame().points, atol=1e-6)  # the spline of the identity
    assert np.allclose(on_frame("published").points[IBUG], load_frame("published").points[:68])


def test_axes_and_unit_follow_the_face():
    shares = load_frame().shares() * [224 / 256, 1] * 0.5 + 0.2
    turn = np.deg2rad(20)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for landmarks in (shares, shares[:468], convert(shares, MEDIAPIPE, IBUG)):
        upright, turned = on_face(landmarks, (400, 400)), on_face(landmarks @ rotation.T, (400, 400))
        assert np.allclose(upright.turn, np.eye(2))
        assert np.allclose(turned.turn, rotation.T)
        assert turned.unit == pytest.approx(upright.unit)
        assert turned.unit == pytest.approx(on_frame(MEDIAPIPE).unit * 0.5 * 400 / 256, rel=1e-6)


@pytest.mark.parametrize("name", ["facs-au", "friesen-ekman", "belharbi-au", "htnet", "muscles"])
def test_a_set_on_the_canonical_face_itself_is_the_set_on_its_frame(name):
    frame, masks = load_frame(), load_masks(name)
    names, maps = masks_on_face(name, frame.shares(), frame.grid)
    assert names == masks.names
    for own, expected in zip(maps, masks.maps.values, strict=True):
        cut = own * frame.domain
        assert np.minimum(cut, expected).sum() / np.maximum(cut, expected).sum() > 0.995


def test_on_a_face_sides_and_codebooks_mean_what_they_mean_on_a_frame():
    frame = load_frame()
    names, maps = masks_on_face("facs-au", frame.shares(), frame.grid, side="each")
    masks = load_masks("facs-au", side="each")
    assert names == masks.names
    k = names.index("AU12R")
    assert np.array_equal(maps[k] * frame.domain, masks.maps.values[k])
    wanted = ["happiness", "contempt"]
    names, maps = masks_on_face("facs-au", frame.shares(), frame.grid, "emfacs-circulated", expressions=wanted)
    expected = load_masks("facs-au", codebook="emfacs-circulated", expressions=wanted)
    assert names == wanted
    assert np.array_equal(maps * frame.domain, expected.maps.values)


def test_what_cannot_be_drawn_is_refused(tmp_path):
    shares = load_frame().shares()
    with pytest.raises(UsageError, match=r"landmarks have shape \(5, 2\)"):
        masks_on_face("facs-au", shares[:5], (64, 64))
    with pytest.raises(UsageError, match="478 landmarks are not of the scheme 'ibug68'"):
        masks_on_face("facs-au", shares, (64, 64), scheme="ibug68")
    with pytest.raises(UsageError, match="a codebook needs action units"):
        masks_on_face("areas", shares, (64, 64), "martinez-2017")
    with pytest.raises(UsageError, match="image files lie on a frame"):
        masks_on_face(tmp_path, shares, (64, 64))

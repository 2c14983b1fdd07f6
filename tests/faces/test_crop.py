"""The crop: position, scale, padding and landmarks, on numbers done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.faces.crop import crop_face


def test_box_is_squared_about_its_centre_and_widened():
    points = np.array([[40.0, 60.0], [80.0, 70.0], [60.0, 80.0]])  # box 40 × 20 about (60, 70); side 40 × 1.5 = 60
    crop = crop_face(np.zeros((200, 200, 3), np.uint8), points, size=64, margin=1.5)
    np.testing.assert_allclose(crop.landmarks, (points - (30, 40)) / 60, atol=1e-6)
    assert crop.padding == 0
    assert crop.image.shape == (64, 64, 3)


def test_pixels_are_copied_exactly_at_scale_one():
    rgb = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    crop = crop_face(rgb, np.array([[20.0, 30.0], [52.0, 62.0]]), size=32, margin=1.0)
    np.testing.assert_array_equal(crop.image, rgb[30:62, 20:52])


def test_outside_is_black_and_its_share_is_stated():
    rgb = np.full((100, 100, 3), 200, np.uint8)
    crop = crop_face(rgb, np.array([[-16.0, 84.0], [16.0, 116.0]]), size=32, margin=1.0)
    assert crop.padding == pytest.approx(0.75)
    assert (crop.image[:16, 16:] == 200).all()
    assert (crop.image[:, :15] == 0).all()
    assert (crop.image[17:] == 0).all()


def test_a_face_wholly_outside_is_all_padding():
    crop = crop_face(np.full((50, 50, 3), 9, np.uint8), np.array([[200.0, 200.0], [240.0, 240.0]]), 16, 1.0)
    assert crop.padding == 1
    assert (crop.image == 0).all()


def test_shrinking_is_antialiased():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = crop_face(stripes, np.array([[0.0, 0.0], [256.0, 256.0]]), size=32, margin=1.0)
    assert np.abs(crop.image[4:-4, 4:-4].astype(int) - 127).max() <= 2


def test_landmarks_follow_the_content():
    rgb = np.zeros((300, 300, 3), np.uint8)
    rgb[150:160, 200:210] = 255  # a mark centred on (205, 155)
    points = np.array([[103.7, 51.2], [246.3, 203.9], [205.0, 155.0]])
    crop = crop_face(rgb, points, size=128, margin=1.15)
    bright = crop.image[..., 0].astype(float)
    y, x = np.mgrid[:128, :128] + 0.5
    centre = np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum() / 128
    np.testing.assert_allclose(centre, crop.landmarks[2], atol=0.002)

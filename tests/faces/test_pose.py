"""Head pose: exact under weak perspective, close under perspective, and its signs on a photograph."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from workbench.faces import head_pose, load_faces
from workbench.faces.pose import _head

SCHEMES = {"mediapipe478": 478, "ibug68": 68}
ANGLES = [(0, 0, 0), (25, 0, 0), (0, 20, 0), (0, 0, 30), (-35, 15, -20), (10, -25, 170)]


def turned(yaw, pitch, roll):
    """The head's rotation, written down anew from the signs: x right, y down, z away from the camera."""
    y, p, r = np.radians([yaw, pitch, roll])
    to_subjects_left = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    chin_up = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    clockwise = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return clockwise @ to_subjects_left @ chin_up


def seen(scheme, angles, distance=np.inf):
    points, places, _ = _head(scheme)
    world = places @ turned(*angles).T
    landmarks = np.full((SCHEMES[scheme], 2), 7.0)
    landmarks[points] = 12 * world[:, :2] / (1 + world[:, 2:] / distance) + [300, 200]
    return landmarks


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("angles", ANGLES)
def test_weak_perspective_gives_the_pose_back(scheme, angles):
    np.testing.assert_allclose(head_pose(seen(scheme, angles), scheme), angles, atol=0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_camera_at_half_a_metre_costs_few_degrees(scheme):
    for angles in ANGLES:
        np.testing.assert_allclose(head_pose(seen(scheme, angles, distance=50), scheme), angles, atol=6)


def test_signs_by_the_nose():
    right_eye, left_eye, nose = 33, 263, 4  # the subject's
    frontal, left = seen("mediapipe478", (0, 0, 0)), seen("mediapipe478", (30, 0, 0))
    up, tilted = seen("mediapipe478", (0, 30, 0)), seen("mediapipe478", (0, 0, 30))
    assert left[nose, 0] - left[[right_eye, left_eye], 0].mean() > 20  # to the image's right
    assert up[nose, 1] - up[[right_eye, left_eye], 1].mean() < frontal[nose, 1] - frontal[right_eye, 1]
    assert tilted[left_eye, 1] > tilted[right_eye, 1]  # towards the subject's left shoulder


def test_mirroring_turns_yaw_and_roll_over():
    landmarks = seen("ibug68", (20, 10, -15))
    mirror = [16, 0, 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 42, 39, 36]
    mirrored = np.zeros_like(landmarks)
    mirrored[_head("ibug68")[0]] = landmarks[mirror] * [-1, 1]
    np.testing.assert_allclose(head_pose(mirrored, "ibug68"), (-20, 10, 15), atol=0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_points_on_a_line_or_in_one_place_have_no_pose(scheme):
    line = np.linspace(0, 1, SCHEMES[scheme])[:, None] * [100, 40]
    line[:, 0] = 30
    assert np.isnan(head_pose(line, scheme)).all()
    assert np.isnan(head_pose(np.ones_like(line), scheme)).all()
    assert np.isnan(head_pose(np.full_like(line, np.nan), scheme)).all()


@pytest.mark.assets
def test_the_astronaut_and_her_mirror_image_and_her_crop():
    whole = data.astronaut()
    pictures = [("whole", whole), ("mirror", whole[:, ::-1].copy()), ("crop", whole[30:260, 110:340].copy())]
    faces = load_faces(pictures, progress=False)
    pose = faces.table.set_index("name")[["yaw", "pitch", "roll"]]
    np.testing.assert_allclose(pose.loc["mirror"], pose.loc["whole"] * [-1, 1, -1], atol=3)
    np.testing.assert_allclose(pose.loc["crop"], pose.loc["whole"], atol=3)
    assert abs(pose.loc["whole", "yaw"]) < 20
    assert not {"yaw", "pitch", "roll"} & set(faces.groups)

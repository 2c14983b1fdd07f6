"""Head pose of loaded faces: the columns, their signs, and what a mirror and a crop do to them."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from workbench.canonical import convert
from workbench.canonical.pose import face_model
from workbench.faces import load_faces


def turned(yaw, pitch, roll):
    """The head's rotation, written down from the signs: x right, y down, z away from the camera."""
    y, p, r = np.radians([yaw, pitch, roll])
    to_subjects_left = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    chin_up = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    clockwise = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return clockwise @ to_subjects_left @ chin_up


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 0, 0), (0, 20, 0), (0, 0, 30), (-35, 15, -20)])
def test_known_landmarks_have_a_pose_whatever_the_shape_of_the_picture(angles):
    points = convert(face_model(), "mediapipe478", "ibug68") @ turned(*angles).T
    picture = np.zeros((200, 320), np.uint8)
    for landmarks in (points[:, :2] * 5 + [160, 100], (points[:, :2] * 5 + [160, 100]) / [320, 200]):
        faces = load_faces([("a", picture)], landmarks={"a": landmarks}, size=16, progress=False)
        np.testing.assert_allclose(faces.table.loc[0, ["yaw", "pitch", "roll"]].tolist(), angles, atol=0.06)
        assert faces.groups == []


@pytest.mark.assets
def test_the_astronaut_and_her_mirror_image_and_her_crop():
    whole = data.astronaut()
    pictures = [("whole", whole), ("mirror", whole[:, ::-1].copy()), ("crop", whole[30:260, 110:340].copy())]
    pose = load_faces(pictures, progress=False).table.set_index("name")[["yaw", "pitch", "roll"]]
    np.testing.assert_allclose(pose.loc["mirror"], pose.loc["whole"] * [-1, 1, -1], atol=3)
    np.testing.assert_allclose(pose.loc["crop"], pose.loc["whole"], atol=3)
    assert abs(pose.loc["whole", "yaw"]) < 20

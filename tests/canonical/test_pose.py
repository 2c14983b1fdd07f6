"""Head pose of the turned model, and the flags that rest on it."""

import numpy as np
import pytest

from workbench.canonical import convert, face_flags, head_pose, load_frame
from workbench.canonical.pose import face_model
from workbench.errors import UnknownNameError, UsageError

MODEL = face_model() - face_model().mean(axis=0)


def turned(yaw, pitch, roll, distance=None):
    """The canonical face model, turned (its x axis to the subject's left in the image, y down, z away), as shares."""
    a, b, c = np.radians([-pitch, -yaw, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    points = MODEL @ (about_z @ about_y @ about_x).T
    scale = 0.03 if distance is None else 0.03 * distance / (distance + points[:, 2:])
    return np.column_stack([0.5 + scale * points[:, :2], 0.03 * points[:, 2]])


ANGLES = [(0, 0, 0), (25, 0, 0), (0, 20, 0), (0, 0, 30), (-40, 15, -20), (60, -30, 45)]


@pytest.mark.parametrize("angles", ANGLES)
def test_angles_of_the_model_seen_from_afar_are_found_exactly(angles):
    points = turned(*angles)
    assert head_pose(points[:, :2]) == pytest.approx(angles, abs=1e-6)
    assert head_pose(convert(points[:, :2], "mediapipe478", "ibug68")) == pytest.approx(angles, abs=1e-6)
    assert head_pose(points) == pytest.approx(angles, abs=1e-6)  # with depth


def test_signs_are_the_subjects():
    nose = {name: turned(*angles)[1] for name, angles in {"left": (20, 0, 0), "up": (0, 20, 0)}.items()}
    front = turned(0, 0, 0)
    assert nose["left"][0] > front[1, 0]  # the subject's left is the image's right
    assert nose["up"][1] < front[1, 1]
    tipped = turned(0, 0, 20)
    assert tipped[10, 0] > tipped[152, 0]  # the forehead moves to the image's right


def test_a_near_camera_and_an_open_mouth_move_the_angles_little():
    for angles in ((0, 0, 0), (20, 0, 0), (25, -10, 15)):
        near = head_pose(turned(*angles, distance=60)[:, :2])
        assert np.abs(near - angles).max() < 4
    open_mouth = turned(10, 5, 0)[:, :2]
    open_mouth[[152, 148, 377, 17, 14, 84, 314]] += [0, 0.1]
    assert head_pose(open_mouth) == pytest.approx((10, 5, 0), abs=1e-6)


def test_a_turned_picture_changes_roll_alone_and_a_wide_one_is_put_right():
    points = turned(20, -10, 5)[:, :2]
    angle = np.radians(30)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert head_pose((points - 0.5) @ spin.T + 0.5) == pytest.approx((20, -10, 35), abs=1e-6)
    assert head_pose(points / [2, 1], aspect=2) == pytest.approx((20, -10, 5), abs=1e-6)


def test_poses_come_in_batches():
    many = np.stack([turned(*angles)[:, :2] for angles in ANGLES]).reshape(2, 3, 468, 2)
    assert head_pose(many).shape == (2, 3, 3)
    assert head_pose(many).reshape(6, 3) == pytest.approx(np.array(ANGLES), abs=1e-6)
    with pytest.raises(UsageError, match=r"\(5, 2\)"):
        head_pose(np.zeros((5, 2)))


@pytest.mark.parametrize("name", ["mediapipe478", "published", "ibug68"])
def test_flags_of_frontal_turned_and_folded_faces(name):
    face = load_frame(name)
    crossed = turned(0, 0, 0)
    half = crossed[:, 0] > 0.5
    crossed[half, 0] = 1 - crossed[half, 0]
    faces = np.stack([turned(0, 0, 0), turned(10, -10, 20), turned(50, 0, 0), turned(0, 0, 60), crossed])[..., :2]
    flags = face_flags(face, faces)
    assert len(flags) == 5
    assert flags.turned[:4].tolist() == [False, False, True, True]
    assert flags.folded[[0, 1, 2, 4]].tolist() == [False, False, True, True]
    assert flags.folded_share[2] == pytest.approx(face.folded_share(faces[2]))
    assert flags.counts() == {"folded": int(flags.folded.sum()), "turned": int(flags.turned.sum())}
    strict = face_flags(face, faces, folded=0, turned={"yaw": 5})
    assert strict.turned[:4].tolist() == [False, True, True, False]
    assert strict.limits == {"folded": 0.0, "yaw": 5.0}


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("mediapipe478", [0.006, 0.079, 0.134, 0.294]),
        ("published", [0.000, 0.005, 0.147, 0.276]),
        ("ibug68", [0.000, 0.006, 0.272, 0.393]),
    ],
)
def test_the_model_folds_with_yaw_as_documented(name, shares):
    found = load_frame(name).folded_share(np.stack([turned(yaw, 0, 0)[:, :2] for yaw in (10, 30, 40, 60)]))
    assert found == pytest.approx(shares, abs=0.0006)
    assert load_frame(name).folded_share(turned(30, 0, 0)[:, :2]) == pytest.approx(found[1], abs=1e-12)


def test_flags_become_coordinates_and_bad_limits_are_refused():
    face, faces = load_frame(), turned(20, 0, 0)[None, :, :2]
    coordinates = face_flags(face, faces).coordinates()
    assert {name: dims for name, (dims, _) in coordinates.items()} == dict.fromkeys(
        ("folded", "turned", "folded_share", "yaw", "pitch", "roll"), "image"
    )
    assert coordinates["yaw"][1] == pytest.approx([20])
    assert coordinates["turned"][1].dtype == bool
    known = face_flags(face, np.concatenate([faces, faces]), pose=np.array([[0, -50, 0], [np.nan, 0, 0]]))
    assert known.turned.tolist() == [True, False]
    with pytest.raises(UsageError, match=r"\(1, 2\)"):
        face_flags(face, faces, pose=np.zeros((1, 2)))
    with pytest.raises(UnknownNameError, match="did you mean yaw"):
        face_flags(face, faces, turned={"jaw": 3})
    with pytest.raises(UsageError, match="faces, points, 2"):
        face_flags(face, faces[0])

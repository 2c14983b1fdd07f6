"""Masks and the average face on a crop: places, numbers, and faces on which nothing can be drawn."""

import numpy as np
import pandas as pd
import pytest

from workbench.canonical import convert, load_frame
from workbench.errors import UnknownNameError, UsageError
from workbench.explain.regions import average_face, face_pictures, frame_for, region_masks
from workbench.faces.faceset import FaceSet, crop_sha256

SIDE = 64
UPRIGHT = 0.1 + 0.8 * load_frame().shares() * [224 / 256, 1] + [0.05, 0]


def face_set(images, landmarks=None, scheme="mediapipe478"):
    images = np.asarray(images, np.uint8)
    landmarks = np.stack([UPRIGHT] * len(images)) if landmarks is None else np.asarray(landmarks)
    rows = [
        {"name": f"face{i}", "label": "", "subject": "", "source": "test", "sha256": crop_sha256(image)}
        for i, image in enumerate(images)
    ]
    return FaceSet(images, landmarks, pd.DataFrame(rows), scheme)


def plain(*values):
    return np.stack([np.full((SIDE, SIDE, 3), value, np.uint8) for value in values])


def halves(left, right):
    image = np.full((SIDE, SIDE, 3), left, np.uint8)
    image[:, SIDE // 2 :] = right
    return image


def at(points, landmark):
    """Row and column of the pixel in which a landmark lies."""
    x, y = np.floor(points[landmark] * SIDE).astype(int)
    return y, x


def test_regions_lie_where_the_landmarks_are():
    turned = UPRIGHT[:, ::-1] * [1, -1] + [0, 1]  # a quarter turn to the left
    regions = region_masks(face_set(plain(90, 120), [UPRIGHT, turned]))
    for index, points in enumerate((UPRIGHT, turned)):
        names, masks = regions("face-regions", index)
        assert masks.shape == (len(names), SIDE, SIDE)
        assert masks.dtype == np.float32
        assert masks.min() == 0
        assert masks.max() == 1
        for name, landmark in {
            "forehead": 151,
            "nose": 4,
            "mouth": 13,
            "chin": 199,
            "right_eye": 159,
            "left_eye": 386,
            "right_cheek": 50,
            "left_cheek": 280,
        }.items():
            values = masks[:, *at(points, landmark)]
            assert names[int(values.argmax())] == name
            assert values.max() > 0.9
        assert np.allclose(masks.sum(0)[at(points, 195)], 1, atol=1e-6)  # the areas leave nothing of a face out
        assert (masks[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).all()


def test_action_units_are_on_the_same_places_as_their_points_and_are_kept():
    regions = region_masks(face_set(plain(90)))
    names, masks = regions("facs-au", 0)
    assert names[0] == "AU1"
    assert masks[names.index("AU12")][at(UPRIGHT, 206)] > 0.5
    assert masks[names.index("AU12")][at(UPRIGHT, 151)] == 0
    assert regions("facs-au", 0)[1] is masks
    with pytest.raises(ValueError, match="read-only"):
        masks[0, 0, 0] = 1


def test_68_landmarks_take_their_own_frame_or_the_published_one():
    faces = face_set(plain(90), [convert(UPRIGHT, "mediapipe478", "ibug68")], "ibug68")
    assert frame_for(faces) == "ibug68"
    names, masks = region_masks(faces, "published")("friesen-ekman", 0)
    assert names[0] == "anger"
    assert masks.max() == 1
    with pytest.raises(UsageError, match="68"):
        region_masks(faces, "mediapipe478")("facs-au", 0)


@pytest.mark.parametrize(
    ("landmarks", "reason"),
    [
        (UPRIGHT * 0.001 + 0.5, "cover less than two pixels"),
        (UPRIGHT * [-1, 1] + [1, 0], "turn 100% of the face over"),
        (UPRIGHT + 3, "lie outside the crop"),
    ],
)
def test_a_face_on_which_nothing_can_be_drawn_is_named(landmarks, reason):
    faces = face_set(plain(90, 120), [UPRIGHT, landmarks])
    for call in (lambda: region_masks(faces)("facs-au", 1), lambda: average_face(faces)(1)):
        with pytest.raises(UsageError, match=f"the landmarks of 'face1' {reason}"):
            call()
    assert region_masks(faces)("facs-au", 0)[1].any()


def test_a_mask_set_that_does_not_exist_or_cannot_be_carried_is_refused(tmp_path):
    from PIL import Image

    regions = region_masks(face_set(plain(90)))
    with pytest.raises(UnknownNameError, match="did you mean facs-au"):
        regions("facs-ua", 0)
    Image.fromarray(np.eye(40, dtype=bool)).save(tmp_path / "anger_gt.png")
    with pytest.raises(UsageError, match="not on 'mediapipe478'; give one"):
        regions(str(tmp_path), 0)


def test_the_average_face_is_the_mean_of_the_others_in_this_ones_light():
    faces = face_set([halves(120, 120), halves(40, 80), halves(80, 120)])
    # others' mean (left, right) and this one's own mean: (60, 100) and 120; (100, 120) and 60; (80, 100) and 100
    expected = [(90, 150), (100 * 60 / 110, 120 * 60 / 110), (80 * 100 / 90, 100 * 100 / 90)]
    for index, (left, right) in enumerate(expected):
        picture = average_face(faces)(index)
        assert picture.shape == (SIDE, SIDE, 3)
        assert picture.dtype == np.uint8
        for landmark, wanted in ((205, left), (425, right)):  # the middle of the cheeks, far from the outline
            assert picture[at(UPRIGHT, landmark)] == pytest.approx([wanted] * 3, abs=1)


def test_outside_the_face_stands_the_blurred_crop():
    from scipy.ndimage import gaussian_filter

    stream = np.random.default_rng(0)
    images = stream.integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    picture = average_face(face_set(images))(0)
    blurred = gaussian_filter(images[0].astype(float), (0.05 * SIDE, 0.05 * SIDE, 0), mode="nearest")
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert np.abs(picture[corner] - blurred[corner]).max() <= 0.5


def test_the_seam_does_not_show_on_a_face_of_one_colour():
    picture = average_face(face_set(plain(120, 30, 220)))(0)
    assert np.abs(picture.astype(int) - 120).max() <= 1


def test_copies_and_unusable_faces_are_not_among_the_others():
    images = [halves(120, 120), halves(40, 80), halves(80, 120)]
    alone = average_face(face_set(images))(0)
    more = face_set([*images, images[0], halves(255, 0)], [*[UPRIGHT] * 4, UPRIGHT * [-1, 1] + [1, 0]])
    assert np.array_equal(average_face(more)(0), alone)
    for faces in (face_set(images[:1]), face_set([images[0]] * 2)):
        with pytest.raises(UsageError, match="no other face to average for 'face0'"):
            average_face(faces)(0)


def test_pictures_are_asked_for_by_name():
    faces = face_set(plain(120, 30))
    pictures = face_pictures(faces)
    assert np.array_equal(pictures("average_face", 1), average_face(faces)(1))
    with pytest.raises(UnknownNameError, match="did you mean average_face"):
        pictures("average-face", 1)

"""The Face Landmarker: what it says where something is missing, and what it finds on real photographs."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from workbench import assets
from workbench.errors import UsageError, WorkbenchError
from workbench.faces import detector as room
from workbench.faces import load_faces
from workbench.faces.detector import MediapipeDetector

RIGHT_EYE, LEFT_EYE, NOSE_TIP, CHIN = 33, 263, 4, 152


@pytest.fixture(scope="module")
def detector():
    assets.path("face-landmarker", progress=False)
    with MediapipeDetector(blendshapes=True, progress=False) as opened:
        yield opened


def test_senseless_confidence():
    with pytest.raises(UsageError, match="confidence"):
        MediapipeDetector(confidence=0)


def test_closed_detector_says_so():
    with pytest.raises(UsageError, match="inside a with statement"):
        MediapipeDetector().detect(np.zeros((9, 9, 3), np.uint8))


def test_missing_mediapipe_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks.python", None)
    with pytest.raises(WorkbenchError, match=r"needs mediapipe, which cannot be imported.*pip install") as caught:
        room._create(tmp_path / "model", 0.5, False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError("libGLESv2.so.2: cannot open shared object file: No such file or directory"),
            "library libGLESv2.so.2",
        ),
        (OSError("libEGL.so.1: cannot open shared object file: No such file or directory"), "apt install libegl1"),
        (OSError("/x/mediapipe/tasks/c/libmediapipe.so: cannot open shared object file"), "reinstall mediapipe"),
        (RuntimeError("Unable to open zip archive.\nmore"), "cannot start the face landmarker model"),
    ],
)
def test_native_trouble_is_said_in_one_line(monkeypatch, tmp_path, error, said):
    vision = pytest.importorskip("mediapipe.tasks.python.vision")

    def fail(_options):
        raise error

    monkeypatch.setattr(vision.FaceLandmarker, "create_from_options", fail)
    (tmp_path / "model").write_bytes(b"x")
    with pytest.raises(WorkbenchError, match=said) as caught:
        room._create(tmp_path / "model", 0.5, False)
    assert "\n" not in str(caught.value)


def test_native_log_lines_are_hidden_unless_the_body_fails(capfd):
    with room._quiet():
        os.write(2, b"noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"

    def fails():
        with room._quiet():
            os.write(2, b"the cause\n")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fails()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "the cause\nafter\n"


@pytest.mark.assets
def test_astronaut_is_found_where_she_is(detector):
    found = detector.detect(data.astronaut())
    assert len(found) == 1
    points = found[0].landmarks
    assert points.shape == (478, 2)
    # read off the photograph: the eyes at y ≈ 113, her right eye at the picture's left; nose tip and chin below
    np.testing.assert_allclose(points[[RIGHT_EYE, LEFT_EYE, NOSE_TIP, CHIN]].mean(axis=0), [224, 132], atol=6)
    assert points[RIGHT_EYE, 0] < points[NOSE_TIP, 0] < points[LEFT_EYE, 0]
    assert points[RIGHT_EYE, 1] < points[NOSE_TIP, 1] < points[CHIN, 1]
    assert len(found[0].blendshapes) == 52
    assert found[0].blendshapes["mouthSmileLeft"] > 0.8
    left, top, right, bottom = found[0].box
    assert found[0].area == pytest.approx((right - left) * (bottom - top))


@pytest.mark.assets
def test_a_large_picture_gives_the_same_place(detector):
    small = detector.detect(data.astronaut())[0].landmarks
    large = np.asarray(Image.fromarray(data.astronaut()).resize((3072, 3072), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(detector.detect(large)[0].landmarks / 6, small, atol=1.5)


@pytest.mark.assets
def test_a_face_that_fills_the_picture_is_found(detector):
    tight = data.astronaut()[82:168, 188:262]
    points = detector.detect(tight)[0].landmarks + np.array([188, 82])
    np.testing.assert_allclose(points, detector.detect(data.astronaut())[0].landmarks, atol=6)


@pytest.mark.assets
def test_a_small_face_in_a_large_picture_is_found_once(detector):
    large = np.full((1400, 2100, 3), 130, np.uint8)
    large[800:1312, 1000:1512] = data.astronaut()  # the face is 90 pixels wide: a twenty-third of the picture
    found = detector.detect(large)
    assert len(found) == 1
    at_home = detector.detect(data.astronaut())[0].landmarks + np.array([1000, 800])
    np.testing.assert_allclose(found[0].landmarks, at_home, atol=4)


def test_tiles_cover_the_picture_and_are_not_small():
    covered = np.zeros((700, 1100), int)
    for left, top, right, bottom in room._tiles(1100, 700, 2):
        covered[top:bottom, left:right] += 1
    assert (covered.min(), covered.max()) == (1, 4)
    assert room._tiles(384, 384, 2) == []


def test_one_face_seen_in_two_tiles_counts_once():
    points = np.random.default_rng(0).random((478, 2))
    faces = [room.Detection(points * 100), room.Detection(points * 104 + 5), room.Detection(points * 50 + 300)]
    assert [round(face.area) for face in room._distinct(faces)] == [round(faces[1].area), round(faces[2].area)]


@pytest.mark.assets
@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((3, 500, 3), 90, np.uint8),
        np.random.default_rng(0).integers(0, 255, (200, 150, 3), dtype=np.uint8),
    ],
    ids=["pixel", "strip", "noise"],
)
def test_no_face_in_pictures_without_one(detector, picture):
    assert detector.detect(picture) == []


@pytest.mark.assets
def test_two_faces_and_a_turned_photograph(tmp_path):
    whole = Image.fromarray(data.astronaut()).crop((100, 0, 350, 250))
    pair = Image.new("RGB", (450, 250), (120, 120, 120))
    pair.paste(whole.resize((200, 200)), (250, 25))
    pair.paste(whole, (0, 0))
    pair.save(tmp_path / "pair.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    whole.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    whole.save(tmp_path / "upright.png")
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("RGB", (64, 64)).save(tmp_path / "wall.png")

    faces = load_faces(tmp_path, progress=False)
    assert faces.names == ["pair.png", "turned.png", "upright.png"]
    assert [f.name for f in faces.failures] == ["text.jpg", "wall.png"]
    assert "pair.png: 2 faces, the largest was taken" in faces.notes
    assert "turned.png: turned upright by its EXIF orientation" in faces.notes
    np.testing.assert_array_equal(faces["turned.png"].images, faces["upright.png"].images)
    np.testing.assert_allclose(faces["pair.png"].landmarks, faces["upright.png"].landmarks, atol=0.03)

    both = load_faces(tmp_path / "pair.png", all_faces=True, progress=False)
    assert both.names == ["pair.png#1", "pair.png#2"]
    np.testing.assert_allclose(both.landmarks[0], both.landmarks[1], atol=0.05)


@pytest.mark.assets
def test_nothing_native_reaches_standard_error_in_a_fresh_process(tmp_path):
    program = (
        "from workbench.faces import load_faces; from skimage import data; "
        "print(load_faces([('a', data.astronaut())], progress=False))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "FaceSet(1 face, 256×256, mediapipe478: 1 unlabelled)\n"
    assert done.stderr == ""

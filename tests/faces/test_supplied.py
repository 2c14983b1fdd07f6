"""Known landmarks: CSV and NPZ in their forms, names that fit, shares and pixels, crops that are kept whole."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workbench.canonical import load_frame
from workbench.errors import UnreadableFileError, UsageError
from workbench.faces import load_faces, save_faces

SIDE = 100
ANGLE = np.linspace(0, 2 * np.pi, 68, endpoint=False)
RING = np.column_stack([50 + 20 * np.cos(ANGLE), 40 + 20 * np.sin(ANGLE)])  # pixels


@pytest.fixture
def pictures(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((SIDE, SIDE, 3), 90, np.uint8)).save(tmp_path / name)
    return [tmp_path / "a.png", tmp_path / "b.png"]


def load(source, landmarks, **options):
    return load_faces(source, landmarks=landmarks, progress=False, **({"size": 32, "margin": 1.0} | options))


def wide(faces, start=0, sep=","):
    count = len(next(iter(faces.values())))
    header = ["name", *(f"x_{i + start}" for i in range(count)), *(f"y_{i + start}" for i in range(count))]
    rows = [[name, *points[:, 0].astype(str), *points[:, 1].astype(str)] for name, points in faces.items()]
    return "\n".join(sep.join(row) for row in [header, *rows]) + "\n"


@pytest.mark.parametrize(("name", "start", "sep"), [("l.csv", 0, ","), ("l.csv", 1, ","), ("l.tsv", 0, "\t")])
def test_one_row_a_face(pictures, tmp_path, name, start, sep):
    (tmp_path / name).write_text(wide({"a.png": RING, "b": RING + 5}, start, sep), encoding="utf-8-sig")
    faces = load(pictures, tmp_path / name)
    assert (faces.names, faces.scheme) == (["a.png", "b.png"], "ibug68")
    for landmarks in faces.landmarks:
        np.testing.assert_allclose(landmarks, (RING - [30, 20]) / 40, atol=1e-3)
    assert faces.blendshapes is None
    assert np.isfinite(faces.table["yaw"]).all()


def test_one_row_a_point_in_any_order(pictures, tmp_path):
    order = np.random.default_rng(0).permutation(68)
    lines = [f"{n},{i},{RING[i, 0]},{RING[i, 1]}" for n in ("a.png", "b.png") for i in order]
    (tmp_path / "l.csv").write_text("\n".join(["image,point,x,y", *lines]))
    np.testing.assert_allclose(load(pictures, tmp_path / "l.csv").landmarks[1], (RING - [30, 20]) / 40, atol=1e-6)
    (tmp_path / "l.csv").write_text("\n".join(["image,point,x,y", *lines, lines[0]]))
    with pytest.raises(UsageError, match=r"'a\.png' has a point twice"):
        load(pictures, tmp_path / "l.csv")


@pytest.mark.parametrize("form", ["names", "keys"])
def test_npz(pictures, tmp_path, form):
    mesh = np.random.default_rng(1).random((478, 2)) * 50 + 20
    if form == "names":
        np.savez(tmp_path / "l.npz", names=["a.png", "b.png"], landmarks=np.stack([mesh, mesh]))
    else:
        np.savez(tmp_path / "l.npz", **{"a.png": mesh, "b.png": mesh[None]})
    faces = load(pictures, tmp_path / "l.npz")
    assert (faces.scheme, faces.landmarks.shape) == ("mediapipe478", (2, 478, 2))


def test_shares_of_the_picture_are_told_by_their_size(pictures):
    faces = load(pictures, {"a.png": RING / SIDE, "b.png": RING / SIDE})
    np.testing.assert_allclose(faces.landmarks[0], (RING - [30, 20]) / 40, atol=1e-6)
    assert faces.notes[0] == "landmarks were read as shares of the picture"


def test_what_save_faces_wrote_fits_the_crops(pictures, tmp_path):
    first = load(pictures, {"a.png": RING, "b.png": RING})
    folder = save_faces(first, tmp_path / "saved")
    crops = [(name, image) for name, image in zip(first.names, first.images, strict=True)]
    again = load(crops, folder / "landmarks.npz", cropped=True)
    np.testing.assert_allclose(again.landmarks, first.landmarks, atol=1e-6)
    np.testing.assert_array_equal(again.images, first.images)


def test_several_faces_and_missing_ones(pictures):
    faces = load(pictures, {"a.png": [RING, RING * 0.5]}, all_faces=True)
    assert faces.names == ["a.png#1", "a.png#2"]
    assert [(f.name, f.stage, f.reason) for f in faces.failures] == [
        ("b.png", "landmarks", "no landmarks are given for it")
    ]
    assert load(pictures, {"a.png": [RING * 0.5, RING], "c.png": RING}).notes == (
        "1 of 2 names in the landmarks belong to no picture",
        "a.png: 2 faces, the largest was taken",
    )


def test_a_face_with_a_missing_point_fails_by_name(pictures):
    holed = RING.copy()
    holed[3] = np.nan
    faces = load(pictures, {"a.png": holed, "b.png": RING})
    assert [(f.name, f.reason) for f in faces.failures] == [("a.png", "the landmarks are degenerate")]


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        ({}, "no landmarks in it"),
        ({"a.png": RING[:60]}, r"a\.png: landmarks of shape \(60, 2\); give 68"),
        ({"a.png": RING, "b.png": np.ones((478, 2))}, r"b\.png: mediapipe478 among ibug68"),
        ({"z.png": RING}, r"no name in it fits a picture \('z\.png'"),
        ({"x/a.png": RING, "y/a.png": RING}, r"'a\.png' may be 'x/a\.png' or 'y/a\.png'"),
        (7, "landmarks is int; give a CSV"),
        ("dataset", "no landmarks come with these pictures"),
        ("l.txt", "no such file of landmarks"),
    ],
)
def test_landmarks_that_are_refused(pictures, landmarks, message):
    with pytest.raises((UsageError, UnreadableFileError), match=message):
        load(pictures, landmarks)


def test_one_name_for_two_pictures_is_refused(tmp_path):
    items = [("x/a.png", np.zeros((9, 9), np.uint8)), ("y/a.png", np.zeros((9, 9), np.uint8))]
    with pytest.raises(UsageError, match=r"'a\.png' fits the pictures 'x/a\.png' and 'y/a\.png'"):
        load(items, {"a.png": RING})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column 'name'"),
        ("name,x_0\na.png,1\n", "line 1: the columns x_0, …, y_0, … are missing"),
        (wide({"a.png": RING}).replace("50.0", "left", 1), "line 2: 'left' is no coordinate"),
        (wide({"a.png": RING}) + "b.png,1\n", "line 3: 2 cells under 137 columns"),
    ],
)
def test_tables_that_are_refused_by_line(pictures, tmp_path, text, message):
    file = tmp_path / "l.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load(pictures, file)
    assert str(file) in str(caught.value)


def test_broken_npz(pictures, tmp_path):
    (tmp_path / "l.npz").write_bytes(b"x")
    with pytest.raises(UnreadableFileError, match="no NPZ file that can be read"):
        load(pictures, tmp_path / "l.npz")
    np.savez(tmp_path / "l.npz", names=["a"], landmarks=RING)
    with pytest.raises(UsageError, match=r"1 names but landmarks of shape \(68, 2\)"):
        load(pictures, tmp_path / "l.npz")


def test_face_crops_are_kept_whole():
    generator = np.random.default_rng(0)
    square, tall = (generator.integers(0, 255, (h, 48, 3), dtype=np.uint8) for h in (48, 96))
    ring = np.column_stack([24 + 10 * np.cos(ANGLE), 30 + 10 * np.sin(ANGLE)])
    faces = load([("square", square), ("tall", tall)], {"square": ring, "tall": ring}, cropped=True, size=48)
    np.testing.assert_array_equal(faces.images[0], square)
    np.testing.assert_allclose(faces.landmarks[0], ring / 48, atol=1e-6)
    np.testing.assert_allclose(faces.landmarks[1], (ring + np.array([24, 0])) / 96, atol=1e-6)
    assert faces.table["padding"].tolist() == [0, 0.5]
    assert faces.images[1][:, :11].max() == 0
    assert faces.attrs["crop"] == "the whole picture, a face crop already"
    with pytest.raises(UsageError, match="a face crop shows one face"):
        load([("square", square)], {"square": ring}, cropped=True, all_faces=True)


def test_the_template_fills_the_picture():
    faces = load([("a", np.zeros((40, 60), np.uint8))], "template", cropped=True, margin=1.25)
    box = np.ptp(faces.landmarks[0], axis=0)
    assert box.max() == pytest.approx(0.8, abs=1e-6)
    np.testing.assert_allclose(faces.landmarks[0].min(axis=0) + box / 2, 0.5, atol=1e-6)
    assert load_frame("mediapipe478").folded_share(faces.landmarks[0]) == 0
    assert faces.notes[0].startswith("no landmarks were found: the canonical face was laid over every picture")


def test_a_detector_beside_known_landmarks_is_refused(pictures):
    with pytest.raises(UsageError, match="leave one of them out"):
        load(pictures, {"a.png": RING}, detector=object())


def test_crops_like_a_classifier_has_them(pictures):
    class Like:
        class preprocessing:
            size = (40, 32)

        provenance = {"margin": "1.6"}  # noqa: RUF012

    faces = load_faces(pictures[:1], landmarks={"a.png": RING}, like=Like(), progress=False)
    assert (faces.size, faces.attrs["crop"]) == (40, "landmark box, squared, × 1.6")
    assert load_faces(pictures[:1], landmarks={"a.png": RING}, like=Like(), size=24, progress=False).size == 24
    with pytest.raises(UsageError, match="like is str; give a classifier"):
        load_faces(pictures[:1], landmarks={"a.png": RING}, like="facemood", progress=False)
    Like.provenance = {}
    assert (
        load_faces(pictures[:1], landmarks={"a.png": RING}, like=Like(), progress=False).attrs["crop"][-6:] == "× 1.15"
    )


def test_nothing_is_detected_where_landmarks_are_known(pictures, monkeypatch):
    def fail(**_options):
        raise AssertionError("a detector was made")

    monkeypatch.setattr("workbench.faces.gather.MediapipeDetector", fail)
    assert len(load(pictures, "template")) == 2
    with pytest.raises(AssertionError, match="a detector was made"):
        load(pictures, None)

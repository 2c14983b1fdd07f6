"""AffectNet's lists and annotation files: codes, affect, landmarks, what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import UsageError

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"


def row(name, code, valence=0.5, arousal=-0.25, points=""):
    return f"{name},0,0,48,48,{points},{code},{valence},{arousal}\n"


def test_list_with_landmarks_and_affect(draw, write, load, ring, tmp_path):
    points = ";".join(f"{value:.2f}" for value in ring.ravel())
    write(
        "Manually_Annotated_file_lists/training.csv",
        HEADER + row("1/a.jpg", 1, points=points) + row("1/b.jpg", 7, -2, -2, points) + row("2/c.jpg", 9, -2, -2),
    )
    write("Manually_Annotated_file_lists/validation.csv", HEADER + row("2/d.jpg", 0, points=points))
    for name in ("1/a", "1/b", "2/c", "2/d"):
        draw(f"Manually_Annotated_Images/{name}.jpg")
    faces = load(tmp_path, landmarks="dataset", cropped=False, margin=1.0)
    assert faces.names == ["1/a.jpg", "1/b.jpg", "2/d.jpg"]
    assert faces.table["label"].tolist() == ["happiness", "contempt", "neutral"]
    assert faces.table["part"].tolist() == ["training", "training", "validation"]
    assert faces.groups == ["part"]
    np.testing.assert_array_equal(faces.table["valence"], [0.5, np.nan, 0.5])
    np.testing.assert_array_equal(faces.table["arousal"], [-0.25, np.nan, -0.25])
    assert "1 left out (first: 2/c.jpg): expression 9, uncertain" in faces.notes
    assert faces.scheme == "ibug68"
    np.testing.assert_allclose(faces.landmarks[0], (ring - 12) / 24, atol=1e-3)
    assert load(tmp_path, layout="affectnet", part="validation").names == ["2/d.jpg"]


def test_every_code(draw, write, load, tmp_path):
    write("list.csv", HEADER + "".join(row(f"{i}.jpg", i) for i in range(8)))
    for i in range(8):
        draw(f"{i}.jpg", shade=140 + 10 * i)
    wanted = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    assert load(tmp_path / "list.csv").table["label"].tolist() == wanted


def test_annotation_files(draw, load, ring, tmp_path):
    folder = tmp_path / "val_set" / "annotations"
    folder.mkdir(parents=True)
    for stem, code in (("0", 5), ("2", 8), ("10", 3)):
        draw(f"val_set/images/{stem}.jpg")
        np.save(folder / f"{stem}_exp.npy", np.array(str(code)))
        np.save(folder / f"{stem}_val.npy", np.array("0.75"))
        np.save(folder / f"{stem}_aro.npy", np.array(-2.0))
        np.save(folder / f"{stem}_lnd.npy", ring.ravel())
    faces = load(tmp_path, landmarks="dataset")
    assert faces.names == ["val_set/0.jpg", "val_set/10.jpg"]
    assert faces.table["label"].tolist() == ["disgust", "surprise"]
    assert faces.table["valence"].tolist() == [0.75, 0.75]
    assert faces.table["arousal"].isna().all()
    np.testing.assert_allclose(faces.landmarks[0], ring / 48, atol=1e-6)
    np.save(folder / "0_exp.npy", np.array("x"))
    with pytest.raises(UsageError, match=r"0_exp\.npy: holds no number"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row("a.jpg", 11), "line 3: the expression is 11; AffectNet's codes run from 0 to 10"),
        (row("a.jpg", 1, valence="high"), "line 3: valence is 'high', not a number"),
        ("a.jpg,1\n", "line 3: 2 cells under 9 columns"),
    ],
)
def test_what_does_not_fit_names_the_line(draw, write, load, text, message):
    draw("a.jpg")
    file = write("list.csv", HEADER + row("a.jpg", 1) + text)
    with pytest.raises(UsageError, match=message) as caught:
        load(file)
    assert str(caught.value).startswith(str(file))


def test_broken_landmarks_fail_by_name(draw, write, load, ring):
    good, bad = ";".join(map(str, ring.ravel())), "1;2;x"
    draw("a.jpg")
    draw("b.jpg")
    faces = load(
        write("list.csv", HEADER + row("a.jpg", 1, points=good) + row("b.jpg", 1, points=bad)), landmarks="dataset"
    )
    assert faces.names == ["a.jpg"]
    assert [(f.name, f.stage) for f in faces.failures] == [("b.jpg", "landmarks")]
    assert "line 3: facial_landmarks are no pairs" in faces.failures[0].reason


def test_pictures_elsewhere_are_stated(draw, write, load, tmp_path):
    draw("far/away/a.jpg")
    file = write("lists/list.csv", HEADER + row("a.jpg", 1))
    with pytest.raises(UsageError, match=r"the pictures that it lists \(a.jpg\) are not beside it; state images="):
        load(file)
    assert load(file, layout="affectnet", images=str(tmp_path / "far" / "away")).names == ["a.jpg"]
    with pytest.raises(UsageError, match="no part 'training'; there are list"):
        load(file, layout="affectnet", part="training")

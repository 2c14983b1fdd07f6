"""CK+'s folders: the label belongs to the last frame; AUs with and without intensity; landmarks of the set."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.faces import coded_aus

PICTURES = "cohn-kanade-images"


@pytest.fixture
def ck(draw, write, ring, tmp_path):
    for name in ("S005/001/S005_001_00000001", "S005/001/S005_001_00000009", "S005/001/S005_001_00000011"):
        draw(f"{PICTURES}/{name}.png")
    for name in ("S010/002/S010_002_00000001", "S010/002/S010_002_00000014"):
        draw(f"{PICTURES}/{name}.png")
    draw(f"{PICTURES}/S010/003/S010_003_00000005.png")
    write("Emotion/S005/001/S005_001_00000011_emotion.txt", "   3.0000000e+00\n")
    write("Emotion/S010/002/S010_002_00000014_emotion.txt", "   2.0000000e+00\n")
    write(
        "FACS/S005/001/S005_001_00000011_facs.txt",
        "   9.0000000e+00   5.0000000e+00\n   1.7000000e+01   0.0000000e+00\n",
    )
    write("FACS/S010/002/S010_002_00000014_facs.txt", "   1.4000000e+01   3.0000000e+00\n")
    text = "\n".join(f"   {x:.7e}   {y:.7e}" for x, y in ring)
    write("Landmarks/S005/001/S005_001_00000011_landmarks.txt", text + "\n")
    return tmp_path


def test_peak_frames_with_labels_and_subjects(ck, load):
    faces = load(ck)
    assert faces.names == ["S005_001_00000011.png", "S010_002_00000014.png", "S010_003_00000005.png"]
    assert faces.table["label"].tolist() == ["disgust", "contempt", ""]
    assert faces.table["subject"].tolist() == ["S005", "S010", "S010"]
    assert faces.table["sequence"].tolist() == ["001", "002", "003"]
    assert faces.groups == ["sequence", "frame"]
    assert "read as layout 'ck+'" in faces.notes[0]
    assert any(note.startswith("1 frames without an expression") for note in faces.notes)


def test_action_units_of_coded_frames(ck, load):
    faces = load(ck)
    present = coded_aus(faces)
    assert present["au"].values.tolist() == ["AU9", "AU14", "AU17"]
    np.testing.assert_array_equal(present, [[1, 0, 1], [0, 1, 0], [np.nan] * 3])
    np.testing.assert_array_equal(
        coded_aus(faces, intensity=True), [[5, 0, np.nan], [0, 3, 0], [np.nan] * 3]
    )  # AU17: present, its intensity not scored


def test_onsets_are_neutral(ck, load):
    faces = load(ck, layout="ck+", frames="both")
    assert faces.table["label"].tolist() == ["neutral", "disgust", "neutral", "contempt", ""]
    assert faces.table["frame"].tolist() == ["onset", "peak", "onset", "peak", "peak"]
    assert np.isnan(coded_aus(faces).values[0]).all()
    assert load(ck, layout="ck+", frames="onset").names[0] == "S005_001_00000001.png"
    with pytest.raises(UsageError, match="frames is 'last'; take 'peak', 'onset', 'both'"):
        load(ck, layout="ck+", frames="last")


def test_landmarks_of_the_set(ck, load, ring):
    faces = load(ck, landmarks="dataset")
    assert (faces.names, faces.scheme) == (["S005_001_00000011.png"], "ibug68")
    np.testing.assert_allclose(faces.landmarks[0], ring / 48, atol=1e-6)
    assert [f.reason for f in faces.failures] == ["no landmarks are given for it"] * 2


def test_folders_of_other_names_and_files_of_other_names(ck, load, draw):
    (ck / "Emotion").rename(ck / "labels of the expressions")
    draw(f"{PICTURES}/S005/001/cover.png")
    faces = load(ck, layout="ck+")
    assert faces.table["label"].tolist() == ["disgust", "contempt", ""]
    assert "1 left out (first: cover.png): no name as S005_001_00000011.png" in faces.notes


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Emotion/S010/003/S010_003_00000005_emotion.txt", "8.0\n", "line 1: the expression is 8; the layout knows 0"),
        ("Emotion/S010/003/S010_003_00000005_emotion.txt", "1.0\n2.0\n", "2 lines, expected one number"),
        ("FACS/S010/003/S010_003_00000005_facs.txt", "4 2\n12\n", "line 2: '12'; expected an action unit"),
        ("FACS/S010/003/S010_003_00000005_facs.txt", "12 7\n", "line 1: intensity 7; expected 0"),
    ],
)
def test_what_does_not_fit_names_file_and_line(ck, load, write, file, text, message):
    write(file, text)
    with pytest.raises(UsageError, match=message) as caught:
        load(ck)
    assert str(caught.value).startswith(str(ck / file))

"""Sources of faces, labels, names and failures, with a detector that finds as many faces as the first pixel says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.errors import UnreadableFileError, UsageError, WorkbenchError
from workbench.faces import FaceSet, load_faces
from workbench.faces.detector import Detection

UNIT = np.random.default_rng(3).random((68, 2))
UNIT = (UNIT - UNIT.min(axis=0)) / (UNIT.max(axis=0) - UNIT.min(axis=0))


class Counting:
    """Face k of a picture fills a square of side 10 + 10 k; returned largest first, as a detector must."""

    scheme = "ibug68"

    def detect(self, rgb):
        if rgb[0, 0, 0] == 99:
            raise RuntimeError("native trouble\nsecond line")
        found = [Detection(UNIT * (10 + 10 * k) + (10 * k, 20)) for k in range(int(rgb[0, 0, 0]))]
        return found[::-1]


def picture(faces=1, height=120, width=120):
    return np.full((height, width, 3), faces, np.uint8)


def save(path, faces=1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(faces, **options)).save(path)
    return path


def load(source, **options):
    return load_faces(source, detector=Counting(), progress=False, **({"size": 32} | options))


def test_one_file(tmp_path):
    faces = load(save(tmp_path / "a.png"))
    assert faces.names == ["a.png"]
    assert faces.images.shape == (1, 32, 32, 3)
    assert faces.table.loc[0, ["label", "subject"]].tolist() == ["", ""]
    assert faces.table.loc[0, "source"] == str(tmp_path / "a.png")
    assert len(faces.table.loc[0, "sha256"]) == 64


def test_landmarks_lie_in_the_margin(tmp_path):
    faces = load(save(tmp_path / "a.png"), margin=1.25)
    np.testing.assert_allclose(faces.landmarks[0], UNIT * 0.8 + 0.1, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "at least 16"),
        ({"size": 10**6}, "at most 4096"),
        ({"size": "256"}, "whole number"),
        ({"margin": 9}, "margin"),
    ],
)
def test_senseless_options(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        load(save(tmp_path / "a.png"), **options)


def test_folder_in_order_with_hidden_and_other_files_passed_over(tmp_path):
    for name in ("b.png", "a.png", "deep/er/c.png", ".hidden.png", ".cache/d.png"):
        save(tmp_path / name)
    (tmp_path / "readme.txt").write_text("x")
    faces = load(tmp_path)
    assert faces.names == ["a.png", "b.png", "deep/er/c.png"]
    assert set(faces.table["label"]) == {""}
    assert faces.notes[0] == f"1 file passed over in {tmp_path.name}: no picture by name"


def test_class_folders_give_labels(tmp_path):
    for name in ("Happy/a.png", "train/SAD/a.png", "test/Surprised/x/a.png", "misc/a.png", "co/a.png", "AN/a.png"):
        save(tmp_path / name)
    faces = load(tmp_path)
    assert dict(zip(faces.names, faces.table["label"], strict=True)) == {
        "AN/a.png": "",
        "Happy/a.png": "happiness",
        "co/a.png": "",
        "misc/a.png": "",
        "test/Surprised/x/a.png": "surprise",
        "train/SAD/a.png": "sadness",
    }


def test_failures_are_named_and_the_rest_goes_on(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "empty-room.png", faces=0)
    save(tmp_path / "odd.png", faces=99)
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "zero.png").write_bytes(b"")
    faces = load(tmp_path)
    assert faces.names == ["a.png"]
    assert [(f.name, f.stage) for f in faces.failures] == [
        ("empty-room.png", "detect"),
        ("odd.png", "detect"),
        ("text.jpg", "read"),
        ("zero.png", "read"),
    ]
    assert faces.failures[0].reason == "no face found in 120×120 pixels"
    assert faces.failures[1].reason == "native trouble"
    assert all("\n" not in f.reason for f in faces.failures)


def test_folder_without_a_face_counts(tmp_path):
    save(tmp_path / "a.png", faces=0)
    save(tmp_path / "b.png", faces=0)
    (tmp_path / "c.jpg").write_text("x")
    with pytest.raises(WorkbenchError, match=r"no face in 3 pictures \(1 unreadable, 2 without a face") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 1


def test_folder_without_pictures(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(WorkbenchError, match="no picture in this folder or below it \\(1 other file\\)"):
        load(tmp_path)


def test_single_bad_file_says_why(tmp_path):
    (tmp_path / "c.jpg").write_text("x")
    with pytest.raises(WorkbenchError, match=r"c\.jpg: no picture in a format that is read"):
        load(tmp_path / "c.jpg")
    with pytest.raises(WorkbenchError, match="no such file"):
        load(tmp_path / "none.jpg")
    with pytest.raises(WorkbenchError, match="no face found in 120×120 pixels"):
        load(save(tmp_path / "d.png", faces=0))


def test_largest_of_several_faces_is_taken_and_said(tmp_path):
    save(tmp_path / "happy/group.png", faces=3)
    faces = load(tmp_path)
    assert faces.names == ["happy/group.png"]
    assert faces.notes == ("happy/group.png: 3 faces, the largest was taken",)


def test_all_faces_are_numbered_by_size_and_only_the_largest_keeps_the_label(tmp_path):
    save(tmp_path / "a.png", faces=1)
    save(tmp_path / "happy/group.png", faces=3)
    faces = load(tmp_path, all_faces=True)
    assert faces.names == ["a.png", "happy/group.png#1", "happy/group.png#2", "happy/group.png#3"]
    assert faces.table["label"].tolist() == ["", "happiness", "", ""]
    assert faces.notes[0] == "happy/group.png: 3 faces, label and subject stay with the largest"


def test_padding_is_recorded_and_said(tmp_path):
    faces = load(save(tmp_path / "a.png", height=25))
    # the face spans y 20…30 of 25 rows; side 11.5 from 19.25: 5.75 of 11.5 rows inside, x from −0.75: 10.75 of 11.5
    assert faces.table.loc[0, "padding"] == pytest.approx(1 - 0.5 * 10.75 / 11.5, abs=1e-4)
    assert faces.notes == ("a.png: part of the crop lies outside the picture (black)",)


def test_notes_of_one_kind_are_gathered(tmp_path):
    for i in range(6):
        save(tmp_path / f"{i}.png", faces=2)
    assert load(tmp_path).notes == (
        "6 pictures (0.png, 1.png, 2.png, 3.png and 2 more): 2 faces, the largest was taken",
    )


def test_list_of_paths_and_arrays(tmp_path):
    paths = [save(tmp_path / "x/a.png"), save(tmp_path / "y/a.png"), save(tmp_path / "x/b.png")]
    faces = load([*map(str, paths), ("mine", picture()), ("mine", picture()[..., 0]), paths[2]])
    assert faces.names == ["x/a.png", "y/a.png", "x/b.png", "mine", "mine (2)", "x/b.png (2)"]
    assert load(paths[1:]).names == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "empty"),
        ("", "path of the faces is empty"),
        ([3], "entry 0 of the list is a int"),
        ([("a", picture().astype(float))], "uint8"),
        ([("a", picture()[..., :2])], "RGB"),
        ([("a", [[1]])], "got list"),
        (picture(), "ndarray"),
        (7, "int"),
    ],
)
def test_sources_that_are_not_understood(source, message):
    with pytest.raises(UsageError, match=message):
        load(source)


def table_file(folder, text, name="faces-list.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_table_paths_are_relative_to_it_and_columns_become_groups(tmp_path):
    for name in ("p/a.png", "p/b.png", "c.png"):
        save(tmp_path / name)
    file = table_file(
        tmp_path,
        "\ufeffpath,label,subject,age,light\np/a.png,Happy,001,31,day\np/b.png,,NA,32,night\nc.png,FEAR,002,40,day\n",
    )
    faces = load(file)
    assert faces.names == ["a.png", "b.png", "c.png"]
    assert faces.table["label"].tolist() == ["happiness", "", "fear"]
    assert faces.table["subject"].tolist() == ["001", "NA", "002"]
    assert faces.table["age"].tolist() == [31, 32, 40]
    assert faces.groups == ["age", "light"]


def test_table_with_names_tabs_and_missing_files(tmp_path):
    save(tmp_path / "a.png")
    faces = load(table_file(tmp_path, "path\tname\na.png\tfirst\nnone.png\tsecond\n", "list.tsv"))
    assert faces.names == ["first"]
    assert [(f.name, f.stage) for f in faces.failures] == [("second", "read")]


def test_parquet_is_read_as_a_table(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    (tmp_path / "list.parquet").write_bytes(b"PAR1")
    table = pd.DataFrame({"path": ["a.png"], "label": ["sad"], "au_12": [None], "age": [3]})
    monkeypatch.setattr(pd, "read_parquet", lambda path: table)
    faces = load(tmp_path / "list.parquet")
    assert faces.table["label"].tolist() == ["sadness"]
    assert faces.groups == ["age"]
    assert faces.table["au_12"].isna().all()


def test_action_units_of_a_table_stay_with_the_largest_face(tmp_path):
    save(tmp_path / "a.png", faces=2)
    faces = load(table_file(tmp_path, "path,au_12,au_4_intensity,light\na.png,1,,day\n"), all_faces=True)
    assert faces.table["au_12"].tolist()[0] == 1
    assert faces.table["au_12"].isna().tolist() == [False, True]
    assert faces.table["light"].tolist() == ["day", "day"]
    with pytest.raises(UsageError, match="row 1: 'au_12' is 'yes', not a number"):
        load(table_file(tmp_path, "path,au_12\na.png,yes\n"))


def test_data_frame(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"path": ["a.png"], "label": [None], "subject": [float("nan")]}, index=[7])
    faces = load(table)
    assert faces.table.loc[0, ["name", "label", "subject"]].tolist() == ["a.png", "", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,happy\n", "no column 'path' .columns: file, label."),
        ("path,label\n", "no rows"),
        ("path,label\na.png,happy\na.png,hapy\n", "row 2 .a.png.: label 'hapy': .*did you mean happy"),
        ("path,label\na.png,happy\n ,sad\n", "row 2: 'path' is empty"),
        ("path,name\na.png,x\nb.png,x\n", "'x' stands in more than one row"),
        ("path,sha256\na.png,x\n", "'sha256' is filled in by the workbench"),
    ],
)
def test_tables_that_are_refused_before_any_picture_is_read(tmp_path, text, message):
    with pytest.raises(UsageError, match=message) as caught:
        load(table_file(tmp_path, text))
    assert str(tmp_path / "faces-list.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_tables(tmp_path):
    with pytest.raises(UnreadableFileError, match="no such table"):
        load(tmp_path / "none.csv")
    with pytest.raises(UnreadableFileError, match="no table that can be read"):
        load(table_file(tmp_path, ""))
    (tmp_path / "b.csv").write_bytes(b"path\n\xff\xfe\x00")
    with pytest.raises(UnreadableFileError, match="UTF-8"):
        load(tmp_path / "b.csv")


def test_a_set_passes_through(tmp_path):
    faces = load(save(tmp_path / "a.png"))
    assert load(faces) is faces
    assert isinstance(faces, FaceSet)

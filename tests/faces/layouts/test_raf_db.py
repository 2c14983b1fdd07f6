"""RAF-DB's list: codes, aligned and original pictures, attributes, missing pictures."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError, WorkbenchError

LIST = "EmoLabel/list_patition_label.txt"
POINTS = "10\t12\n30\t12\n20\t20\n12\t30\n28\t30\n"


def test_list_and_aligned_pictures(draw, write, load, tmp_path):
    write(LIST, "train_00001.jpg 5\ntrain_00002.jpg 1\ntest_0001.jpg 7\n")
    for name in ("train_00001", "train_00002", "test_0001"):
        draw(f"Image/aligned/{name}_aligned.jpg")
        draw(f"Image/original/{name}.jpg", side=64)
    faces = load(tmp_path)
    assert faces.names == ["train_00001.jpg", "train_00002.jpg", "test_0001.jpg"]
    assert faces.table["label"].tolist() == ["sadness", "surprise", "neutral"]
    assert faces.table["part"].tolist() == ["train", "train", "test"]
    assert faces.table["source"].str.endswith("_aligned.jpg").all()
    assert "layout 'raf-db'" in faces.notes[0]
    assert load(tmp_path, part="test", layout="raf-db").names == ["test_0001.jpg"]
    assert not load(tmp_path, images="original", layout="raf-db").table["source"].str.endswith("_aligned.jpg").any()


def test_every_code(draw, write, load, tmp_path):
    write("list_partition_label.txt", "".join(f"train_{i}.jpg {i}\n" for i in range(1, 8)))
    for i in range(1, 8):
        draw(f"pictures/train_{i}.jpg", shade=140 + 10 * i)
    faces = load(tmp_path, layout="raf-db")
    wanted = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    assert faces.table["label"].tolist() == wanted
    assert any(note.startswith("only original pictures were found") for note in faces.notes)


def test_attributes_become_groups(draw, write, load, tmp_path):
    write(LIST, "train_00001.jpg 4\ntrain_00002.jpg 4\n")
    write("Annotation/manual/train_00001_manu_attri.txt", POINTS + "1\n2\n3\n")
    for i in (1, 2):
        draw(f"Image/aligned/train_0000{i}_aligned.jpg")
    faces = load(tmp_path)
    assert faces.groups == ["part", "gender", "race", "age"]
    assert faces.table.loc[0, ["gender", "race", "age"]].tolist() == ["female", "Asian", "40-69"]
    assert faces.table.loc[1, ["gender", "race", "age"]].tolist() == ["", "", ""]
    write("Annotation/manual/train_00001_manu_attri.txt", POINTS + "1\n2\n")
    with pytest.raises(UsageError, match=r"train_00001_manu_attri\.txt: 2 lines of one number, expected three"):
        load(tmp_path)


def test_a_copy_sorted_into_numbered_folders(draw, write, load, tmp_path):
    write("train_labels.csv", "image,label\ntrain_1_aligned.jpg,6\n")
    write("test_labels.csv", "image,label\ntest_1_aligned.jpg,2\n")
    draw("DATASET/train/6/train_1_aligned.jpg")
    draw("DATASET/test/2/test_1_aligned.jpg")
    faces = load(tmp_path, layout="raf-db")
    assert dict(zip(faces.table["part"], faces.table["label"], strict=True)) == {"train": "anger", "test": "fear"}


def test_a_listed_picture_that_is_missing_is_a_failure(draw, write, load, tmp_path):
    write(LIST, "train_1.jpg 4\ntrain_2.jpg 4\n")
    draw("Image/aligned/train_1_aligned.jpg")
    faces = load(tmp_path)
    assert [(f.name, f.stage) for f in faces.failures] == [("train_2.jpg", "read")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train_2.jpg 8", "line 2: the expression is 8; the layout knows 1 surprise"),
        ("train_2.jpg", "line 2: 'train_2.jpg'; expected picture and code"),
    ],
)
def test_what_does_not_fit_names_the_line(draw, write, load, tmp_path, line, message):
    write(LIST, f"train_1.jpg 4\n{line}\n")
    draw("Image/aligned/train_1_aligned.jpg")
    with pytest.raises(UsageError, match=message) as caught:
        load(tmp_path)
    assert LIST.rpartition("/")[2] in str(caught.value)


def test_no_pictures_and_no_list(write, load, tmp_path):
    with pytest.raises(UsageError, match=r"no list_patition_label\.txt in it"):
        load(tmp_path, layout="raf-db")
    write(LIST, "train_1.jpg 4\n")
    with pytest.raises(WorkbenchError, match=r"none of the pictures that list_patition_label\.txt lists"):
        load(tmp_path)

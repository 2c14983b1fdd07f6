"""A saved set comes back equal, appears whole or not at all, and edits of its table count."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.errors import UnreadableFileError, UsageError, WorkbenchError
from workbench.faces import FaceSet, Failure, load_faces, save_faces
from workbench.faces.faceset import crop_sha256


def some_faces(n=3):
    generator = np.random.default_rng(1)
    images = generator.integers(0, 255, (n, 24, 24, 3), dtype=np.uint8)
    table = pd.DataFrame(
        {
            "name": ["a/b c.jpg#1", 'ünï,"quoted"', "001"][:n],
            "label": ["anger", "", "fear"][:n],
            "subject": ["01", "", "NA"][:n],
            "source": ["x.jpg", "y", "z"][:n],
            "sha256": [crop_sha256(image) for image in images],
            "padding": [0.0, 0.25, 0.1][:n],
            "age": [1, 2, 3][:n],
        }
    )
    return FaceSet(
        images,
        generator.normal(size=(n, 478, 2)).astype(np.float32),
        table,
        failures=(Failure("bad, file.png", "read", 'a "reason"'),),
        notes=("said",),
        attrs={"crop": "1.15"},
    )


def same(a, b):
    np.testing.assert_array_equal(a.images, b.images)
    np.testing.assert_array_equal(a.landmarks, b.landmarks)
    pd.testing.assert_frame_equal(a.table, b.table, check_dtype=False)
    assert (a.scheme, a.failures, a.notes, a.attrs) == (b.scheme, b.failures, b.notes, b.attrs)


def test_round_trip(tmp_path):
    faces = some_faces()
    folder = save_faces(faces, tmp_path / "deep" / "out")
    assert sorted(p.name for p in folder.iterdir()) == [
        "crops",
        "faces.csv",
        "faceset.json",
        "failures.csv",
        "landmarks.npz",
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["out"]
    assert len(list((folder / "crops").iterdir())) == 3
    same(load_faces(folder), faces)


def test_round_trip_of_an_empty_set_and_of_68_points(tmp_path):
    empty = some_faces()[[]]
    back = load_faces(save_faces(empty, tmp_path / "none"))
    assert (len(back), back.size, back.failures) == (0, 24, empty.failures)
    faces = some_faces()
    fewer = FaceSet(faces.images, faces.landmarks[:, :68], faces.table, scheme="ibug68")
    same(load_faces(save_faces(fewer, tmp_path / "68")), fewer)
    assert load_faces(save_faces(fewer[[]], tmp_path / "68none")).landmarks.shape == (0, 68, 2)


def test_saving_again_replaces_the_earlier_set(tmp_path):
    save_faces(some_faces(), tmp_path / "out")
    save_faces(some_faces(1), tmp_path / "out")
    assert load_faces(tmp_path / "out").names == ["a/b c.jpg#1"]
    assert len(list((tmp_path / "out" / "crops").iterdir())) == 1


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds other files \(thesis.txt\)"):
        save_faces(some_faces(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(UsageError, match="is a file"):
        save_faces(some_faces(), tmp_path / "thesis.txt")


def test_a_failing_save_leaves_the_earlier_set_and_nothing_else(tmp_path, monkeypatch):
    save_faces(some_faces(1), tmp_path / "out")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(WorkbenchError, match=r"cannot be written \(No space left on device\)"):
        save_faces(some_faces(), tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert len(load_faces(tmp_path / "out")) == 1


def test_edited_labels_and_removed_rows_count(tmp_path):
    folder = save_faces(some_faces(), tmp_path / "out")
    table = pd.read_csv(folder / "faces.csv", dtype=str, keep_default_na=False)
    table["label"] = ["Happy", "sad", ""]
    table.iloc[[2, 0]].to_csv(folder / "faces.csv", index=False)
    back = load_faces(folder)
    assert back.names == ["001", "a/b c.jpg#1"]
    assert back.table["label"].tolist() == ["", "happiness"]
    np.testing.assert_array_equal(back.landmarks[1], some_faces().landmarks[0])
    table["label"] = "hapy"
    table.to_csv(folder / "faces.csv", index=False)
    with pytest.raises(UsageError, match="row 1: label 'hapy'"):
        load_faces(folder)


def test_damage_is_named(tmp_path):
    folder = save_faces(some_faces(), tmp_path / "out")
    crop = sorted((folder / "crops").iterdir())[1]
    Image.fromarray(some_faces().images[0]).save(crop)
    with pytest.raises(UnreadableFileError, match="was changed since it was saved"):
        load_faces(folder)
    crop.unlink()
    with pytest.raises(UnreadableFileError, match="no such file"):
        load_faces(folder)
    (folder / "landmarks.npz").write_bytes(b"PK")
    with pytest.raises(UnreadableFileError, match="saved faces are damaged"):
        load_faces(folder)
    about = json.loads((folder / "faceset.json").read_text(encoding="utf-8"))
    (folder / "faceset.json").write_text(json.dumps(about | {"format": 99}), encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="format 99"):
        load_faces(folder)

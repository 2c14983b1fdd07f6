"""What a FaceSet promises at construction and keeps under selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import UnknownNameError, UsageError
from workbench.faces import FaceSet, Failure
from workbench.faces.faceset import crop_sha256

LABELS = ["anger", "", "happiness", "anger"]


def parts(n=4, points=478, **changes):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (n, 16, 16, 3), dtype=np.uint8)
    table = pd.DataFrame(
        {
            "name": [f"f{i}" for i in range(n)],
            "label": LABELS[:n],
            "subject": ["s0", "s1", "s0", None][:n],
            "source": "array",
            "sha256": [crop_sha256(image) for image in images],
            "padding": 0.0,
            "light": list("abba")[:n],
        }
    )
    return {"images": images, "landmarks": generator.random((n, points, 2)), "table": table} | changes


def test_landmarks_become_float32_and_missing_text_becomes_empty():
    faces = FaceSet(**parts())
    assert faces.landmarks.dtype == np.float32
    assert faces.table["subject"].tolist() == ["s0", "s1", "s0", ""]
    assert faces.names == ["f0", "f1", "f2", "f3"]
    assert faces.groups == ["light"]
    assert (len(faces), faces.size) == (4, 16)


def test_the_users_table_is_not_changed():
    given = parts()
    before = given["table"].copy()
    FaceSet(**given)
    pd.testing.assert_frame_equal(given["table"], before)


def table_with(**columns):
    return parts()["table"].assign(**columns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 16, 12, 3), np.uint8)}, "square"),
        ({"images": np.zeros((4, 16, 16, 3), np.float32)}, "uint8"),
        ({"landmarks": np.zeros((4, 68, 2))}, "scheme mediapipe478"),
        ({"landmarks": np.full((4, 478, 2), np.nan)}, "landmarks of face 0 are not finite"),
        ({"scheme": "mediapipe468"}, "did you mean mediapipe478"),
        ({"table": parts()["table"].drop(columns="label")}, "lacks the column label"),
        ({"table": parts()["table"].head(3)}, "4 face images but 3 rows"),
        ({"table": table_with(name=["a", "b", "a", "c"])}, "'a' occurs more than once"),
        ({"table": table_with(name=["a", "b", "", "c"])}, "empty name"),
        ({"table": table_with(label="hapiness")}, "did you mean happiness"),
    ],
)
def test_wrong_parts_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        FaceSet(**parts(**change))


def test_the_68_point_scheme():
    assert FaceSet(**parts(points=68), scheme="ibug68").landmarks.shape == (4, 68, 2)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, ["f1"]),
        (-1, ["f3"]),
        (slice(1, 3), ["f1", "f2"]),
        (slice(None, None, -1), ["f3", "f2", "f1", "f0"]),
        ([2, 0], ["f2", "f0"]),
        ([True, False, False, True], ["f0", "f3"]),
        (np.array([3]), ["f3"]),
        ([], []),
        ("f2", ["f2"]),
        (["f3", "f1"], ["f3", "f1"]),
        (np.array([False] * 4), []),
    ],
)
def test_indexing_keeps_rows_together(index, expected):
    whole = FaceSet(**parts(), failures=(Failure("x.jpg", "detect", "no face"),), notes=("said",))
    some = whole[index]
    assert some.names == expected
    assert some.table.index.tolist() == list(range(len(expected)))
    for i, name in enumerate(expected):
        j = whole.names.index(name)
        np.testing.assert_array_equal(some.images[i], whole.images[j])
        np.testing.assert_array_equal(some.landmarks[i], whole.landmarks[j])
        assert some.table["sha256"][i] == whole.table["sha256"][j]
    assert (some.failures, some.notes, some.scheme) == (whole.failures, whole.notes, whole.scheme)


def test_indexing_errors():
    faces = FaceSet(**parts())
    with pytest.raises(IndexError):
        faces[4]
    with pytest.raises(IndexError, match="mask of 2 values for 4 faces"):
        faces[[True, False]]
    with pytest.raises(UnknownNameError, match="no face 'f9'"):
        faces["f9"]


def test_iteration_gives_sets_of_one():
    assert [face.names for face in FaceSet(**parts())] == [["f0"], ["f1"], ["f2"], ["f3"]]


def test_select_by_column_value_values_and_mask():
    faces = FaceSet(**parts())
    assert faces.select(label="angry").names == ["f0", "f3"]
    assert faces.select(label="").names == ["f1"]
    assert faces.select(label=["happy", "anger"], light="a").names == ["f0", "f3"]
    assert faces.select([True, True, False, False], subject="s0").names == ["f0"]
    assert faces.select(subject="nobody").names == []
    with pytest.raises(UnknownNameError, match="did you mean light"):
        faces.select(lights="a")
    with pytest.raises(UnknownNameError, match="did you mean sadness"):
        faces.select(label="sadnes")


def test_repr_is_short_and_stable():
    faces = FaceSet(**parts(), failures=(Failure("x.jpg", "detect", "no face"),))
    assert repr(faces) == (
        "FaceSet(4 faces, 16×16, mediapipe478: 2 anger, 1 happiness, 1 unlabelled; 1 input without a face)"
    )
    assert repr(faces[[]]) == "FaceSet(0 faces, 16×16, mediapipe478; 1 input without a face)"
    assert repr(FaceSet(**parts())[1]) == "FaceSet(1 face, 16×16, mediapipe478: 1 unlabelled)"


def test_html_is_escaped_and_holds_no_picture():
    given = parts()
    given["table"].loc[0, "name"] = "<script>x"
    html = FaceSet(**given, failures=(Failure("<b>", "read", "a & b"),))._repr_html_()
    assert "&lt;script&gt;x" in html
    assert "a &amp; b" in html
    assert "<script" not in html
    assert "<img" not in html

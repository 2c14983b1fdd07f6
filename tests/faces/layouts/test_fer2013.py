"""FER2013's CSV: values, codes, parts, and what does not fit, by line."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import UnknownNameError, UsageError

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3


def pixels(values=GREY):
    return " ".join(map(str, np.asarray(values).ravel()))


def rows(*lines, header="emotion,pixels,Usage"):
    return "\n".join([header, *lines]) + "\n"


def test_pictures_labels_parts_and_names(write, load):
    file = write("mine.csv", rows(f"0,{pixels()},Training", f"3,{pixels(255 - GREY)},PublicTest"))
    faces = load(file, size=16)
    assert faces.names == ["Training-00002", "PublicTest-00003"]
    assert faces.table["label"].tolist() == ["anger", "happiness"]
    assert faces.table["usage"].tolist() == ["Training", "PublicTest"]
    assert faces.groups == ["usage"]
    assert faces.table.loc[1, "source"] == f"{file}, line 3"
    assert faces.attrs["layout"] == "fer2013"
    assert faces.notes[0] == "mine.csv was read as layout 'fer2013'; state layout='table' if it is not"


def test_every_code_and_the_grey_values(write, load):
    file = write("fer2013.csv", rows(*(f"{code},{pixels()},Training" for code in range(7))))
    faces = load(file.parent, size=16)
    assert faces.table["label"].tolist() == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    blocks = faces.images[0].reshape(8, 2, 8, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(blocks[1:-1, 1:-1, 0], GREY[1:-1, 1:-1], atol=2)
    assert (faces.images[..., 0] == faces.images[..., 2]).all()


def test_the_header_with_blanks_and_in_another_order(write, load):
    file = write("icml_face_data.csv", rows(f"5, PrivateTest,{pixels()}", header="emotion, Usage, pixels"))
    assert load(file, layout="fer2013").names == ["PrivateTest-00002"]


def test_one_part_alone(write, load):
    file = write("f.csv", rows(f"0,{pixels()},Training", f"1,{pixels()},PrivateTest"))
    assert load(file, layout="fer2013", usage="privatetest").table["label"].tolist() == ["disgust"]
    with pytest.raises(Exception, match="no row of usage 'Test'; there are PrivateTest, Training"):
        load(file, layout="fer2013", usage="Test")
    with pytest.raises(UnknownNameError, match="no option of layout 'fer2013' 'usge'; did you mean usage"):
        load(file, layout="fer2013", usge="Training")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"7,{pixels()},Training", r"line 3: the expression is 7; the layout knows 0 anger, 1 disgust"),
        (f"happy,{pixels()},Training", "line 3: the expression is 'happy', not a whole number"),
        (f"1,{pixels()} 4,Training", "line 3: 65 pixels make no square picture"),
        (f"1,{pixels(np.full(64, 256))},Training", "line 3: grey values from 256 to 256; 0 to 255 expected"),
        ("1,1 2 x,Training", "line 3: 'pixels' holds something else"),
        ("1,Training", "line 3: 2 cells under 3 columns"),
    ],
)
def test_what_does_not_fit_names_the_line(write, load, line, message):
    file = write("f.csv", rows(f"0,{pixels()},Training", line))
    with pytest.raises(UsageError, match=message) as caught:
        load(file, layout="fer2013")
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_another_csv_is_not_taken_for_it(write, load):
    with pytest.raises(UsageError, match="line 1: no column 'pixels'"):
        load(write("f.csv", "path,label\na.png,happy\n"), layout="fer2013")
    with pytest.raises(UsageError, match="no column 'path'"):
        load(write("g.csv", "file,label\na.png,happy\n"))
    with pytest.raises(UsageError, match=r"no fer2013\.csv or icml_face_data\.csv in it"):
        load(write("folder/readme.txt", "x").parent, layout="fer2013")

"""JAFFE and KDEF: everything is in the file names."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError, WorkbenchError


def test_jaffe(draw, load, tmp_path):
    codes = {"AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness"}
    for number, code in enumerate([*codes, "SU"], start=39):
        draw(f"jaffe/KA.{code}1.{number}.tiff", shade=100 + number)
    draw("jaffe/YM.HA2.7.tiff")
    faces = load(tmp_path / "jaffe")
    assert faces.table["label"].tolist() == [*codes.values(), "surprise", "happiness"]
    assert faces.table["subject"].tolist() == ["KA"] * 7 + ["YM"]
    assert faces.table["take"].tolist() == ["1"] * 7 + ["2"]
    assert faces.notes[0] == "jaffe was read as layout 'jaffe'; state layout='class-folders' if it is not"
    assert set(load(tmp_path / "jaffe", layout="class-folders").table["label"]) == {""}


def test_kdef(draw, load, tmp_path):
    codes = {"AF": "fear", "AN": "anger", "DI": "disgust", "HA": "happiness", "NE": "neutral", "SA": "sadness"}
    for code in [*codes, "SU"]:
        draw(f"AF01/AF01{code}S.JPG")
    for name in ("AF01ANHL", "BF01ANFR", "BM12HAS"):
        draw(f"{name[:4]}/{name}.JPG")
    draw("AF31/AF31V.JPG")
    faces = load(tmp_path, layout="kdef")
    table = faces.table.set_index("name")
    assert [table.loc[f"AF01/AF01{code}S.JPG", "label"] for code in [*codes, "SU"]] == [*codes.values(), "surprise"]
    columns = ["label", "subject", "session", "sex", "view"]
    assert table.loc["BM12/BM12HAS.JPG", columns].tolist() == ["happiness", "M12", "B", "male", "straight"]
    assert table.loc["BF01/BF01ANFR.JPG", columns].tolist() == ["anger", "F01", "B", "female", "full right"]
    assert table.loc["AF01/AF01ANHL.JPG", "view"] == "half left"
    assert faces.groups == ["session", "sex", "view"]
    assert faces.notes[0] == "1 left out (first: AF31V.JPG): no name as AF01ANS.JPG"
    assert load(tmp_path, layout="kdef", view="full right").names == ["BF01/BF01ANFR.JPG"]


def test_names_of_which_some_do_not_fit_are_not_recognised(draw, load, tmp_path):
    draw("happy/AF01HAS.JPG")
    draw("happy/holiday.jpg")
    faces = load(tmp_path)
    assert faces.table["label"].tolist() == ["happiness", "happiness"]
    assert "subject" in faces.table
    assert set(faces.table["subject"]) == {""}


def test_a_folder_without_such_names(draw, load, tmp_path):
    draw("holiday.jpg")
    with pytest.raises(WorkbenchError, match=r"nothing of layout 'jaffe' in it \(1 left out \(first: holiday.jpg\)"):
        load(tmp_path, layout="jaffe")
    with pytest.raises(UsageError, match="view is 'front'; take 'straight'"):
        load(tmp_path, layout="kdef", view="front")
    with pytest.raises(UsageError, match="name the folder"):
        load(tmp_path / "holiday.jpg", layout="kdef")

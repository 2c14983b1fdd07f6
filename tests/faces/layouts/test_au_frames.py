"""DISFA and BP4D: codes by frame, unknown values, frames without codes, videos that are not extracted."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import UsageError, WorkbenchError
from workbench.faces import coded_aus


@pytest.fixture
def disfa(draw, write, tmp_path):
    write("ActionUnit_Labels/SN001/SN001_au12.txt", "1,0\n2,3\n3,5\n")
    write("ActionUnit_Labels/SN001/SN001_au4.txt", "1,1\n2,0\n3,0\n")
    for frame in range(1, 5):
        draw(f"Images/LeftVideoSN001_comp/{frame:05d}.png")
    return tmp_path


def test_disfa(disfa, load):
    faces = load(disfa)
    assert faces.names == [f"Images/LeftVideoSN001_comp/{frame:05d}.png" for frame in (1, 2, 3)]
    assert coded_aus(faces)["au"].values.tolist() == ["AU4", "AU12"]
    np.testing.assert_array_equal(coded_aus(faces), [[1, 0], [0, 1], [0, 1]])
    np.testing.assert_array_equal(coded_aus(faces, intensity=True), [[1, 0], [0, 3], [0, 5]])
    assert set(faces.table["subject"]) == {"SN001"}
    assert faces.groups == ["video", "frame"]
    assert faces.table["frame"].tolist() == [1, 2, 3]
    assert any("1 left out (first: Images/LeftVideoSN001_comp/00004.png): a frame without" in n for n in faces.notes)
    assert load(disfa, layout="disfa", every=2).table["frame"].tolist() == [1, 3]


def test_disfa_frames_that_count_from_zero(disfa, load, draw):
    draw("Images/LeftVideoSN001_comp/00000.png")
    with pytest.raises(UsageError, match="its frames count from 0 and the tables from 1; state first=0"):
        load(disfa)
    faces = load(disfa, layout="disfa", first=0)
    assert faces.table["source"].str[-9:-4].tolist() == ["00000", "00001", "00002"]
    assert faces.table["frame"].tolist() == [1, 2, 3]


def test_disfa_without_extracted_frames(write, load, tmp_path):
    write("ActionUnit_Labels/SN001/SN001_au12.txt", "1,0\n")
    write("Videos_LeftCamera/LeftVideoSN001_comp.avi", "x")
    with pytest.raises(WorkbenchError, match=r"no frames as pictures .*LeftVideoSN001_comp\.avi is a video.*ffmpeg"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0\n2,6\n", "line 2: intensity 6; expected 0 to 5"),
        ("1,0\n2\n", "line 2: '2'; expected frame,intensity"),
        ("1,0\nx,1\n", "line 2: the frame is 'x', not a whole number"),
    ],
)
def test_disfa_lines_that_do_not_fit(disfa, load, write, text, message):
    file = write("ActionUnit_Labels/SN001/SN001_au12.txt", text)
    with pytest.raises(UsageError, match=message) as caught:
        load(disfa)
    assert str(caught.value).startswith(str(file))


@pytest.fixture
def bp4d(draw, write, tmp_path):
    write("AUCoding/AU_OCC/F001_T1.csv", "0,1,2,12\n7,0,1,9\n8,1,0,1\n")
    write("AUCoding/AU_OCC/M002_T8.csv", "Frame,AU01,AU02,AU12\n3,0,0,1\n")
    write("AUCoding/AU_INT/AU12/F001_T1_AU12.csv", "7,9\n8,4\n")
    for name in ("F001/T1/0007", "F001/T1/0008", "F001/T1/0009", "M002/T8/03"):
        draw(f"2D+3D/{name}.jpg")
    return tmp_path


def test_bp4d(bp4d, load):
    faces = load(bp4d)
    assert faces.names == ["2D+3D/F001/T1/0007.jpg", "2D+3D/F001/T1/0008.jpg", "2D+3D/M002/T8/03.jpg"]
    assert coded_aus(faces)["au"].values.tolist() == ["AU1", "AU2", "AU12"]
    np.testing.assert_array_equal(coded_aus(faces), [[0, 1, np.nan], [1, 0, 1], [0, 0, 1]])
    np.testing.assert_array_equal(coded_aus(faces, intensity=True).sel(au="AU12"), [np.nan, 4, np.nan])
    assert faces.table["subject"].tolist() == ["F001", "F001", "M002"]
    assert faces.table["sex"].tolist() == ["female", "female", "male"]
    assert faces.table["task"].tolist() == ["T1", "T1", "T8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7,0,1,9\n8,1,0,1\n", "line 1: '7,0,1,9' does not name the action units"),
        ("0,1,2,12\n7,0,1\n", "line 2: 3 cells under 4 columns"),
        ("0,1,2,12\n7,0,1,5\n", "line 2: AU12 is 5; expected 0, 1 or 9"),
    ],
)
def test_bp4d_tables_that_do_not_fit(bp4d, load, write, text, message):
    file = write("AUCoding/AU_OCC/F001_T1.csv", text)
    with pytest.raises(UsageError, match=message) as caught:
        load(bp4d)
    assert str(caught.value).startswith(str(file))


def test_no_tables(draw, load, tmp_path):
    draw("F001/T1/1.jpg")
    with pytest.raises(WorkbenchError, match=r"no table of action units \(named like F001_T1.csv\)"):
        load(tmp_path, layout="bp4d")

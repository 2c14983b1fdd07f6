"""Action units: estimated from blendshapes by a table, and annotated by coders."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from skimage import data

from workbench.errors import UsageError
from workbench.faces import BLENDSHAPES, FaceSet, au_estimates, coded_aus, load_faces, save_faces
from workbench.faces.blendshapes import blendshape_row, pairings
from workbench.faces.columns import au_column, is_group
from workbench.faces.detector import Detection, MediapipeDetector
from workbench.faces.faceset import crop_sha256

UNIT = np.random.default_rng(3).random((68, 2))


def faces_with(scores=None, **columns):
    """Faces with blendshape scores by name, one dict a face."""
    n = len(scores) if scores is not None else len(next(iter(columns.values())))
    images = np.zeros((n, 16, 16, 3), np.uint8)
    table = pd.DataFrame(
        {"name": [f"f{i}" for i in range(n)], "label": "", "subject": "", "source": "x"}
        | {"sha256": [crop_sha256(image) for image in images]}
        | columns
    )
    rows = None if scores is None else np.stack([blendshape_row(dict.fromkeys(BLENDSHAPES, 0.0) | s) for s in scores])
    return FaceSet(images, np.zeros((n, 478, 2)), table, blendshapes=rows)


def test_the_table_names_blendshapes_and_sides_as_arkit_does():
    assert len(set(BLENDSHAPES)) == 52
    for pair in pairings():
        assert pair.blendshape in BLENDSHAPES
        named = next((side for side in ("left", "right") if pair.blendshape.lower().endswith(side)), "both")
        assert pair.side == ("both" if pair.au == 30 else named)  # the jaw goes to a side, it has none
    assert {5, 6, 9, 34} <= {pair.au for pair in pairings()}


def test_the_larger_side_counts_and_sides_are_the_subjects():
    faces = faces_with([{"mouthSmileLeft": 0.8, "mouthSmileRight": 0.1, "browInnerUp": 0.4}, {"mouthSmileRight": 0.3}])
    both = au_estimates(faces)
    np.testing.assert_allclose(both.sel(au="AU12"), [0.8, 0.3])
    np.testing.assert_allclose(both.sel(au="AU1"), [0.4, 0.0])
    np.testing.assert_allclose(au_estimates(faces, "left").sel(au="AU12"), [0.8, 0.0], atol=1e-7)
    np.testing.assert_allclose(au_estimates(faces, "right").sel(au="AU12"), [0.1, 0.3])
    assert "AU1" not in au_estimates(faces, "left")["au"]
    assert both["blendshape"].sel(au="AU12") == "mouthSmileLeft + mouthSmileRight"
    assert both.attrs["caveat"].endswith("not FACS coding")


def test_a_unit_that_never_moves_is_not_measurable_and_never_absent():
    faces = faces_with([{"noseSneerLeft": 0.05, "eyeWideLeft": 0.06}, {"noseSneerRight": 0.01}])
    found = au_estimates(faces)
    assert found["status"].sel(au="AU9") == "not measurable"
    assert found.sel(au="AU9").isnull().all()
    assert found["largest"].sel(au="AU9") == pytest.approx(0.05)
    assert found["status"].sel(au="AU5") == "measured"
    np.testing.assert_allclose(found.sel(au="AU5"), [0.06, 0.0])
    assert au_estimates(faces[[1]])["status"].sel(au="AU5") == "not measurable"  # a property of the study


def test_a_face_without_scores_is_nan_beside_others():
    faces = faces_with([{"jawOpen": 0.7}, {}])
    faces = FaceSet(faces.images, faces.landmarks, faces.table, blendshapes=[faces.blendshapes[0], [np.nan] * 52])
    found = au_estimates(faces)
    np.testing.assert_allclose(found.sel(au="AU26"), [0.7, np.nan])
    assert found.sel(au="AU27").equals(found.sel(au="AU26").assign_coords(au="AU27"))


def test_faces_without_blendshapes_and_senseless_ones():
    with pytest.raises(UsageError, match="carry no blendshapes"):
        au_estimates(faces_with(light=["a"]))
    with pytest.raises(UsageError, match="side is 'L'; take 'both', 'left' or 'right'"):
        au_estimates(faces_with([{}]), "L")
    with pytest.raises(UsageError, match=r"blendshapes must be \(1, 52\)"):
        FaceSet(np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 478, 2)), faces_with([{}]).table, blendshapes=[[0.0]])


def test_scores_go_through_loading_selecting_and_saving(tmp_path):
    class Scoring:
        scheme = "ibug68"

        def detect(self, rgb):
            return [Detection(UNIT * 40 + 10, {"jawOpen": float(rgb[0, 0, 0]) / 100})]

    pictures = [(f"p{v}", np.full((60, 60, 3), v, np.uint8)) for v in (10, 70)]
    faces = load_faces(pictures, detector=Scoring(), size=16, progress=False)
    assert faces.blendshapes[:, BLENDSHAPES.index("jawOpen")].tolist() == pytest.approx([0.1, 0.7])
    assert au_estimates(faces["p70"]).sel(au="AU26").item() == pytest.approx(0.7)
    again = load_faces(save_faces(faces, tmp_path / "s"))
    np.testing.assert_array_equal(again.blendshapes, faces.blendshapes)
    pd.testing.assert_frame_equal(again.table, faces.table, check_dtype=False)


def test_coded_units_by_name_with_gaps(tmp_path):
    faces = faces_with(
        au_12=[1, 0, np.nan], AU4_r=[2.5, 0, 3], au_6_left=[1, 1, 0], au_1_intensity=["3", "", "0"], age=[1, 2, 3]
    )
    assert faces.groups == ["age"]
    present = coded_aus(faces)
    assert present["au"].values.tolist() == ["AU1", "AU4", "AU12"]
    np.testing.assert_array_equal(present, [[1, 1, 1], [np.nan, 0, 0], [0, 1, np.nan]])
    np.testing.assert_array_equal(coded_aus(faces, intensity=True), [[3, 2.5], [np.nan, 0], [0, 3]])
    np.testing.assert_array_equal(coded_aus(faces, side="left"), [[1], [1], [0]])
    again = load_faces(save_faces(faces, tmp_path / "s"))
    np.testing.assert_array_equal(coded_aus(again), present)
    with pytest.raises(UsageError, match="no annotated action units; name the columns like au_12_right"):
        coded_aus(faces, side="right")


def test_a_code_that_is_no_number_names_its_row():
    with pytest.raises(UsageError, match="row 2: 'au_12' is 'B', not a number; write 0 and 1"):
        coded_aus(faces_with(au_12=["1", "B"]))


@pytest.mark.parametrize(
    ("column", "group"),
    [
        ("au_12", False),
        ("AU06_c", False),
        ("valence", False),
        ("yaw", False),
        ("autumn", True),
        ("au", True),
        ("au_12_x", True),
    ],
)
def test_which_columns_are_groups(column, group):
    assert is_group(column) is group


def test_what_a_column_says():
    assert (au_column("AU06_r").number, au_column("AU06_r").intensity) == (6, True)
    assert (au_column("au_12_left").side, au_column("au_12_left_intensity").intensity) == ("left", True)


@pytest.mark.assets
def test_the_names_are_mediapipes_in_its_order():
    with MediapipeDetector(progress=False) as detector:
        assert tuple(detector.detect(data.astronaut())[0].blendshapes) == BLENDSHAPES


@pytest.mark.assets
def test_the_astronaut_smiles():
    found = au_estimates(load_faces([("astronaut", data.astronaut())], progress=False))
    assert found.sel(au="AU12").item() > 0.8
    assert found["status"].sel(au=["AU6", "AU9", "AU34"]).values.tolist() == ["not measurable"] * 3

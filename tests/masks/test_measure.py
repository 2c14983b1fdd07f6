"""Equivariance of every set, measured on outlines; what is exempt, with its measured values."""

import numpy as np
import pandas as pd
import pytest

from workbench.masks import MASKS, MaskSet, load_masks
from workbench.masks.measure import distinctness, equivariance, extent

FINE = 448  # the table in docs/masks.md has 896
EXEMPT = "belharbi-au-published"


CASES = [
    (name, scheme)
    for name in MASKS.names()
    for scheme in ("mediapipe478", "ibug68")
    if name != EXEMPT and scheme in (MASKS[name].value.table["landmarks"], "ibug68")  # a mesh gives its 68 points
]


@pytest.mark.parametrize(("name", "scheme"), CASES)
def test_masks_follow_mirroring_size_and_roll_of_a_face(name, scheme):
    found = equivariance(MASKS[name].value, scheme=scheme, fine=FINE)
    assert (found[["mirror", "scale", "roll"]] >= 0.98).all(axis=None), found.min()
    assert (found["symmetry"] > 0.97).all()


def test_the_published_ellipses_are_what_their_rules_make_them():
    found = equivariance(MASKS[EXEMPT].value, fine=FINE)
    lopsided = {name for name, value in found["symmetry"].items() if value < 0.75}
    assert lopsided == {"AU10", "AU17", "AU20"}
    in_pixels = ["AU9", "AU10", "AU12", "AU14", "AU15", "AU16", "AU20"]  # 20 pixels at 112 and at 448
    assert found["scale"][in_pixels].max() < 0.12
    assert found["scale"][["AU1", "AU2", "AU6"]].min() > 0.9  # shares of the picture
    assert found["roll"][["AU12", "AU15"]].min() > 0.95  # circles round a landmark
    assert found["roll"][["AU4", "AU5", "AU23"]].max() < 0.8  # boxes along the picture's axes


def test_a_shape_that_does_not_turn_with_the_face_is_found(tmp_path):
    text = (
        'summary = "s"\ncitation = "c"\nlicence = "l"\nauthority = "a"\ndimension = "region"\n{axes}'
        "[[masks.box]]\nellipse = 4\nradii = [0.4, 0.1]\n[[masks.disk]]\nellipse = 4\nradii = [0.1, 0.1]\n"
        "[[masks.right_spot]]\nline = [50]\ngrow = 0.1\n[[masks.left_spot]]\nline = [50]\ngrow = 0.1\n"
    )
    from workbench.masks.definition import read_definition

    path = tmp_path / "maskset.toml"
    path.write_text(text.format(axes=""))
    found = equivariance(read_definition(path), fine=FINE)
    assert found["roll"].min() > 0.98
    assert found["mirror"].to_dict() == {"box": 1, "disk": 1, "right_spot": 0, "left_spot": 0}
    path.write_text(text.format(axes='axes = "picture"\n'))
    found = equivariance(read_definition(path), fine=FINE)
    assert found["roll"]["box"] < 0.7
    assert found["roll"]["disk"] > 0.98


def test_nearest_entries_and_areas(toy):
    found = distinctness(toy)
    assert found.loc["AU23"].to_dict() == {"nearest": "AU12", "iou": 0.25}  # AU24 is of its class
    assert found["iou"].to_dict() == {"AU12": 0.25, "AU23": 0.25, "AU24": 0.25}
    masks = load_masks("facs-au", frame="published")
    assert isinstance(extent(masks), pd.DataFrame)
    assert extent(load_masks("facs-au"))["area"].to_dict() == pytest.approx(load_masks("facs-au").areas)


@pytest.fixture
def toy():
    import json

    import xarray as xr

    maps = np.zeros((3, 2, 5), np.float32)
    maps[0, 0] = 1  # 5 places
    maps[1:, :, 4:] = 1  # 2 places, one of them shared with AU12 …
    maps[1:, 1, 4:] = 0  # … which leaves the shared one,
    maps[1:, 1, 0] = 0.4  # and one that is no foreground
    maps[0, 0, :1] = 0
    stack = xr.DataArray(maps, dims=("au", "y", "x"), coords={"au": ["AU12", "AU23", "AU24"]})
    place = xr.DataArray(np.ones((2, 5), bool), dims=("y", "x"))
    return MaskSet("toy", stack, "image", place, {"indistinguishable": json.dumps([["AU23", "AU24"]])})

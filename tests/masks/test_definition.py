"""A newcomer's own maskset.toml, and the errors it can raise."""

import numpy as np
import pytest
import xarray as xr

from workbench.canonical import load_frame
from workbench.errors import UnknownNameError, UnreadableFileError, UsageError
from workbench.masks import MASKS, MaskSet, add_masks, load_masks

OWN = """\
summary = "Eyes and mouth."
citation = "nobody"
licence = "CC0-1.0"
authority = "me"
dimension = "region"
symmetric = true
[points]
cheek = { between = [50, 205] }
[[masks.eyes]]
hull = [33, 159, 133, 145]
grow = 0.08
[[masks.mouth]]
polygon = [61, 0, 291, 17]
[[masks.cheeks]]
line = ["cheek"]
grow = 0.1
"""


def own(folder, text=OWN):
    (folder / "maskset.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_set_in_under_twenty_lines(tmp_path):
    assert len(OWN.splitlines()) < 20
    folder = tmp_path / "parts"
    folder.mkdir()
    masks = load_masks(own(folder))
    assert (masks.name, masks.dimension, masks.frame) == ("parts", "region", "mediapipe478")
    assert masks.names == ["eyes", "mouth", "cheeks"]
    points = load_frame().points
    unit = np.linalg.norm(points[33] - points[263])
    assert masks.maps.sel(region="cheeks").values.sum() == pytest.approx(2 * np.pi * (0.1 * unit) ** 2, rel=0.02)
    assert load_masks(folder / "maskset.toml").maps.equals(masks.maps)


def test_a_set_can_be_registered(tmp_path):
    assert add_masks(own(tmp_path, 'name = "mine"\n' + OWN)) == "mine"
    try:
        assert load_masks("mine").names == ["eyes", "mouth", "cheeks"]
        with pytest.raises(UsageError, match="registered already"):
            add_masks(tmp_path)
    finally:
        MASKS.remove("mine")
    with pytest.raises(UnknownNameError):
        load_masks("mine")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('authority = "me"', "", "authority is missing"),
        ('"region"', '"emotion"', "dimension is 'emotion'"),
        ('"region"', '"au"', "entry 'eyes': 'eyes' is no action unit"),
        ('"region"', '"expression"', "entry 'eyes': 'eyes' is no expression"),
        ("symmetric = true", 'colour = "red"', "unknown key 'colour'"),
        ("symmetric = true", 'symmetric = "yes"', "symmetric = 'yes' is no bool"),
        ("symmetric = true", 'frames = ["published"]', "frame 'published' cannot be drawn from mediapipe478"),
        ("symmetric = true", 'landmarks = "wflw"', "landmarks is 'wflw'"),
        ("symmetric = true", 'indistinguishable = [["eyes", "ears"]]', "indistinguishable names 'ears'"),
        ("[61, 0, 291, 17]", "[61, 0, 291, 1700]", "entry 'mouth': there is no point '1700'"),
        ("[61, 0, 291, 17]", "[61, 0]", "entry 'mouth': polygon"),
        ("polygon = [61, 0, 291, 17]", "circle = [1]", "entry 'mouth': a shape has one of"),
        ("polygon = [61, 0, 291, 17]", 'same_as = "lips"', "entry 'mouth': same_as = 'lips'"),
        ("polygon = [61, 0, 291, 17]", 'triangles = "1-2"', "'1-2' is no triangle"),
        ("grow = 0.08", "grow = 14", "entry 'eyes': grow is 14"),
        ("grow = 0.1", "", "entry 'cheeks': a line needs grow"),
        ("between = [50, 205]", "middle = 3", "point 'cheek'"),
        ("between = [50, 205]", 'x = 50, y = "rim"', "point 'cheek' needs .rim. mediapipe478"),
    ],
)
def test_errors_name_the_file_and_the_entry(tmp_path, old, new, match):
    assert old in OWN
    with pytest.raises(UsageError, match=match) as caught:
        load_masks(own(tmp_path, OWN.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert "maskset.toml" in str(caught.value)


def test_a_file_that_is_no_toml(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"maskset\.toml"):
        load_masks(own(tmp_path, "summary = "))


def mask_set(values, names=("anger",), dims=("expression", "y", "x"), domain=None, frame="image"):
    maps = xr.DataArray(np.asarray(values), dims=dims, coords={dims[0]: list(names)})
    place = np.ones(maps.shape[1:], dtype=bool) if domain is None else domain
    return MaskSet("own", maps, frame, xr.DataArray(place, dims=dims[1:]))


def test_construction_checks_everything_once():
    good = np.zeros((1, 4, 4), dtype=np.float32)
    good[0, 1, 1] = 1
    assert mask_set(good).areas == {"anger": 1 / 16}
    half = np.zeros((4, 4), dtype=bool)
    with pytest.raises(UsageError, match="'own': the mask 'anger' is empty"):
        mask_set(good * 0)
    with pytest.raises(UsageError, match=r"outside \[0, 1\]"):
        mask_set(good * 2)
    with pytest.raises(UsageError, match=r"outside \[0, 1\]"):
        mask_set(good * np.float32(np.nan))
    with pytest.raises(UsageError, match="float64"):
        mask_set(good.astype(float))
    with pytest.raises(UsageError, match="outside the domain"):
        mask_set(good, domain=half)
    with pytest.raises(UsageError, match="given twice"):
        mask_set(good.repeat(2, 0), names=("anger", "anger"))
    with pytest.raises(UsageError, match="'rage' is no expression"):
        mask_set(good, names=("rage",))
    with pytest.raises(UsageError, match="is no action unit"):
        mask_set(good, names=("AU012",), dims=("au", "y", "x"))
    with pytest.raises(UsageError, match="dimensions"):
        mask_set(good, dims=("method", "y", "x"))
    with pytest.raises(UsageError, match="frame 'published'"):
        mask_set(good, frame="published")

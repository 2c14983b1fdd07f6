"""A newcomer's own maskset.toml, and the errors it can raise."""

import numpy as np
import pytest
import xarray as xr

from workbench.canonical import convert, load_frame
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
        ("symmetric = true", 'frames = ["canvas"]', "there is no frame 'canvas'"),
        ("symmetric = true", 'symmetric = true\ndrawn_on = "published"', "cannot mirror"),
        ("symmetric = true", 'axes = "eyes"', "axes is 'eyes'"),
        ("symmetric = true", 'soft = { rule = "fade" }', "soft = .'rule': 'fade'. is no rule"),
        ("symmetric = true", "lengths = { a = { miles = 3 } }", "length 'a': .'miles': 3. is no length"),
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
        ("between = [50, 205]", "between = [50]", "point 'cheek': .50. is no pair"),
        ("between = [50, 205]", 'at = 50, shift = [0, "long"]', "point 'cheek': there is no length 'long'"),
        ("polygon = [61, 0, 291, 17]", "ellipse = 13", r"entry 'mouth': ellipse needs radii = \[across, down\]"),
        ("polygon = [61, 0, 291, 17]", "ellipse = [1]\nradii = [1, 1]", "entry 'mouth': ellipse = .1. is no point"),
        ("polygon = [61, 0, 291, 17]", "square = 13\nhalf = true", "entry 'mouth': True is no length"),
        ("polygon = [61, 0, 291, 17]", 'mirror_of = "lips"', "entry 'mouth': mirror_of = 'lips'"),
    ],
)
def test_errors_name_the_file_and_the_entry(tmp_path, old, new, match):
    assert old in OWN
    with pytest.raises(UsageError, match=match) as caught:
        load_masks(own(tmp_path, OWN.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert "maskset.toml" in str(caught.value)


def test_errors_name_the_line_of_the_shape(tmp_path):
    text = OWN + "[[masks.eyes]]\nhull = [386, 3740]\n"
    line = text.splitlines().index("hull = [386, 3740]")  # of its [[masks.eyes]], counted from 1
    with pytest.raises(UsageError, match=rf"maskset\.toml, line {line}: entry 'eyes': there is no point '3740'"):
        load_masks(own(tmp_path, text))
    with pytest.raises(UsageError, match=rf"line {line}: entry 'eyes': a line needs grow"):
        load_masks(own(tmp_path, text.replace("hull = [386, 3740]", "line = [386]")))


def drawn(folder, shape, head="", frame="mediapipe478"):
    text = OWN[: OWN.index("symmetric")] + head + shape
    return load_masks(own(folder, text), frame=frame)


def test_ellipses_and_squares_have_their_places_and_areas(tmp_path):
    lengths = "[lengths]\nwide = { distance = [33, 263], times = 0.25 }\n"
    points = '[points]\nabove = { at = 4, shift = [0.1, { of = "wide", times = -1, pixels = 2 }] }\n'
    masks = drawn(
        tmp_path,
        '[[masks.round]]\nellipse = 4\nradii = ["wide", 0.1]\n[[masks.box]]\nsquare = "above"\nhalf = "wide"\n',
        lengths + points,
    )
    tip, unit = load_frame().points[4], np.linalg.norm(load_frame().points[33] - load_frame().points[263])
    circle, box = masks.maps.values
    assert circle.sum() == pytest.approx(np.pi * 0.25 * 0.1 * unit**2, rel=0.02)
    assert box.sum() == pytest.approx((0.5 * unit) ** 2, rel=0.04)
    for mask, centre in ((circle, tip), (box, tip + np.array([0.1 * unit, 2 - 0.25 * unit]))):
        assert np.argwhere(mask).mean(axis=0)[::-1] == pytest.approx(centre, abs=0.6)


def test_lengths_in_shares_and_pixels_mean_the_picture(tmp_path):
    shape = "[[masks.round]]\nellipse = 30\nradii = [{ width = 0.125 }, { pixels = 20 }]\n"
    for frame, (height, width) in (("published", (275, 224)), ("mediapipe478", (256, 224))):
        masks = drawn(tmp_path, shape, 'landmarks = "ibug68"\n', frame)
        assert masks.maps.shape[1:] == (height, width)
        assert masks.maps.values.sum() == pytest.approx(np.pi * width / 8 * 20, rel=0.02)


def test_a_mirror_image_and_both_sides(tmp_path):
    masks = drawn(
        tmp_path,
        '[[masks.right]]\npolygon = [61, 50, 4]\n[[masks.left]]\nmirror_of = "right"\n'
        "[[masks.all]]\npolygon = [61, 50, 4]\nboth = true\n",
    )
    right, left, both = masks.maps.values
    assert np.array_equal(left, right[:, ::-1])
    assert np.array_equal(both, np.maximum(left, right))


def test_places_in_pixels_of_a_frame_are_carried_to_the_others(tmp_path):
    nose = load_frame().points[4].round(3).tolist()
    corner = load_frame("published").points[48].tolist()
    for point, head, number in ((nose, "", 30), (corner, 'drawn_on = "published"\nlandmarks = "ibug68"\n', 48)):
        shape = f"[[masks.spot]]\nline = [{point}]\ngrow = 0.05\n"
        for frame in ("mediapipe478", "published", "ibug68"):
            face = load_frame(frame)
            own_points = face.points if face.scheme == "ibug68" else convert(face.points, face.scheme, "ibug68")
            mask = drawn(tmp_path, shape, head, frame).maps.values[0]
            assert np.argwhere(mask).mean(axis=0)[::-1] == pytest.approx(own_points[number], abs=0.6)


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

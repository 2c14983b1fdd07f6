"""The gallery: every explainer has its tile, on its own scale, at its place on the face; refusals say why."""

from __future__ import annotations

import io
import json
from types import ModuleType

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from workbench.errors import UnknownNameError, UsageError
from workbench.explainers import EXPLAINERS
from workbench.figures import explainer_gallery, theme
from workbench.figures.explainer_gallery import group_of, signed_blend

NATIVE = {  # values on a 4 × 4 grid: (row, column) → value
    "grad_cam": {(0, 3): 2.0, (3, 0): -4.0},
    "rise": {(1, 1): 0.9},
    "saliency": {(2, 2): 5.0},
    "random": {(0, 0): 1.0},
}


def native(faces: object, reason: str = "the network has no attention between places; take grad_cam") -> dict:
    maps = {}
    for name, places in NATIVE.items():
        values = np.full((len(faces), 4, 4), 0.3 if name == "rise" else 0.0, np.float32)
        for place, value in places.items():
            values[(0, *place)] = value
        status = ["ok"] + ["constant"] * (len(faces) - 1)
        layer = "layer4" if name == "grad_cam" else ""
        maps["net", name] = array(values, faces, status, layer=layer, reason="")
    empty = np.full((len(faces), 1, 1), np.nan, np.float32)
    maps["net", "attention_rollout"] = array(empty, faces, ["not computed"] * len(faces), layer="", reason=reason)
    return maps


def array(values: np.ndarray, faces: object, status: list[str], **attrs: str) -> xr.DataArray:
    coords = {"image": faces.names, "status": ("image", status)}
    return xr.DataArray(values, coords, ("image", "y", "x"), attrs=attrs)


@pytest.fixture(scope="module")
def faces(drawn: ModuleType) -> object:
    return drawn.faces(2)


def said(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def tiles(figure: Figure) -> dict[str, np.ndarray]:
    found = [image for image in figure.axes[0].images if str(image.get_gid()).startswith("tile-")]
    return {str(image.get_gid()): np.asarray(image.get_array()).astype(int) for image in found}


def colour_of(picture: np.ndarray, row: int, column: int) -> np.ndarray:
    """Mean colour beyond grey around the middle of one of 4 × 4 cells."""
    side = picture.shape[0] // 4
    patch = picture[row * side + side // 3 : (row + 1) * side - side // 3]
    patch = patch[:, column * side + side // 3 : (column + 1) * side - side // 3]
    mean = patch.reshape(-1, 3).mean(0)
    return mean - mean.mean()


def test_every_explainer_has_its_name_and_families_come_in_order(faces: object) -> None:
    figure = explainer_gallery(native(faces), faces)
    words = said(figure)
    for name in NATIVE:
        assert theme.readable(name) in words
    assert {"attention", "rollout"} <= set(words)  # two lines
    groups = [text.get_text() for text in figure.axes[0].texts if text.get_fontsize() == theme.SIZE]
    assert groups == ["class\nactivation", "attention", "gradient", "perturbation", "controls"]
    assert "layer4" in words


def test_every_registered_explainer_has_a_group_and_its_name_fits_two_lines() -> None:
    for entry in EXPLAINERS:
        assert group_of(entry.name) in ("cam", "attention", "gradient", "perturbation", "control")
        assert (group_of(entry.name) == "control") == (entry.value.role == "control")
    assert group_of("attention_rollout") == "attention"
    assert group_of("layer_attention") == "cam"
    assert group_of("smooth(attention_rollout)") == "attention"
    assert group_of("nobody") == ""
    assert group_of("grad_cam@random_weights") == "control"


def test_signed_maps_are_red_for_and_blue_against_scaled_by_their_largest_absolute_value(faces: object) -> None:
    pictures = tiles(explainer_gallery(native(faces), faces))
    signed = pictures["tile-0-1"]  # after the photograph
    red, _, blue = colour_of(signed, 0, 3)
    assert red > blue + 20  # +2 of 4
    red, _, blue = colour_of(signed, 3, 0)
    assert blue > red + 40  # −4 of 4
    assert np.abs(colour_of(signed, 1, 1)).max() < 1  # 0 is clear
    assert len(pictures) == 1 + len(NATIVE)


def test_unsigned_maps_start_at_their_lowest_value(faces: object) -> None:
    pictures = tiles(explainer_gallery(native(faces), faces, explainers=["rise"]))
    rise = pictures["tile-0-1"]
    assert np.abs(colour_of(rise, 3, 3)).max() < 1  # .3 everywhere else shows the face
    assert np.abs(colour_of(rise, 1, 1)).max() > 30


def test_signed_blend_by_hand() -> None:
    face = np.full((1, 4, 3), 100, np.uint8)
    out = signed_blend(face, np.array([[-1.0, 0.0, 1.0, np.nan]]), opacity=1.0)
    np.testing.assert_allclose(out[0, 0], np.array([0.2298, 0.2987, 0.7537]) * 255, atol=1)  # coolwarm's lower end
    np.testing.assert_allclose(out[0, 2], np.array([0.7057, 0.0156, 0.1502]) * 255, atol=1)  # its upper end
    np.testing.assert_array_equal(out[0, [1, 3]], 100)


def test_a_single_strong_pixel_does_not_hide_the_rest(faces: object) -> None:
    values = np.zeros((2, 256, 256), np.float32)
    values[0, 40:120, 40:120] = 1
    values[0, 200, 200] = 10
    maps = {("net", "saliency"): array(values, faces, ["ok", "ok"], layer="", reason="")}
    picture = tiles(explainer_gallery(maps, faces))["tile-0-1"]
    side = picture.shape[0]
    middle = picture[side * 80 // 256, side * 80 // 256].astype(float)
    # averaged over 4 × 4 pixels the spike is .6: the square is at the end of the map, (.987, .991, .750) at .8
    assert middle[0] - middle[2] == pytest.approx(0.8 * 255 * (0.987 - 0.750), abs=2)


def test_a_refusal_is_an_empty_tile_with_the_reason_without_the_advice(faces: object) -> None:
    words = [" ".join(text.split()) for text in said(explainer_gallery(native(faces), faces))]
    assert "the network has no attention between places" in words
    assert not any("take grad_cam" in text for text in words)
    long = " ".join(["word"] * 80)
    figure = explainer_gallery(native(faces, long), faces)
    (reason,) = [text for text in figure.axes[0].texts if "word" in text.get_text()]
    assert reason.get_text().endswith("…")
    box = reason.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    assert box.width <= 104
    assert box.height <= 104
    other = explainer_gallery(native(faces), faces, faces.names[1])
    assert said(other).count("constant") == len(NATIVE)


def test_both_scales_are_shown_only_where_they_are_used(faces: object) -> None:
    def bars(*names: str) -> int:
        figure = explainer_gallery(native(faces), faces, explainers=names)
        return sum(image.get_gid() == "colour-bar" for image in figure.axes[0].images)

    assert bars("grad_cam", "rise") == 2
    assert bars("grad_cam") == bars("rise") == 1
    assert "−1" in said(explainer_gallery(native(faces), faces, explainers=["grad_cam"]))
    assert "−1" not in said(explainer_gallery(native(faces), faces, explainers=["rise"]))


def test_the_outline_is_drawn_in_every_tile_and_named(faces: object) -> None:
    region = np.zeros((64, 64), bool)
    region[40:50, 20:40] = True
    figure = explainer_gallery(native(faces), faces, outline=("the mouth", region))
    lines = [line for line in figure.axes[0].lines if line.get_color() == theme.CONTOUR]
    assert len(lines) == 1 + len(NATIVE) + 1  # photograph, tiles, key
    assert "the mouth" in said(figure)
    x, y = lines[0].get_data()
    left, top = 104, 10  # the photograph's corner in the sheet
    np.testing.assert_allclose([x.min(), x.max()], [left + 104 * 20 / 64, left + 104 * 40 / 64], atol=1)
    np.testing.assert_allclose([y.min(), y.max()], [top + 104 * 40 / 64, top + 104 * 50 / 64], atol=1)


def test_canonical_maps_are_drawn_back_with_answer_layer_and_reason(drawn: ModuleType) -> None:
    faces = drawn.faces()
    maps = drawn.maps(faces)
    maps.attrs["failures"] = json.dumps(
        [{"model": "net-b", "explainer": "lime", "reason": "no superpixels; take rise"}]
    )
    figure = explainer_gallery(maps, faces, "face-04", "net-b")
    words = [" ".join(text.split()) for text in said(figure)]
    assert f"says {maps['predicted'].values[1, 4]} ({theme.number(0.0)})"[:8] in " ".join(words)
    assert "no superpixels" in words
    assert "conv" in words
    tile = tiles(figure)["tile-0-1"]
    height, width = maps.shape[-2:]
    drawn_at = np.unravel_index(np.argmax(maps.values[1, 0, 4]), (height, width))
    colour = np.abs(tile - tile.mean(-1, keepdims=True)).sum(-1)
    # the drawn faces' landmarks are the canonical points: a place on the frame is the same share of the crop
    y, x = (np.array(drawn_at) / (height, width) * tile.shape[:2]).astype(int)
    assert colour[y, x] > np.quantile(colour, 0.9)


def test_it_is_legible_on_white_and_black_and_transparent(faces: object) -> None:
    figure = explainer_gallery(native(faces), faces)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, facecolor="none", transparent=True)
    assert np.asarray(Image.open(stream).convert("RGBA"))[0, 0, 3] == 0
    assert {to_hex(text.get_color()) for text in figure.findobj(Text) if text.get_text()} == {theme.INK}


def test_wrong_names_and_arrays_are_refused(faces: object) -> None:
    maps = native(faces)
    with pytest.raises(UnknownNameError, match="grad_cam"):
        explainer_gallery(maps, faces, explainers=["grad_can"])
    with pytest.raises(UnknownNameError, match="face-00"):
        explainer_gallery(maps, faces, "face-0")
    with pytest.raises(UnknownNameError, match="network"):
        explainer_gallery(maps, faces, model="nat")
    with pytest.raises(UsageError, match="one layer and one target"):
        explainer_gallery({("net", "grad_cam", "layer4"): maps["net", "grad_cam"]}, faces)
    with pytest.raises(UsageError, match="no network"):
        explainer_gallery({}, faces)

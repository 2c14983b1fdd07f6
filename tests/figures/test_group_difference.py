"""The figure of groups' differences: one scale about 0, outlines with their sentence, hatches for pixels."""

import io

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import Polygon
from matplotlib.text import Text
from PIL import Image

from workbench import figures
from workbench.canonical import load_frame
from workbench.comparison import compare_groups
from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme


@pytest.fixture(scope="module")
def found():
    """Two networks, twenty people; net-a's maps of fear differ at the mouth, nothing else does."""
    frame, rng = load_frame("mediapipe478"), np.random.default_rng(0)
    height, width = frame.grid
    rows, columns = np.mgrid[:height, :width]
    mouth = np.exp(-((rows - 190) ** 2 + (columns - 112) ** 2) / (2 * 20**2))
    groups = np.array(["f", "m"] * 20)
    values = np.kron(rng.uniform(0.2, 0.5, (2, 1, 40, 8, 7)), np.ones((32, 32)))
    values[0, 0, (groups == "f") & (np.arange(40) < 20)] += 0.6 * mouth
    maps = xr.DataArray(
        values.astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": ["net-a", "net-b"],
            "explainer": ["cam"],
            "image": [f"i{i}" for i in range(40)],
            "group_gender": ("image", groups),
            "predicted": (("model", "image"), [["fear"] * 20 + ["anger"] * 20, ["fear"] * 37 + ["anger"] * 3]),
        },
        attrs={"target": "predicted", "frame": "mediapipe478"},
    )
    return compare_groups(maps, "gender", normalise="none", draws=199, equal_n=0, rows=32)


def tiles(figure):
    return [i for i in figure.axes[0].images if str(i.get_gid()).startswith("tile-")]


def words(figure):
    return [t.get_text() for t in figure.findobj(Text)]


def test_tiles_share_one_scale_about_zero(found):
    figure = figures.group_difference(found)
    bound = float(np.nanmax(np.abs(found["difference"].values)))
    assert len(tiles(figure)) == 3
    for tile in tiles(figure):
        assert tile.get_clim() == pytest.approx((-bound, bound))
        assert tile.get_cmap().name == "coolwarm"
    assert [t for t in words(figure) if t in ("fear", "anger", "disgust")] == ["anger", "fear"]
    limited = figures.group_difference(found, show="effect", limit=2)
    assert {t.get_clim() for t in tiles(limited)} == {(-2.0, 2.0)}
    assert any("Hedges’ g, f − m" in t for t in words(limited))


def test_the_scale_is_even_in_lightness_either_side_of_its_middle():
    colours = matplotlib.colormaps["coolwarm"](np.linspace(0, 1, 101))[:, :3]
    light = colours @ [0.2126, 0.7152, 0.0722]
    assert light.argmax() in range(45, 56)
    assert (np.diff(light[:45]) > 0).all()
    assert (np.diff(light[56:]) < 0).all()


def test_outlines_carry_their_sentence_and_hatches_stand_for_pixels(found):
    figure = figures.group_difference(found)
    said = " ".join(words(figure))
    assert "An outlined cluster licenses “the maps differ”, not “here”." in said.replace("\n", " ")
    assert "corrected over all 3 tests" in said
    outlines = [a for a in figure.axes[0].lines if to_hex(a.get_color()) == "#ffffff"]
    assert len(outlines) == 1
    hatched = [p for p in figure.axes[0].patches if isinstance(p, Polygon) and p.get_hatch()]
    assert hatched
    strict = figures.group_difference(found, alpha=1e-6)
    assert not [a for a in strict.axes[0].lines if to_hex(a.get_color()) == "#ffffff"]
    assert not [p for p in strict.axes[0].patches if p.get_hatch()]


def test_numbers_and_reasons_stand_under_and_in_the_tiles(found):
    said = [t.replace("\n", " ") for t in words(figures.group_difference(found))]
    assert said.count("10 | 10 images") == 2
    assert "19 | 18 images" in said
    assert any("too few images" in t for t in said)
    p = found["p_differ_bh"].sel(model="net-a", expression="fear").item()
    assert any(t == f"p = {theme.number(p, 3)}" for t in said)


def test_it_is_legible_on_white_and_black(found):
    figure = figures.group_difference(found)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, facecolor="none", transparent=True)
    shown = np.asarray(Image.open(stream).convert("RGBA"))
    assert shown[0, 0, 3] == 0
    assert {to_hex(t.get_color()) for t in figure.findobj(Text) if t.get_text().strip()} == {theme.INK}
    width = figure.get_size_inches()[0] * 100
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert all(t.get_window_extent(renderer).x1 <= width for t in figure.axes[0].texts)


def test_bad_input_is_refused(found):
    with pytest.raises(UnknownNameError, match="explainer"):
        figures.group_difference(found, "lime")
    with pytest.raises(UnknownNameError, match="contrast"):
        figures.group_difference(found, contrast="f − x")
    with pytest.raises(UnknownNameError, match="variable"):
        figures.group_difference(found, show="t")
    with pytest.raises(UsageError, match="nothing was tested"):
        figures.group_difference(found.sel(expression=["disgust"]))

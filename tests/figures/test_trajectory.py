"""The trajectory's figure: a panel an expression, its controls, its axis; legible, and refused without data."""

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from workbench import figures
from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme
from workbench.vocabulary import BASIC_EXPRESSIONS

STEPS = ["epoch-0", "epoch-4", "epoch-40"]


def found(intervals=True, negative=False):
    rng = np.random.default_rng(0)
    shape = (1, 6, 3)
    similarity = np.sort(rng.uniform(-0.4 if negative else 0.2, 0.9, shape), axis=-1)
    similarity[..., -1] = 1
    similarity[:, 1] = np.nan
    dims = ("explainer", "expression", "step")
    other = {
        "between_expressions": rng.uniform(0.1, 0.4, shape),
        "reliability": rng.uniform(0.7, 0.9, shape),
        "half_similarity": similarity * 0.8,
    }
    ends = {"low": similarity - 0.1, "high": np.minimum(similarity + 0.1, 1)}
    if not intervals:
        ends, other["half_similarity"] = {k: v * np.nan for k, v in ends.items()}, similarity * np.nan
    data = {"similarity": similarity, **ends, **other}
    return xr.Dataset(
        {k: (dims, v) for k, v in data.items()} | {"reason": (dims, np.full(shape, "no usable map"))},
        {"explainer": ["cam"], "expression": list(BASIC_EXPRESSIONS), "step": STEPS},
        {"reference": "last", "unit": "subject", "level": 0.95},
    )


def words(figure):
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    return legend + [t.get_text() for t in figure.findobj(Text)]


def test_a_panel_an_expression_with_its_controls_on_one_axis():
    figure = figures.trajectory(found(), positions=[0, 4, 40], axis="epoch")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [e for e in BASIC_EXPRESSIONS if e != "disgust"]
    assert {ax.get_ylim() for ax in figure.axes} == {(0.0, 1.03)}
    line = next(a for a in figure.axes[0].lines if a.get_marker() == "o")
    np.testing.assert_array_equal(line.get_xdata(), [0, 4, 40])
    np.testing.assert_allclose(line.get_ydata(), found()["similarity"].sel(expression="anger")[0])
    assert len(figure.axes[0].lines) == 4
    assert figure.axes[0].collections, "the interval is shaded"
    said = words(figure)
    for text in ("with the last step", "its 95 % interval over subjects", "two halves of the faces, same step",
                 "other expressions’ maps, same step", "no map: disgust", "epoch"):  # fmt: skip
        assert text in said


def test_without_resampling_the_key_names_what_is_there():
    said = words(figures.trajectory(found(intervals=False)))
    assert not any("interval" in t for t in said)
    assert not any("one half" in t for t in said)
    assert {"epoch-0", "epoch-4", "epoch-40"} <= set(said)


def test_a_level_beside_and_negative_values_fit_in():
    level = xr.DataArray(np.full(6, -0.6), dims="expression", coords={"expression": list(BASIC_EXPRESSIONS)})
    figure = figures.trajectory(found(negative=True), beside=("another run", level))
    assert "another run" in words(figure)
    assert figure.axes[0].get_ylim()[0] <= -0.6
    assert any(np.allclose(line.get_ydata(), -0.6) for line in figure.axes[0].lines)


def test_it_is_legible_on_white_and_black():
    figure = figures.trajectory(found())
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, facecolor="none", transparent=True)
    shown = np.asarray(Image.open(stream).convert("RGBA"))
    assert shown[0, -1, 3] == 0
    assert {to_hex(t.get_color()) for t in figure.findobj(Text) if t.get_text().strip()} == {theme.INK}


def test_bad_input_is_refused():
    with pytest.raises(UnknownNameError, match="explainer"):
        figures.trajectory(found(), "lime")
    with pytest.raises(UsageError, match="2 positions for 3 steps"):
        figures.trajectory(found(), positions=[0, 1])
    empty = found()
    empty["similarity"] *= np.nan
    with pytest.raises(UsageError, match="no usable map"):
        figures.trajectory(empty)


@pytest.mark.parametrize("panels", [1, 2, 3])
def test_the_key_fits_in(panels):
    names = ["anger", "fear", "sadness"][:panels]
    figure = figures.trajectory(found().sel(expression=names))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    assert figure.legends[0].get_window_extent(renderer).x1 <= figure.get_size_inches()[0] * 100
    top = max(ax.get_tightbbox(renderer).y1 for ax in figure.axes)
    assert figure.legends[0].get_window_extent(renderer).y0 >= top

"""The layer profile: lines are the table's numbers, every control is there, nothing is cut off."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from workbench.errors import UnknownNameError, UsageError
from workbench.figures import layer_profile, theme


def rows(model, layers, explainer="grad_cam", expression="mean", grid="7×7", start=0.4):
    found = []
    for depth, layer in enumerate(layers):
        level = start + 0.05 * depth
        found.append(
            {
                "model": model,
                "explainer": explainer,
                "layer": layer,
                "depth": depth,
                "layers": len(layers),
                "grid": grid,
                "expression": expression,
                "cosine": level,
                "low_cosine": level - 0.1,
                "high_cosine": level + 0.1,
                "other_cosine": level - 0.02,
                "uniform_cosine": 0.5,
                "centre_cosine": 0.6,
                "mean_map_cosine": 0.8,
                "pearson": level - 0.5,
                "low_pearson": np.nan,
                "high_pearson": np.nan,
                "other_pearson": level - 0.55,
                "uniform_pearson": np.nan,
                "centre_pearson": 0.3,
                "mean_map_pearson": 0.7,
            }
        )
    return found


@pytest.fixture(scope="module")
def table():
    both = rows("cnn", ["stem", "layer1", "layer2"]) + rows(
        "cnn", ["stem", "layer1", "layer2"], "layer_attention", start=0.5
    )
    deep = rows("vit", [f"blocks.{i}" for i in range(12)], grid="14×14")
    return pd.DataFrame(both + deep + rows("cnn", ["stem"], expression="fear", start=0.1))


def lines(axes, colour):
    return [line.get_ydata().tolist() for line in axes.lines if line.get_color() == colour]


def test_lines_are_the_tables_numbers(table):
    cnn, vit = layer_profile(table).axes
    assert lines(cnn, theme.OWN) == [pytest.approx([0.38, 0.43, 0.48]), pytest.approx([0.4, 0.45, 0.5])]
    assert lines(cnn, theme.OTHER) == [pytest.approx([0.8] * 3)]
    assert lines(cnn, theme.BLOB) == [pytest.approx([0.6] * 3)]
    assert pytest.approx([0.5] * 3) in lines(cnn, theme.INK)
    assert len(cnn.collections) == 2  # intervals of two explainers
    assert lines(vit, theme.OWN)[1] == pytest.approx([0.4 + 0.05 * i for i in range(12)])
    assert cnn.get_ylim() == vit.get_ylim()
    assert (cnn.get_title(loc="left"), vit.get_title(loc="left")) == ("cnn", "vit")


def test_layers_are_named_in_the_order_of_the_network(table):
    shuffled = table.sample(frac=1, random_state=0)
    cnn = next(a for a in layer_profile(shuffled).axes if a.get_title(loc="left") == "cnn")
    assert [t.get_text() for t in cnn.texts] == ["stem", "layer2"]
    assert [t.get_text() for t in cnn.get_xticklabels()] == ["7²"] * 3
    assert sorted(map(tuple, lines(cnn, theme.OWN)))[-1] == pytest.approx((0.4, 0.45, 0.5))


def test_the_legend_names_every_line(table):
    figure = layer_profile(table)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        "Grad-CAM",
        "layer attention",
        "the same maps, other expressions’ units",
        "mean of all expressions’ maps",
        "centred Gaussian",
        "uniform map",
    ]
    pearson = layer_profile(table, "pearson")
    assert "uniform map" not in [t.get_text() for t in pearson.legends[0].get_texts()]
    assert pearson.axes[0].get_ylim()[0] < 0


def test_nothing_is_cut_off(table):
    figure = layer_profile(table)
    FigureCanvasAgg(figure).draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, facecolor="none", transparent=True)
    assert np.asarray(Image.open(stream).convert("RGBA"))[..., 3].min() == 0  # transparent ground


def test_one_expression_and_one_layer(table):
    (axes,) = layer_profile(table, expression="fear").axes
    assert lines(axes, theme.OWN)[1] == pytest.approx([0.1])
    assert [t.get_text() for t in axes.texts] == ["stem"]


def test_bad_input(table):
    with pytest.raises(UnknownNameError, match="measure"):
        layer_profile(table, "iou")
    with pytest.raises(UsageError, match="no row of the expression 'disgust'"):
        layer_profile(table, expression="disgust")
    with pytest.raises(UsageError, match="a table of expressions"):
        layer_profile(table.assign(au="AU1"))

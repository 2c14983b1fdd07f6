"""Curves of faithfulness scores: lines and marks are the measured means, the band that of random maps, words fit."""

import json

import numpy as np
import pytest
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.faithfulness import faithfulness_table
from workbench.figures import faithfulness_curves, theme

STEPS = 5


def measured(images=12, models=("cnn", "vit"), explainers=("grad_cam", "lime"), subjects=True, space="probability"):
    """What `faithfulness` gives, with invented scores: deletion with its curve, road without one."""
    rng = np.random.default_rng(0)
    many, few = (len(models), len(explainers), images), (len(models), images)
    curve, random = rng.uniform(0.2, 0.9, (*many, STEPS + 1)), rng.uniform(0.6, 1, (*few, STEPS + 1))
    dims, own = ("model", "explainer", "image"), ("model", "image")
    data = {
        "deletion": (dims, np.trapezoid(curve, dx=1 / STEPS, axis=-1)),
        "deletion_curve": ((*dims, "share"), curve),
        "random_deletion": (own, np.trapezoid(random, dx=1 / STEPS, axis=-1)),
        "random_deletion_curve": ((*own, "share"), random),
        "p_deletion": (dims, np.full(many, 0.2)),
        "centre_deletion": (dims, np.broadcast_to(rng.uniform(0.3, 0.5, (len(models), 1, images)), many)),
        "edge_deletion": (dims, np.broadcast_to(rng.uniform(0.5, 0.7, (len(models), 1, images)), many)),
        "mean_map_deletion": (dims, rng.uniform(0.3, 0.6, many)),
        "road": (dims, rng.uniform(0, 0.5, many)),
        "reason": (dims, np.full(many, "", object)),
    }
    coords = {
        "model": list(models),
        "explainer": list(explainers),
        "image": [f"i{k}" for k in range(images)],
        "subject": ("image", [f"s{k // 2}" if subjects else "" for k in range(images)]),
        "share": np.linspace(0, 1, STEPS + 1),
    }
    attrs = {
        "scores": ["deletion", "road"],
        "references": [],
        "fill": "blur",
        "space": space,
        "target": "predicted",
        "draws": 4,
        "resolution": 0.2,
        "summary": json.dumps({"deletion": {"best": 0, "low": 0, "high": 1}, "road": {"best": 0.5, "low": -0.5}}),
    }
    return xr.Dataset(data, coords, attrs)


def panel(figure, model):
    """The wide and the narrow axes of a network."""
    place = next(i for i, axes in enumerate(figure.axes) if axes.get_title(loc="left") == model)
    return figure.axes[place], figure.axes[place + 1]


def line(axes, label):
    return next(one for one in axes.lines if one.get_label() == label)


def dotted(axes):
    """Heights of the line of random maps."""
    found = [
        np.asarray(one.get_ydata()) for one in axes.lines if one.get_color() == theme.INK and one.get_linewidth() > 1.5
    ]
    assert len(found) == 1
    return found[0]


def said(figure):
    return " ".join(text.get_text() for text in figure.texts).replace("\N{NO-BREAK SPACE}", " ")


def key(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_are_means_and_the_marks_those_of_the_table():
    result = measured(images=12)
    figure = faithfulness_curves(result)
    table = faithfulness_table(result).query("score == 'deletion'").set_index(["model", "explainer"])
    for model in ("cnn", "vit"):
        wide, narrow = panel(figure, model)
        for name in ("grad_cam", "lime"):
            drawn = line(wide, name)
            np.testing.assert_allclose(
                drawn.get_ydata(), result.deletion_curve.sel(model=model, explainer=name).mean("image")
            )
            np.testing.assert_allclose(drawn.get_xdata(), np.linspace(0, 1, STEPS + 1))
            row, mark = table.loc[model, name], line(narrow, name)
            assert mark.get_ydata() == pytest.approx([row["mean"]])
            whisker = [
                one for one in narrow.lines if one.get_linewidth() == 2.2 and one.get_color() == mark.get_color()
            ]
            np.testing.assert_allclose(whisker[0].get_ydata(), [row["low_mean"], row["high_mean"]])
        np.testing.assert_allclose(dotted(wide), result.random_deletion_curve.sel(model=model).mean("image"))
        assert dotted(narrow) == pytest.approx([float(result.random_deletion.sel(model=model).mean())] * 2)
        levels = {
            one.get_color(): one.get_ydata()[0] for one in narrow.lines if one.get_color() in (theme.BLOB, theme.OTHER)
        }
        assert levels[theme.BLOB] == pytest.approx(float(result.centre_deletion.sel(model=model).mean()))
        assert levels[theme.OTHER] == pytest.approx(float(result.edge_deletion.sel(model=model).mean()))
        assert wide.get_ylim() == narrow.get_ylim() == figure.axes[0].get_ylim()
        assert "n = 12 images, 6 subjects" in [text.get_text() for text in wide.texts]


def test_the_band_of_random_maps_is_a_bootstrap_interval_over_subjects():
    result = measured(images=20)
    result["random_deletion_curve"] = result.random_deletion_curve - 0.3  # away from the end of the range
    wide, _ = panel(faithfulness_curves(result, draws=4000), "cnn")
    band = wide.collections[0].get_paths()[0].vertices
    values = result.random_deletion_curve.sel(model="cnn").values
    subjects = values.reshape(10, 2, -1).mean(1)
    rng = np.random.default_rng(1)
    spread = subjects[rng.integers(0, 10, (4000, 10))].mean(1).std(0, ddof=1)
    for place, share in enumerate(np.linspace(0, 1, STEPS + 1)):
        low, high = np.ptp(band[np.isclose(band[:, 0], share), 1]) * np.array([0.9, 1.1])
        expected = 2 * 2.262 * spread[place] * np.sqrt(10 / 9)  # Student's t, 9 degrees of freedom
        assert low < expected < high


def test_three_explainers_have_their_intervals_at_the_right_alone():
    two, three = (faithfulness_curves(measured(explainers=names)) for names in (("a", "b"), ("a", "b", "c")))
    assert len(panel(two, "cnn")[0].collections) == 3
    assert len(panel(three, "cnn")[0].collections) == 1
    assert "The explainers’ own are at the right." in said(three)
    assert "The explainers’ own" not in said(two)


def test_why_there_is_no_interval_is_said():
    figure = faithfulness_curves(measured(images=4))
    assert "No interval: too few to resample (n = 4 images, 2 subjects; at least 5 subjects are needed)." in said(
        figure
    )
    assert "95 % interval of the mean" not in key(figure)
    assert not any(axes.collections for axes in figure.axes)
    assert "Intervals over" not in said(figure)
    assert "Intervals over images, as subjects are unknown" in said(faithfulness_curves(measured(subjects=False)))


def test_what_decides_the_number_is_said():
    words = said(faithfulness_curves(measured()))
    for text in ("Deletion: lower is better.", "In hidden places: blur.", "Target: predicted.", "mean of 4 a face"):
        assert text in words


def test_references_whose_curves_are_kept_are_lines():
    result = measured()
    bare = faithfulness_curves(result)
    assert "centred Gaussian (at the right)" in key(bare)
    assert "mean map of its other images (at the right)" in key(bare)
    for name in ("centre", "mean_map"):
        result[f"{name}_deletion_curve"] = result.deletion_curve * 0.5 + 0.1
    figure = faithfulness_curves(result)
    assert {"centred Gaussian", "mean map of its other images"} <= set(key(figure))
    wide, _ = panel(figure, "cnn")
    blob = next(one for one in wide.lines if one.get_color() == theme.BLOB)
    np.testing.assert_allclose(
        blob.get_ydata(), result.centre_deletion_curve.sel(model="cnn").mean(("explainer", "image"))
    )


def test_an_explainer_without_a_curve_says_why_and_leaves_its_place():
    result = measured()
    result["deletion_curve"].loc[{"model": "vit", "explainer": "lime"}] = np.nan
    result["deletion_curve"].loc[{"model": "cnn", "explainer": "lime", "image": ["i0", "i1"]}] = np.nan
    result["reason"].loc[{"model": "vit", "explainer": "lime"}] = "this network has no maps of it"
    figure = faithfulness_curves(result)
    wide, narrow = panel(figure, "vit")
    assert [one.get_label() for one in wide.lines if not one.get_label().startswith("_")] == ["grad_cam"]
    assert narrow.get_xlim() == panel(figure, "cnn")[1].get_xlim()
    assert "No curve of LIME, vit: this network has no maps of it." in said(figure)
    assert "n = 10–12 images, 5–6 subjects" in [text.get_text() for text in panel(figure, "cnn")[0].texts]


def test_logits_and_places_that_are_no_shares():
    result = measured(space="logit").assign_coords(share=[2, 4, 8, 16, 32, 64]).rename(share="n")
    result = result.assign(deletion_curve=result.deletion_curve * 20 - 12)
    figure = faithfulness_curves(result)
    assert figure.axes[0].get_ylim()[0] < -3
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["2", "4", "8", "16", "32", "64"]
    assert figure.axes[0].get_ylabel() == "mean logit"


@pytest.mark.parametrize("explainers", [["grad_cam"], ["a_method_with_a_very_long_name_indeed", *"bcdefgh"]])
@pytest.mark.parametrize("models", [["cnn"], ["a-network-with-a-name-that-is-much-too-long-for-its-panel", "b", "c"]])
def test_nothing_is_cut_off_or_overlaps(models, explainers, tidy):
    figure = faithfulness_curves(measured(4, models, explainers))
    tidy(figure)


def test_it_is_legible_on_white_and_black(legible):
    figure = faithfulness_curves(measured())
    legible(figure)


def test_bad_input_is_refused():
    with pytest.raises(UsageError, match=r"faithfulness\(…\) returns, not of DataFrame"):
        faithfulness_curves(measured().to_dataframe())
    with pytest.raises(UsageError, match="'road' has no curve; drawn can be deletion"):
        faithfulness_curves(measured(), "road")
    with pytest.raises(UnknownNameError, match="insertion"):
        faithfulness_curves(measured(), "insertion")
    with pytest.raises(UnknownNameError, match="rise"):
        faithfulness_curves(measured(), explainers=["rise"])
    with pytest.raises(UsageError, match="no explainer was named"):
        faithfulness_curves(measured(), explainers=[])
    with pytest.raises(UsageError, match=r"9 explainers .* up to 8"):
        faithfulness_curves(measured(explainers=tuple("abcdefghi")))
    with pytest.raises(UsageError, match=r"isel\(model=\[0\]\)"):
        faithfulness_curves(measured().isel(model=0))
    empty = measured()
    empty["deletion_curve"] *= np.nan
    empty["reason"][:] = "the map is constant"
    with pytest.raises(UsageError, match="no curve of 'deletion' to draw: the map is constant"):
        faithfulness_curves(empty)


def test_eight_explainers_differ_in_colour_or_in_line_and_mark():
    handles = faithfulness_curves(measured(explainers=tuple("abcdefgh"))).legends[0].get_lines()[:8]
    assert len({(one.get_color(), one.get_linestyle(), one.get_markerfacecolor() == "none") for one in handles}) == 8

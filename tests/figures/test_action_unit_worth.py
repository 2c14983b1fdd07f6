"""The worth of action units: marks are the table's numbers, units stand in FACS order, significance and sign show."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.faithfulness import au_occlusion_table
from workbench.figures import action_unit_worth, theme

UNITS = ["AU25", "AU4", "AU23/24", "AU12", "AU1", "left_eye"]
IN_ORDER = ["AU1", "AU4", "AU12", "AU23/24", "AU25", "left eye"]
LEVELS = dict(zip(UNITS, (0.3, -0.2, 0.1, 0.0, 0.25, 0.05), strict=True))


def table(images=10, models=("cnn", "vit"), space="logit", per=(), noise=0.02, units=UNITS, **attrs):
    """A real table of invented measurements, in which worth less control is about `LEVELS`."""
    rng = np.random.default_rng(0)
    shape = (len(models), images, len(units))
    above = np.array([LEVELS.get(name, 0.1) for name in units]) + rng.normal(0, noise, shape)
    control = rng.uniform(0.1, 0.2, shape)
    dims = ("model", "image", "au")
    data = {"worth": above + control, "control_worth": control, "above_control": above}
    coords = {
        "model": list(models),
        "au": list(units),
        "image": [f"i{k}" for k in range(images)],
        "subject": ("image", [f"s{k}" for k in range(images)]),
        "label": ("image", ["fear" if k % 2 else "anger" for k in range(images)]),
    }
    reason = (dims, np.full(shape, "", object))
    about = {"mode": "occlude", "space": space, "fill": "average_face", "target": "predicted", "controls": 20} | attrs
    result = xr.Dataset({k: (dims, v) for k, v in data.items()} | {"reason": reason}, coords, about)
    return au_occlusion_table(result, per, draws=200)


def without(made, model, au, why):
    """The table with one unit that has no value."""
    made = made.copy()
    place = (made["model"] == model) & (made["au"] == au)
    made.loc[place, [c for c in made if "worth" in c or "control" in c or c in ("p", "q", "q_by")]] = np.nan
    made.loc[place, ["n", "n_subjects"]] = 0
    made.loc[place, "reason"] = why
    return made


def marks(axes, label):
    return {
        round(float(one.get_ydata()[0])): float(one.get_xdata()[0]) for one in axes.lines if one.get_label() == label
    }


def filled(axes):
    return {
        round(float(one.get_ydata()[0]))
        for one in axes.lines
        if one.get_label() == "worth" and one.get_markerfacecolor() != "none"
    }


def said(figure):
    return " ".join(text.get_text() for text in figure.texts).replace("\N{NO-BREAK SPACE}", " ")


def test_marks_are_the_tables_numbers_in_facs_order():
    made = table()
    figure = action_unit_worth(made)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["cnn", "vit"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == IN_ORDER
    for axes, model in zip(figure.axes, ("cnn", "vit"), strict=True):
        rows = made[made["model"] == model].set_index("au")
        for name, label in (("worth", "worth"), ("control_worth", "control")):
            expected = {k: rows.loc[au.replace(" ", "_"), name] for k, au in enumerate(IN_ORDER)}
            assert marks(axes, label) == pytest.approx(expected)
        ends = [tuple(one.get_xdata()) for one in axes.lines if one.get_color() == theme.OWN and one.get_alpha() == 0.5]
        assert ends[0] == pytest.approx((rows.loc["AU1", "low_worth"], rows.loc["AU1", "high_worth"]))
        assert "n = 10 images, 10 subjects" in [t.get_text() for t in axes.texts]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_sign_interval_and_significance_are_written():
    made = table()
    figure = action_unit_worth(made)
    axes, rows = figure.axes[0], made[made["model"] == "cnn"].set_index("au")
    words = [t.get_text() for t in axes.texts]
    for au in UNITS:
        row = rows.loc[au]
        number = theme.number(abs(row["above_control"]))
        ends = f"[{theme.number(row['low_above_control'])}, {theme.number(row['high_above_control'])}]"
        sign, star = "+" if row["above_control"] > 0 else "−", " *" if row["q"] <= 0.05 else ""
        assert f"{sign}{number} {ends}{star}" in words
    assert rows.loc["AU4", "above_control"] < 0
    assert rows.loc["AU4", "q"] <= 0.05 < rows.loc["AU12", "q"]
    assert filled(axes) == {k for k, au in enumerate(IN_ORDER) if rows.loc[au.replace(" ", "_"), "q"] <= 0.05}
    assert filled(action_unit_worth(made, alpha=1e-9).axes[0]) == set()
    assert "corrected over all 12 tests" in said(figure)
    assert "signs flipped over subjects" in said(figure)


def test_a_small_difference_of_probabilities_keeps_its_sign():
    made = table(space="probability", noise=0)
    made.loc[made["au"] == "AU12", "above_control"] = -0.0002
    assert any(t.get_text().startswith("−.000") for t in action_unit_worth(made).axes[0].texts)
    assert "fall of the probability without the region" in {axes.get_xlabel() for axes in action_unit_worth(made).axes}
    kept = action_unit_worth(table(mode="keep"))
    assert {axes.get_xlabel() for axes in kept.axes} == {"rise of the logit with the region alone"}


def test_too_few_to_test_is_said_and_nothing_is_filled():
    figure = action_unit_worth(table(images=3))
    assert filled(figure.axes[0]) == set()
    assert (
        "No interval and no p: too few to resample (n = 3 images, 3 subjects; at least 5 subjects are needed)."
        in said(figure)
    )
    assert figure.legends[0].get_texts()[0].get_text() == "the unit’s region"
    assert not [one for one in figure.axes[0].lines if one.get_alpha() == 0.5 and np.isfinite(one.get_xdata()).any()]
    five = said(action_unit_worth(table(images=5)))
    assert "So few can give no p below .0625." in five
    assert "So few" not in said(action_unit_worth(table()))


def test_a_unit_without_a_value_keeps_its_row_and_says_why():
    figure = action_unit_worth(
        without(table(), "vit", "AU12", "the region fits the face at fewer than 20 other places")
    )
    cnn, vit = figure.axes
    assert set(marks(vit, "worth")) == set(marks(cnn, "worth")) - {2}
    assert "–" in [t.get_text() for t in vit.texts]
    assert "No value for AU12: the region fits the face at fewer than 20 other places." in said(figure)


def test_joined_tables_are_corrected_each_in_itself():
    one, other = table(models=["cnn"]), table(models=["vit"])
    assert "corrected over the 6 tests of each table" in said(action_unit_worth(pd.concat([one, other])))
    other.attrs["fill"] = "blur"
    assert "corrected over the tests of each table" in said(action_unit_worth(pd.concat([one, other])))


def test_one_cell_is_drawn_at_a_time():
    made = table(images=20, per=("label",))
    figure = action_unit_worth(made, {"label": "fear"})
    rows = made[(made["label"] == "fear") & (made["model"] == "cnn")].set_index("au")
    assert marks(figure.axes[0], "worth")[0] == pytest.approx(rows.loc["AU1", "worth"])
    assert "label: fear." in said(figure)
    assert "corrected over all 24 tests" in said(figure)
    with pytest.raises(UsageError, match=r"by label \(anger, fear\); choose with cell=\{…\}"):
        action_unit_worth(made)
    with pytest.raises(UnknownNameError, match="age"):
        action_unit_worth(made, {"age": "old"})
    with pytest.raises(UnknownNameError, match="joy"):
        action_unit_worth(made, {"label": "joy"})


@pytest.mark.parametrize(
    "models", [["cnn"], ["a-network-with-a-name-that-is-much-too-long-for-its-panel-and-more", "b", "c"]]
)
@pytest.mark.parametrize("images", [3, 10])
def test_nothing_is_cut_off_or_overlaps(models, images, tidy):
    figure = action_unit_worth(table(images, models, "probability", units=[*UNITS, "AU_of_a_rather_long_name"]))
    tidy(figure)


def test_it_is_legible_on_white_and_black(legible):
    figure = action_unit_worth(table())
    legible(figure)


def test_bad_input_is_refused():
    made = table()
    with pytest.raises(UsageError, match="not of DataFrame without q"):
        action_unit_worth(made.drop(columns="q"))
    with pytest.raises(UsageError, match="not of dict"):
        action_unit_worth(made.to_dict())
    with pytest.raises(UsageError, match="draw one measurement at a time"):
        action_unit_worth(pd.concat([made, made]))
    for model in ("cnn", "vit"):
        for au in UNITS:
            made = without(made, model, au, "the region covers no pixel")
    with pytest.raises(UsageError, match="no action unit has a value: the region covers no pixel"):
        action_unit_worth(made)

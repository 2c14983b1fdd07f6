"""Count, mean, standard error and interval of each pixel of a global heatmap."""

import numpy as np
import pytest
import xarray as xr

from workbench.errors import UsageError
from workbench.heatmaps import global_heatmaps, global_statistics, normalise, statistics
from workbench.heatmaps.aggregate import stretch

FEAR = {"model": "net0", "explainer": "cam", "expression": "fear"}


@pytest.fixture
def twelve(build_maps):
    """Twelve faces of six subjects; the first three reach beyond their crop at the right edge."""
    rng = np.random.default_rng(0)
    values = rng.gamma(1.0, size=(1, 1, 12, 5, 4)) - 0.2
    values[0, 0, :3, :, -1] = np.nan
    maps = build_maps(values, [["fear"] * 12], subject=[f"s{i // 2}" for i in range(12)])
    return maps.assign_coords(domain=(("y", "x"), np.arange(20).reshape(5, 4) > 0))


def test_the_mean_stretched_is_the_global_heatmap_and_pixels_are_counted(twelve):
    found, heat = global_statistics(twelve, draws=50), global_heatmaps(twelve)
    cell, domain = found.sel(FEAR), twelve["domain"].values
    np.testing.assert_allclose(stretch(cell["mean"].values.astype(float), domain), heat.sel(FEAR), atol=1e-6)
    assert cell["count"].values[1, 0] == 12
    assert (cell["count"].values[:, -1] == 9).all()
    assert cell["count"].values[0, 0] == 0
    assert np.isnan(cell[["mean", "se", "low", "high"]].to_array().values[:, 0, 0]).all()
    assert (int(cell.n), int(cell.units), str(cell.interval_reason.values)) == (12, 6, "")
    assert set(found.data_vars) == {"count", "mean", "se", "low", "high"}
    assert (found.attrs["unit"], found.attrs["level"], found.attrs["draws"]) == ("subject", 0.95, 50)
    assert np.isnan(found["mean"].sel(expression="anger")).all()
    assert (found["count"].sel(expression="anger") == 0).all()


def test_without_subjects_the_error_is_that_of_a_mean(twelve):
    found = global_statistics(twelve.drop_vars("subject"), draws=0).sel(FEAR)
    scaled = normalise(twelve.values[0, 0], "max")
    np.testing.assert_allclose(found["se"].values[1, 0], scaled[:, 1, 0].std(ddof=1) / np.sqrt(12), rtol=1e-5)
    np.testing.assert_allclose(found["se"].values[1, 3], scaled[3:, 1, 3].std(ddof=1) / np.sqrt(9), rtol=1e-5)


def test_images_of_one_subject_count_as_one_observation(twelve):
    found = global_statistics(twelve, draws=0).sel(FEAR)
    pairs = normalise(twelve.values[0, 0], "max")[:, 1, 0].reshape(6, 2).mean(axis=1)
    np.testing.assert_allclose(found["se"].values[1, 0], pairs.std(ddof=1) / np.sqrt(6), rtol=1e-5)
    doubled = xr.concat([twelve, twelve.assign_coords(image=[f"again{i}" for i in range(12)])], "image")
    doubled = doubled.assign_coords(domain=twelve["domain"])
    again = global_statistics(doubled, draws=0).sel(FEAR)
    np.testing.assert_allclose(again["se"], found["se"], rtol=1e-5)  # copies of the same people add nothing


def test_unequal_subjects_follow_the_ratio_formula(build_maps):
    values = np.random.default_rng(1).random((1, 1, 7, 3, 3))
    maps = build_maps(values, [["fear"] * 7], subject=["a", "b", "a", "a", "c", "c", "d"])
    found = global_statistics(maps, draws=0).sel(FEAR)
    scaled = normalise(maps.values[0, 0], "max")[:, 2, 1]
    groups = [[0, 2, 3], [1], [4, 5], [6]]
    residuals = np.array([sum(scaled[i] - scaled.mean() for i in group) for group in groups])
    np.testing.assert_allclose(found["se"].values[2, 1], np.sqrt(4 / 3 * (residuals**2).sum()) / 7, rtol=1e-5)


def test_few_units_carry_no_interval_and_one_no_error(build_maps):
    values = np.random.default_rng(1).random((1, 1, 6, 3, 3))
    few = global_statistics(build_maps(values, [["fear"] * 6], subject=list("aabbcc")), draws=50).sel(FEAR)
    assert "3 subjects" in str(few.interval_reason.values)
    assert np.isnan(few["low"]).all()
    assert not np.isnan(few["se"]).any()
    one = global_statistics(build_maps(values, [["fear"] * 6], subject=["a"] * 6), draws=50).sel(FEAR)
    assert np.isnan(one["se"]).all()
    assert not np.isnan(one["mean"]).any()


def test_a_pixel_that_few_units_reach_has_no_interval(twelve):
    values = twelve.copy(deep=True)
    values[0, 0, :4, 2, 2] = np.nan  # four subjects are left there
    found = global_statistics(values, draws=50).sel(FEAR)
    assert np.isnan(found["low"].values[2, 2])
    assert not np.isnan(found["low"].values[2, 1])


@pytest.mark.parametrize("scale", ["max", "none"])
def test_intervals_hold_the_mean_narrow_with_the_level_and_keep_the_range(twelve, scale):
    wide = global_statistics(twelve, normalise=scale, level=0.95, draws=400).sel(FEAR)
    narrow = global_statistics(twelve, normalise=scale, level=0.6, draws=400).sel(FEAR)
    inside = twelve["domain"].values
    for found in (wide, narrow):
        assert (found["low"] <= found["mean"]).values[inside].all()
        assert (found["high"] >= found["mean"]).values[inside].all()
        assert (found["low"].values[inside] >= 0).all()
    assert (wide["high"] - wide["low"] > narrow["high"] - narrow["low"]).values[inside].all()
    if scale == "max":
        assert wide["high"].values[inside].max() <= 1


def test_intervals_of_a_normal_mean_are_students(build_maps):
    from scipy import stats

    rng = np.random.default_rng(2)
    values = np.clip(rng.normal(0.5, 0.1, size=(1, 1, 30, 6, 6)), 0, None)
    values[..., 0, 0] = 1.0  # the maximum of every map: the scale stays
    found = global_statistics(build_maps(values, [["fear"] * 30]), draws=4000).sel(FEAR)
    half = stats.t.ppf(0.975, 29) * found["se"].values.ravel()[1:]
    width = (found["high"] - found["low"]).values.ravel()[1:]
    assert width / (2 * half) == pytest.approx(np.ones(35), abs=0.08)


def test_the_intervals_hold_the_truth_about_as_often_as_they_say(build_maps):
    rng = np.random.default_rng(3)  # 10 skewed observations; every pixel is a trial of its own
    values = rng.beta(0.8, 3.0, size=(1, 1, 10, 40, 25))
    values[..., 0, 0] = 1.0
    found = global_statistics(build_maps(values, [["fear"] * 10]), draws=400).sel(FEAR)
    truth = 0.8 / 3.8
    held = ((found["low"] <= truth) & (truth <= found["high"])).values.ravel()[1:].mean()
    assert 0.88 < held < 0.97


def test_blocks_and_tiles_of_pixels_do_not_matter(twelve, monkeypatch):
    whole = global_statistics(twelve, draws=60)
    monkeypatch.setattr("workbench.heatmaps.aggregate._BLOCK_BYTES", 5 * 4 * 4 * 5)
    monkeypatch.setattr(statistics, "_DRAWN_BYTES", 60 * 4 * 3)
    xr.testing.assert_allclose(global_statistics(twelve, draws=60), whole, rtol=1e-5)


def test_bad_requests_are_refused(twelve):
    with pytest.raises(UsageError, match="global already"):
        global_statistics(global_heatmaps(twelve))
    with pytest.raises(UsageError, match=r"level of an interval is 95"):
        global_statistics(twelve, level=95)
    with pytest.raises(UsageError, match="no coordinate 'turned'"):
        global_statistics(twelve, leave_out=("turned",))


def test_flagged_faces_are_left_out_where_asked(twelve):
    maps = twelve.assign_coords(folded=("image", np.arange(12) < 2))
    assert int(global_statistics(maps, draws=0).sel(FEAR).n) == 12
    left = global_statistics(maps, draws=0, leave_out="folded")
    assert left.attrs["leave_out"] == "folded"
    expected = global_statistics(twelve.isel(image=slice(2, None)), draws=0)
    xr.testing.assert_allclose(left.drop_attrs(), expected.drop_attrs())

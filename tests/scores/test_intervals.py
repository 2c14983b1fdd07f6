"""Intervals over subjects: joint, reproducible, absent where the faces are too few."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from workbench.heatmaps.resampling import Units, draw_weights, leave_out_weights, units_of
from workbench.scores import SCORES, evaluate
from workbench.scores.cell import Ground, measure
from workbench.scores.intervals import resampled, score_rows
from workbench.statistics.bootstrap import ends, p_above

BOX = np.repeat([[1, 1, 1, 0, 0, 0]], 6, axis=0)  # the mask of fear


def at(table, expression="fear"):
    return table.sel(model="net", explainer="cam", expression=expression)


def test_an_interval_holds_the_score_and_is_reproducible(noisy_maps, toy_masks):
    first = at(evaluate(noisy_maps, toy_masks, draws=60, seed=3))
    again = at(evaluate(noisy_maps, toy_masks, draws=60, seed=3))
    for name in ("iou", "precision", "recall", "f1", "correlation"):
        low, high = float(first[f"low_{name}"]), float(first[f"high_{name}"])
        assert low <= high
        assert (low, high) == (float(again[f"low_{name}"]), float(again[f"high_{name}"]))
    assert float(first.low_correlation) <= float(first.correlation) + 0.02
    assert (float(first.n), float(first.n_subjects)) == (12, 6)
    assert float(first.low_correlation) > 0.5


def test_the_interval_is_that_of_recomputed_means(noisy_maps, toy_masks):
    """The same draws by the plain road: a data set of repeated images, aggregated and scored anew."""

    def iou_of(rows):
        found = []
        for row in rows.astype(int):
            images = np.repeat(np.arange(12), row)
            drawn = noisy_maps.isel(image=images).assign_coords(image=[f"{k}" for k in range(len(images))])
            found.append([float(at(evaluate(drawn, toy_masks, intervals=False)).iou)])
        return np.array(found)

    units = units_of(noisy_maps)
    drawn, left_out = iou_of(draw_weights(units, 25, 9)), iou_of(leave_out_weights(units, np.arange(12), 50))
    cell = at(evaluate(noisy_maps, toy_masks, draws=25, seed=9))
    wanted = ends([float(cell.iou)], drawn, left_out, 6, (0, 1))
    assert float(cell.low_iou) == pytest.approx(wanted.low[0], abs=1e-5)
    assert float(cell.high_iou) == pytest.approx(wanted.high[0], abs=1e-5)


def test_of_eight_noisy_faces_most_intervals_hold_the_truth(toy_masks):
    """Noise lowers a mean map's correlation with the mask; quantiles of the draws lower it twice (1 of 10)."""
    rng, held, runs = np.random.default_rng(5), 0, 40
    true = BOX * 0.5 + np.linspace(0, 1, 6)[:, None]
    truth = np.corrcoef(true.ravel(), BOX.ravel())[0, 1]
    for _ in range(runs):
        values = true + rng.normal(0, 1, (1, 1, 8, 6, 6)) + 9
        coords = {"model": ["net"], "explainer": ["cam"], "image": [f"f{i}" for i in range(8)]}
        maps = xr.DataArray(values.astype(np.float32), coords, ("model", "explainer", "image", "y", "x"))
        maps = maps.assign_coords(predicted=(("model", "image"), [["fear"] * 8]))
        cell = at(evaluate(maps, toy_masks, scores=("correlation",), draws=200, normalise="none"))
        held += float(cell.low_correlation) <= truth <= float(cell.high_correlation)
    assert held >= 0.8 * runs


@pytest.fixture
def ground(toy_masks):
    scores = {name: SCORES[name].value for name in ("iou", "recall", "correlation")}
    masks = toy_masks.maps.values >= 0.5
    domain = np.ones((6, 6), bool)
    domain[0] = False
    return Ground(masks, domain, np.ones((6, 6), bool), None, "otsu", scores)


@pytest.mark.parametrize("rule", ["otsu", 0.3])
def test_rows_are_scored_as_single_maps_are(ground, rule):
    """Rows with data on different pixels, a constant one, an empty one: own scores and blob at equal area."""
    ground = replace(ground, rule=rule)
    rng = np.random.default_rng(2)
    rows = rng.random((9, 36))
    rows[2, :5], rows[3, 10:14], rows[4], rows[5], rows[6, 8:] = np.nan, np.nan, 0.5, np.nan, np.nan
    own, blob = score_rows(ground, rows)
    for r, row in enumerate(rows):
        cell = measure(ground, row.reshape(6, 6))
        for name in ground.scores:
            np.testing.assert_allclose(own[name][r], cell.own[name], rtol=1e-12)
            np.testing.assert_allclose(blob[name][r], cell.centre_equal_area[name], rtol=1e-12)
    assert np.isnan(own["iou"][[4, 5, 6]]).all()
    assert np.isfinite(own["iou"][[0, 1, 2, 3, 7, 8]]).all()


def test_draws_and_left_out_units_are_scored_with_all_masks(ground, noisy_maps, monkeypatch):
    units = units_of(noisy_maps)
    weights = draw_weights(units, 30, 1)
    found = resampled(ground, noisy_maps, 0, 0, np.arange(12), "max", weights, units)
    assert found.drawn["iou"].shape == found.blob["iou"].shape == (30, 6)
    assert found.left_out["recall"].shape == found.left_out_blob["recall"].shape == (6, 6)
    assert found.units == 6
    monkeypatch.setattr("workbench.scores.intervals._BLOCK_BYTES", 1)
    again = resampled(ground, noisy_maps, 0, 0, np.arange(12), "max", weights, units)
    for name, rows in found.drawn.items():
        np.testing.assert_allclose(rows, again.drawn[name], rtol=1e-12)


def test_what_takes_too_long_is_not_drawn(ground, noisy_maps):
    slow = replace(SCORES["iou"].value, costly=True)
    ground = replace(ground, scores={"iou": SCORES["iou"].value, "slow": slow})
    units = units_of(noisy_maps)
    found = resampled(ground, noisy_maps, 0, 0, np.arange(12), "max", draw_weights(units, 5, 1), units)
    assert np.isnan(found.drawn["slow"]).all()
    assert np.isfinite(found.drawn["iou"]).all()


def test_units_are_left_out_whole_and_in_groups_of_equal_size():
    units = Units(np.array([0, 0, 1, 2, 3, 3, 4]), "subject", np.array(list("aabcdde")))
    one = leave_out_weights(units, np.array([0, 1, 2, 4, 5]), 50)  # subjects a, b and d
    assert one.tolist() == [[0, 0, 1, 0, 1, 1, 0], [1, 1, 0, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0, 0]]
    many = leave_out_weights(Units(np.arange(120), "image", np.full(120, "")), np.arange(120), 50)
    assert many.shape == (50, 120)
    assert set((120 - many.sum(axis=1)).tolist()) == {2, 3}
    assert ((1 - many).sum(axis=0) == 1).all()


def test_subjects_make_a_wider_interval_than_images_that_copy_each_other(noisy_maps, toy_masks):
    copies = noisy_maps + np.random.default_rng(1).normal(0, 2, noisy_maps.shape).astype(np.float32)
    copies[:, :, 1::2] = copies[:, :, 0::2].values
    by_subject = at(evaluate(copies, toy_masks, draws=200))
    by_image = at(evaluate(copies.drop_vars("subject"), toy_masks, draws=200))
    width = float(by_subject.high_correlation - by_subject.low_correlation)
    assert width > 1.1 * float(by_image.high_correlation - by_image.low_correlation)


def test_networks_share_their_draws(noisy_maps, toy_masks):
    twin = noisy_maps.assign_coords(model=["twin"])
    table = evaluate(xr.concat([noisy_maps, twin], "model", coords="different", compat="equals"), toy_masks, draws=30)
    low = table.low_iou.sel(explainer="cam", expression="fear")
    assert float(low.sel(model="net")) == float(low.sel(model="twin"))


@pytest.mark.parametrize(
    ("keep", "subjects", "says"),
    [
        (slice(0, 3), None, "n = 3 images, 2 subjects"),
        (slice(0, 12), ["one"] * 12, "n = 12 images, 1 subject"),
        (slice(0, 8), None, "n = 8 images, 4 subjects"),
        (slice(0, 4), [""] * 4, "n = 4 images, subjects unknown"),
    ],
)
def test_too_few_to_say(noisy_maps, toy_masks, keep, subjects, says):
    maps = noisy_maps.isel(image=keep)
    if subjects:
        maps = maps.assign_coords(subject=("image", subjects))
    cell = at(evaluate(maps, toy_masks, draws=20))
    assert np.isnan(float(cell.low_iou))
    assert np.isfinite(float(cell.iou))
    assert says in str(cell.interval_reason.item())
    assert str(cell.verdict.item()).startswith(f"n too small to call anything significant ({says}")


def test_five_images_of_unknown_people_will_do(noisy_maps, toy_masks):
    cell = at(evaluate(noisy_maps.isel(image=slice(0, 5)).drop_vars("subject"), toy_masks, draws=20))
    assert np.isfinite(float(cell.low_iou))
    assert np.isnan(float(cell.n_subjects))


def test_an_area_threshold_holds_in_every_draw(noisy_maps, toy_masks):
    cell = at(evaluate(noisy_maps, toy_masks, threshold=0.5, draws=20))
    # 18 of 36 pixels against a mask of 18: precision equals recall, draw by draw
    assert float(cell.low_precision) == pytest.approx(float(cell.low_recall))


def test_maps_that_failed_count_neither_in_n_nor_in_the_draws(noisy_maps, toy_masks):
    maps = noisy_maps.copy(deep=True)
    maps[0, 0, 2:] = 1.0  # constant; nobody says so in a status
    cell = at(evaluate(maps, toy_masks, draws=20))
    assert float(cell.n) == 2
    assert "n = 2 images, 1 subject" in str(cell.interval_reason.item())


@pytest.fixture(scope="module")
def two_hundred():
    """200 samples of 30 noisy maps of a blob across three masks: truth, scores, 200 draws, units left out."""
    rng, grid = np.random.default_rng(11), (24, 20)
    y, x = np.mgrid[:24, :20] / 2
    masks = np.stack([(abs(y - 4) < 3) & (abs(x - 4.75) < 4), x < 5, x > 4.5])
    whole = np.ones(grid, bool)
    scores = {name: SCORES[name].value for name in ("iou", "recall", "correlation")}
    base = Ground(masks, whole, whole, None, "otsu", scores)
    blob = np.exp(-0.5 * (((y - 5.75) / 2.5) ** 2 + ((x - 4.75) / 2.5) ** 2))

    def statistics(means):
        own, _ = score_rows(base, means)
        return np.column_stack([*(own[name][:, :2] for name in scores), own["iou"][:, 1] - own["iou"][:, 2]])

    noise = gaussian_filter(rng.normal(size=(4000, *grid)), (0, 2, 2))
    people = np.maximum(blob * rng.gamma(4, 0.25, (4000, 1, 1)) + 0.7 * noise / noise.std(), 0).reshape(4000, -1)
    people /= people.max(axis=1, keepdims=True)
    leaving = leave_out_weights(Units(np.arange(30), "image", np.full(30, "")), np.arange(30), 50)
    runs = []
    for _ in range(200):
        chosen = people[rng.integers(4000, size=30)]
        weights = np.concatenate([np.ones((1, 30)), rng.multinomial(30, np.full(30, 1 / 30), 200), leaving])
        found = statistics(weights @ chosen / weights.sum(axis=1, keepdims=True))
        runs.append((found[0], found[1:201], found[201:]))
    return statistics(people.mean(axis=0, keepdims=True))[0], runs


def test_of_two_hundred_intervals_about_95_in_100_hold_the_truth(two_hundred):
    """Scores and a difference of scores of 30 faces; percentiles of the same draws hold it less often."""
    truth, runs = two_hundred
    held, by_percentiles = np.zeros(7), np.zeros(7)
    for score, drawn, left_out in runs:
        for part, span in ((slice(0, 4), (0, 1)), (slice(4, 7), (-1, 1))):
            found = ends(score[part], drawn[:, part], left_out[:, part], 30, span)
            held[part] += (found.low <= truth[part]) & (truth[part] <= found.high)
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        by_percentiles += (low <= truth) & (truth <= high)
    assert 0.93 <= held.mean() / 200 <= 0.98
    assert held.min() / 200 >= 0.90
    assert by_percentiles.min() / 200 < 0.80


def test_a_true_difference_of_0_is_seldom_above_0(two_hundred):
    """The left half against the right half of what is symmetric, 200 times."""
    truth, runs = two_hundred
    p = [p_above(score[6:], drawn[:, 6:], 30, truth[6], left_out[:, 6:])[0] for score, drawn, left_out in runs]
    assert np.mean(np.array(p) <= 0.05) <= 0.06


def test_a_true_difference_is_found(two_hundred):
    """The first mask overlaps the blob by .2 more than a half of the face does; 30 faces show it in 7 of 10 samples."""
    truth, runs = two_hundred
    assert truth[0] - truth[1] == pytest.approx(0.2, abs=0.005)
    found = [
        p_above(s[:1] - s[1:2], d[:, :1] - d[:, 1:2], 30, left_out=rest[:, :1] - rest[:, 1:2])[0] for s, d, rest in runs
    ]
    assert np.mean(np.array(found) <= 0.05) >= 0.7

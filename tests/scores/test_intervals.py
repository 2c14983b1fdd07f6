"""Intervals over subjects: joint, reproducible, absent where the faces are too few."""

import numpy as np
import pytest
import xarray as xr

from workbench.scores import SCORES, evaluate
from workbench.scores.intervals import ends

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
    from workbench.heatmaps.resampling import draw_weights, units_of

    weights = draw_weights(units_of(noisy_maps), 25, 9).astype(int)
    found = []
    for row in weights:
        images = np.repeat(np.arange(12), row)
        drawn = noisy_maps.isel(image=images).assign_coords(image=[f"{k}" for k in range(len(images))])
        found.append(float(at(evaluate(drawn, toy_masks, intervals=False)).iou))
    cell = at(evaluate(noisy_maps, toy_masks, draws=25, seed=9))
    middle, quantiles = np.arcsin(np.sqrt(float(cell.iou))), np.arcsin(np.sqrt(np.quantile(found, [0.025, 0.975])))
    stretch = np.sqrt(6 / 5) * 2.570582 / 1.959964  # Student's t of 5 degrees of freedom over the normal, 6 people
    high, low = np.sin(np.clip(middle - stretch * (quantiles - middle), 0, np.pi / 2)) ** 2
    assert float(cell.low_iou) == pytest.approx(low, abs=1e-5)
    assert float(cell.high_iou) == pytest.approx(high, abs=1e-5)


def test_about_nine_in_ten_intervals_hold_the_truth(toy_masks):
    """Noise lowers a mean map's correlation with the mask; quantiles of the draws would lower it twice (1 of 10)."""
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
    assert held >= 0.85 * runs


def test_an_interval_mirrors_its_draws_and_stays_in_the_range_of_the_score():
    drawn = np.random.default_rng(0).uniform(0.4, 0.8, (4000, 1))
    low, high = ends(drawn, np.array([0.7]), 10_000, SCORES["iou"].value)
    middle = np.arcsin(np.sqrt(0.7))
    assert low[0] == pytest.approx(np.sin(2 * middle - np.arcsin(np.sqrt(0.79))) ** 2, abs=0.01)
    assert high[0] == pytest.approx(np.sin(2 * middle - np.arcsin(np.sqrt(0.41))) ** 2, abs=0.01)
    low, high = ends(drawn, np.array([0.99]), 5, SCORES["iou"].value)
    assert high[0] == 1
    assert low[0] <= high[0]
    drawn[: len(drawn) // 2 + 1] = np.nan
    assert np.isnan(ends(drawn, np.array([0.7]), 10, SCORES["iou"].value)).all()


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
    assert str(cell.verdict.item()).startswith(f"n too small to say ({says}")


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

"""Random fields as a null model: what is drawn, on which grid, and what cannot be tested."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.measure import block_reduce

from workbench.errors import UsageError
from workbench.heatmaps import otsu
from workbench.heatmaps.folder import read_png
from workbench.scores.block import Block
from workbench.scores.nulls import NULLS, Scored
from workbench.scores.nulls import fields as module
from workbench.scores.registry import SCORES
from workbench.statistics.fields import smooth_fields

field = NULLS["field"].value
GRID = (30, 26)
FAST = ("iou", "precision", "recall", "f1", "correlation", "auc", "relevance_rank")


def scored(values, masks, counted=None, names=FAST, foreground=None):
    counted = np.ones(values.shape, bool) if counted is None else counted
    foreground = (values > np.quantile(values[counted], 0.75)) & counted if foreground is None else foreground
    scores = {name: SCORES[name].value for name in names}
    places = np.argwhere(counted) / values.shape[0]
    block = Block(values[counted][None], foreground[counted][None], masks[:, counted], places)
    return Scored(values, foreground, counted, masks, scores, {n: block.of(s)[0] for n, s in scores.items()})


@pytest.fixture
def heat():
    rng = np.random.default_rng(0)
    return gaussian_filter(rng.standard_normal((90, 86)), 2.5)[30:60, 30:56]


@pytest.fixture
def masks():
    y, x = np.indices(GRID)
    return np.array([y < 10, (abs(y - 20) < 6) & (abs(x - 8) < 6), (x > 12) & (y > 4)])


def test_on_a_small_grid_it_is_the_score_of_every_draw(heat, masks):
    at = scored(heat, masks)
    found = field(at, draws=40, seed=3)
    drawn = np.concatenate(list(smooth_fields(heat, at.counted, 40, 3)))
    brightest = drawn >= np.sort(heat.ravel())[-int(at.foreground.sum())]
    block = Block(drawn, brightest, masks.reshape(3, -1))
    for name in FAST:
        null = block.of(SCORES[name].value)
        np.testing.assert_allclose(found.mean[name], null.mean(axis=0))
        np.testing.assert_allclose(found.upper[name], np.quantile(null, 0.95, axis=0))
        as_good = (null >= at.observed[name] - 1e-12).sum(axis=0)
        np.testing.assert_allclose(found.p[name], (1 + as_good) / 41)
    assert (found.draws, found.enumerated, dict(found.reason)) == (40, False, {})


def test_a_large_map_is_tested_on_means_and_majorities(monkeypatch, heat, masks):
    at = scored(heat, masks)
    monkeypatch.setattr(module, "LONGEST", 10)
    coarse = module._Coarse.of(at)
    means, halves = (block_reduce(np.pad(p, ((0, 0), (0, 1)), mode="edge"), (3, 3), np.mean) for p in (heat, masks[1]))
    np.testing.assert_allclose(coarse.values.reshape(10, 9)[:, :8], means[:, :8])
    assert (coarse.masks[1].reshape(10, 9)[:, :8] == (halves >= 0.5)[:, :8]).all()
    np.testing.assert_allclose(coarse.values[8], heat[:3, 24:].mean())
    assert coarse.area == round(at.foreground.mean() * 90)
    assert np.isfinite(field(at, draws=9).p["iou"]).all()


def test_pixels_that_are_not_counted_do_not_matter(heat, masks):
    y, x = np.indices(GRID)
    oval = ((y - 14.5) / 15) ** 2 + ((x - 12.5) / 13) ** 2 <= 1
    inside = np.where(oval, heat, np.nan)
    first = field(scored(inside, masks, oval), draws=19)
    other = scored(np.where(oval, heat, 99.0), masks & oval, oval)
    second = field(replace(other, values=other.values), draws=19)
    for name in FAST:
        np.testing.assert_array_equal(first.p[name], second.p[name])


def test_the_seed_decides(heat, masks):
    at = scored(heat, masks)
    first, again, other = (field(at, draws=30, seed=s) for s in (1, 1, 2))
    assert (first.mean["iou"] == again.mean["iou"]).all()
    assert (first.mean["iou"] != other.mean["iou"]).any()


def test_a_map_on_its_mask_is_found(heat):
    mask = heat > np.quantile(heat, 0.75)
    found = field(scored(heat, np.array([mask, heat < np.quantile(heat, 0.25)])), draws=199)
    for name in FAST:
        assert found.p[name][0] == 1 / 200
        assert found.p[name][1] > 0.9


def test_less_is_better_where_the_score_says_so(heat, masks):
    at = scored(heat, masks, names=("correlation",))
    distance = replace(SCORES["correlation"].value, best=-1.0, low=-1.0, high=1.0)
    assert distance.sign == -1
    more, less = field(at, draws=99), field(replace(at, scores={"correlation": distance}), draws=99)
    np.testing.assert_allclose(more.p["correlation"] + less.p["correlation"], 1 + 1 / 100)
    assert (less.upper["correlation"] < less.mean["correlation"]).all()


def test_a_score_without_fast_form_has_a_reason(heat, masks):
    found = field(scored(heat, masks, names=("iou", "average_precision")), draws=9)
    assert np.isnan(found.p["average_precision"]).all()
    assert "no fast form" in found.reason["average_precision"]
    assert np.isfinite(found.p["iou"]).all()
    assert set(found.reason) == {"average_precision"}


def test_an_empty_mask_has_no_p(heat, masks):
    found = field(scored(heat, np.array([masks[0], np.zeros(GRID, bool)])), draws=9)
    for name in FAST:
        assert np.isfinite(found.p[name][0])
        assert np.isnan(found.p[name][1])
        assert np.isnan(found.mean[name][1])


def test_too_small_and_constant_maps_have_a_reason(heat, masks):
    few = np.zeros(GRID, bool)
    few[:7, :9] = True
    assert "too few" in field(scored(np.where(few, heat, np.nan), masks, few), draws=9).reason["iou"]
    flat = scored(heat, masks)
    found = field(replace(flat, values=np.full(GRID, 7.0)), draws=9)
    assert "constant" in found.reason["iou"]
    assert np.isnan(found.p["iou"]).all()
    empty = field(replace(flat, foreground=np.zeros(GRID, bool)), draws=9)
    assert "empty" in empty.reason["iou"]


def test_gaps_and_no_draws_are_refused(heat, masks):
    at = scored(heat, masks)
    with pytest.raises(UsageError, match="draws is 0"):
        field(at, draws=0)
    gaps = np.where(heat > heat.mean(), heat, np.nan)
    with pytest.raises(UsageError, match="gaps"):
        field(replace(at, values=gaps))


def test_published_maps_are_tested_on_69_by_56_pixels(published):
    grey = read_png(published / "by_network" / "EfficientNetV2B0_Disgust_heatmap.png").astype(np.uint8)
    names = ("Disgust", "Anger")
    masks = np.array([read_png(published / "ground_truth" / f"{name}_gt.png") > 127 for name in names])
    at = scored(grey.astype(float), masks, foreground=grey > otsu(grey), names=("iou", "correlation"))
    coarse = module._Coarse.of(at)
    assert coarse.domain.shape == (69, 56)
    own, _ = coarse.scores(at.scores, 1, 0)
    np.testing.assert_allclose(own["iou"], at.observed["iou"], atol=0.02)
    found = field(at, draws=199)
    assert found.p["iou"][0] < 0.02
    assert found.p["iou"][1] > 0.05

"""All shifts by FFT against the same shifts one by one; p-values by hand; calibration; the published maps."""

import numpy as np
import pytest
from scipy.stats import binom

from workbench.errors import UsageError
from workbench.heatmaps import otsu
from workbench.heatmaps.folder import load_folder
from workbench.masks import load_masks
from workbench.scores.block import Block
from workbench.scores.centre import centre_blob
from workbench.scores.nulls import NULLS, Scored
from workbench.scores.registry import SCORES, Score
from workbench.statistics.multiplicity import benjamini_hochberg, benjamini_yekutieli
from workbench.statistics.permutation import p_value, upper

NAMES = ("iou", "precision", "recall", "f1", "correlation")
toroidal = NULLS["toroidal"].value
mean_rank = Score(
    lambda *_: np.nan,
    "values",
    1,
    0,
    1,
    sums=lambda inside, total, squares, mask, everything: inside / mask / everything,
    ranks=True,
)
outside = Score(
    lambda *_: np.nan, "foreground", 0, 0, 1, counts=lambda both, foreground, mask, everything: 1 - both / foreground
)
slow = Score(lambda values, foreground, mask: float(values[mask].max()), "values", 1, 0, 1)
SUMS = {e.name: e.value for e in SCORES if e.value.counts or e.value.sums or e.value.weights}
ALL = SUMS | {"mean_rank": mean_rank, "outside": outside, "slow": slow}


def seen(values, foreground, counted, masks, scores):
    values = np.where(np.isfinite(values), values, 0)
    block = Block(values[counted][None], foreground[counted][None], masks[:, counted])
    return {name: block.of(score)[0] for name, score in scores.items()}


def scored(values, foreground, masks, counted=None, scores=ALL):
    counted = np.ones(values.shape, bool) if counted is None else counted
    return Scored(values, foreground, counted, masks, scores, seen(values, foreground, counted, masks, scores))


def one_by_one(given, name):
    """The score (shifts, K) of the map moved by hand; a foreground lost or all over the domain has none."""
    drawn = []
    for y, x in np.ndindex(given.counted.shape):
        values, foreground = (np.roll(a, (y, x), (0, 1)) for a in (given.values, given.foreground))
        row = seen(values, foreground, given.counted, given.masks, {name: given.scores[name]})[name]
        undivided = given.scores[name].counts is not None and len(set(foreground[given.counted].tolist())) < 2
        drawn.append(np.full_like(row, np.nan) if undivided else row)
    return np.array(drawn)


def toy(seed=0, grid=(7, 6), gaps=False):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, grid).astype(float)
    masks = rng.random((3, *grid)) < 0.4
    counted = np.ones(grid, bool)
    if gaps:
        counted[:, -1] = counted[:2, :2] = False
        values[0, :2] = np.nan
    return scored(values, np.nan_to_num(values) > 170, masks, counted)


@pytest.mark.parametrize("gaps", [False, True], ids=["whole grid", "part of it"])
@pytest.mark.parametrize("name", [*SUMS, "mean_rank", "outside"])
@pytest.mark.parametrize("seed", [0, 1])
def test_as_shift_by_shift(name, gaps, seed):
    given = toy(seed, gaps=gaps)
    found = toroidal(given, draws=0, seed=0)
    if gaps and (ALL[name].ranks or ALL[name].weights):
        assert "part of the grid" in found.reason[name]
        assert np.isnan([found.p[name], found.mean[name], found.upper[name]]).all()
        return
    drawn, sign = one_by_one(given, name), given.scores[name].sign
    np.testing.assert_array_equal(drawn[0], given.observed[name])
    assert np.isfinite(drawn[0]).all()
    np.testing.assert_array_equal(found.p[name], p_value(given.observed[name], drawn, enumerated=True, sign=sign))
    np.testing.assert_allclose(found.mean[name], np.nanmean(drawn, axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.upper[name], upper(drawn, sign=sign), rtol=1e-12)
    assert (found.draws, found.enumerated) == (42, True)


def test_a_foreground_shifted_out_of_the_domain_does_not_count():
    counted, foreground = np.zeros((5, 5), bool), np.zeros((5, 5), bool)
    counted[1:3, 1:3] = foreground[1, 1] = True
    found = toroidal(scored(foreground * 255.0, foreground, foreground[None], counted, {"iou": ALL["iou"]}))
    assert found.p["iou"][0] == 1 / 4
    assert found.mean["iou"][0] == 1 / 4
    assert found.draws == 25


def test_p_by_hand():
    foreground = np.zeros((4, 5), bool)
    foreground[1, 1:3] = True
    masks = np.stack([foreground, np.roll(foreground, 2, 0), np.zeros_like(foreground)])
    masks[2, :, 0] = True
    found = toroidal(scored(foreground * 255.0, foreground, masks, scores={"recall": ALL["recall"]}))
    np.testing.assert_allclose(found.p["recall"], [1 / 20, 1, 1])
    np.testing.assert_allclose(found.mean["recall"], [2 / 20, 2 / 20, 2 / 20])
    assert (
        toroidal(scored(foreground * 255.0, foreground, masks, scores={"outside": outside})).p["outside"][0] == 1 / 20
    )


def test_shifts_that_change_nothing_are_ties():
    stripe = np.zeros((6, 8), bool)
    stripe[:, 2:4] = True
    found = toroidal(scored(stripe * 200.0, stripe, stripe[None], scores={n: ALL[n] for n in NAMES}))
    for name in NAMES:
        assert found.p[name][0] == 6 / 48


def test_scores_that_are_no_sums_have_no_p_but_a_reason():
    found = toroidal(toy())
    assert set(found.reason) == {"slow"}
    assert "of sums of values" in found.reason["slow"]
    assert np.isnan(found.p["slow"]).all()


def test_nothing_is_drawn():
    once, again = toroidal(toy(), draws=1, seed=1), toroidal(toy(), draws=999, seed=2)
    for name in NAMES:
        np.testing.assert_array_equal(once.p[name], again.p[name])


def test_what_was_not_observed_is_not_tested():
    given = toy()
    given.observed["iou"][1] = np.nan
    found = toroidal(given)
    for row in (found.p, found.mean, found.upper):
        assert np.isnan(row["iou"]).tolist() == [False, True, False]


def test_an_observation_of_another_map_is_refused():
    given = toy()
    given.observed["f1"][2] += 0.01
    with pytest.raises(UsageError, match=r"the unmoved map has f1 .* with mask 2"):
        toroidal(given)


def test_gaps_among_the_counted_pixels_are_refused():
    given = toy(gaps=True)
    with pytest.raises(UsageError, match="gaps"):
        toroidal(Scored(given.values, given.foreground, np.ones((7, 6), bool), given.masks, given.scores, {}))


def test_a_mask_that_is_empty_in_the_domain_has_no_p_by_recall():
    given = toy()
    given.masks[0] = False
    again = scored(given.values, given.foreground, given.masks, scores={"recall": ALL["recall"]})
    assert np.isnan(toroidal(again).p["recall"]).tolist() == [True, False, False]


def smooth(rng, grid=(32, 28), width=3.0):
    """A stationary Gaussian field on the torus, 8-bit grey."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(grid[0]), np.fft.rfftfreq(grid[1]), indexing="ij"))
    field = np.fft.irfft2(
        np.fft.rfft2(rng.standard_normal(grid)) * np.exp(-2 * (np.pi * width * frequency) ** 2), s=grid
    )
    return np.rint(255 * (field - field.min()) / np.ptp(field))


def test_the_rate_of_false_positives_on_unrelated_stationary_maps():
    rng, runs, scores = np.random.default_rng(0), 200, {n: ALL[n] for n in ("iou", "correlation")}
    p = []
    for _ in range(runs):
        values, other = smooth(rng), smooth(rng)
        mask = other > np.quantile(other, 0.75)
        found = toroidal(scored(values, values > np.quantile(values, 0.75), mask[None], scores=scores))
        p.append([found.p[n][0] for n in scores])
    low, high = binom.interval(0.999, runs, 0.05)
    for rejected in (np.array(p) <= 0.05).sum(axis=0):
        assert low <= rejected <= high
    assert np.abs(np.mean(p, axis=0) - 0.5).max() < 3.3 / np.sqrt(12 * runs)


def test_a_map_that_overlaps_its_mask_is_found():
    rng, runs, found = np.random.default_rng(1), 40, 0
    for _ in range(runs):
        values, other = smooth(rng, width=1.5), smooth(rng, width=1.5)
        mask = values + other > np.quantile(values + other, 0.75)
        given = scored(values, values > np.quantile(values, 0.75), mask[None], scores={"iou": ALL["iou"]})
        found += toroidal(given).p["iou"][0] <= 0.05
    assert found >= 0.95 * runs


@pytest.fixture(scope="module")
def released(published):
    """Maps (12, 6, 275, 224), 8-bit, and masks (6, 275, 224) of the first paper, expressions in one order."""
    heat = load_folder(published / "by_network")
    masks = load_masks(published / "ground_truth")
    maps = heat.isel(explainer=0).sel(expression=masks.names).transpose("model", "expression", "y", "x")
    return maps.values.astype(float), masks.maps.values >= 0.5


def against(grey, masks):
    foreground = grey > otsu(grey.astype(np.uint8))
    return toroidal(scored(grey, foreground, masks, scores={"iou": ALL["iou"]}))


def test_the_published_maps_over_all_61600_shifts(released):
    maps, masks = released
    cells = [against(maps[m, e], masks[[e]]) for m, e in np.ndindex(maps.shape[:2])]
    p, mean, high = (np.array([getattr(c, row)["iou"][0] for c in cells]) for row in ("p", "mean", "upper"))
    assert {c.draws for c in cells} == {61_600}
    assert len(p) == 72
    assert f"{mean.mean():.3f}" == "0.152"
    assert f"{high.mean():.3f}" == "0.358"
    assert f"{p.min():.4f}" == "0.0018"
    assert (p < 0.05).sum() == 15
    assert benjamini_hochberg(p).min() > 0.05
    assert benjamini_yekutieli(p).min() > 0.05


def test_a_blob_that_saw_nothing_is_significant_for_two_masks(released):
    found = against(centre_blob((275, 224)).astype(float), released[1]).p["iou"]
    assert f"{found[1]:.4f}" == "0.0006"
    assert f"{found[3]:.3f}" == "0.004"

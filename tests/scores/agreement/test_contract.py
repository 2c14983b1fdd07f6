"""Every registered score keeps its word: range, best value, order of pixels, NaN, blocks, chance."""

import numpy as np
import pytest

from workbench.heatmaps import threshold
from workbench.scores import SCORES
from workbench.scores.block import Block
from workbench.scores.chance import chance_levels

GRID = (12, 9)
PLACES = np.argwhere(np.ones(GRID)) / GRID[0]
SIZE = len(PLACES)
EVERY = pytest.mark.parametrize("entry", list(SCORES), ids=lambda entry: entry.name)
NO_BEST = {"energy_ratio"}  # unbounded: nothing lies outside the mask where the map is the mask


def value(score, values, foreground, mask):
    return score.function(values, foreground, mask, *([PLACES] if score.takes == "places" else []))


def cases():
    rng = np.random.default_rng(5)
    for kind in (0, 1, 2):
        for share in (0.1, 0.5, 0.9):
            values = rng.random(SIZE) * 255
            values = values if kind == 0 else np.rint(values) if kind == 1 else np.rint(values / 60) * 60
            yield values, threshold(values, 0.3), rng.random(SIZE) < share


@EVERY
def test_it_is_a_float_in_the_stated_range_and_says_what_it_is(entry):
    score = entry.value
    assert entry.summary.endswith(".")
    assert entry.reference
    assert score.takes in ("foreground", "values", "places")
    assert score.low <= score.best <= score.high
    assert score.best in (score.low, score.high)
    for values, foreground, mask in cases():
        found = value(score, values, foreground, mask)
        assert isinstance(found, float)
        assert score.low <= found <= score.high


@EVERY
def test_the_mask_itself_has_the_best_value(entry):
    score = entry.value
    for _, _, mask in cases():
        found = value(score, mask * 255.0, mask, mask)
        if entry.name in NO_BEST:
            assert score.best == np.inf
            assert np.isnan(found)
        else:
            assert found == pytest.approx(score.best, abs=1e-12)


@EVERY
def test_pixels_may_come_in_any_order(entry):
    score, order = entry.value, np.random.default_rng(0).permutation(SIZE)
    rest = [PLACES[order]] if score.takes == "places" else []
    for values, foreground, mask in cases():
        found = score.function(values[order], foreground[order], mask[order], *rest)
        assert found == pytest.approx(value(score, values, foreground, mask), abs=1e-12)


@EVERY
def test_a_score_of_values_does_not_look_at_the_foreground_and_the_other_way_round(entry):
    score = entry.value
    for values, foreground, mask in cases():
        found = value(score, values, foreground, mask)
        if score.takes == "foreground":
            assert value(score, values[::-1], foreground, mask) == found
        else:
            assert value(score, values, ~foreground, mask) == found


@EVERY
def test_what_is_undefined_is_nan_and_never_zero(entry):
    score, (values, foreground, mask) = entry.value, next(cases())
    none = np.zeros(SIZE, bool)
    constant = np.full(SIZE, 80.0)
    missing, infinite = values.copy(), values.copy()
    missing[3], infinite[3] = np.nan, np.inf
    tried = {
        "constant": (constant, threshold(constant), mask),
        "zero": (0 * constant, threshold(0 * constant), mask),
        "empty mask": (values, foreground, none),
        "missing": (missing, foreground, mask),
        "infinite": (infinite, foreground, mask),
    }
    if score.takes == "foreground":
        tried["empty foreground"] = (values, none, mask)
    for what, (v, f, m) in tried.items():
        assert np.isnan(value(score, v, f, m)), what
        assert np.isnan(Block(v[None], f[None], m[None], PLACES).of(score)).all(), what


@EVERY
def test_a_block_is_its_maps_and_masks_one_by_one(entry):
    score, given = entry.value, list(cases())
    values, foreground, masks = (np.stack(part) for part in zip(*given, strict=True))
    masks = np.concatenate([masks, masks[:1], np.zeros((1, SIZE), bool)])  # areas that repeat, and an empty one
    found = Block(values, foreground, masks, PLACES).of(score)
    assert found.shape == (len(values), len(masks))
    assert found.dtype == np.float64
    for b, k in np.ndindex(*found.shape):
        single = value(score, values[b], foreground[b], masks[k])
        assert found[b, k] == pytest.approx(single, abs=1e-12, nan_ok=True)
        alone = Block(values[b : b + 1], foreground[b : b + 1], masks, PLACES).of(score)
        assert alone[0, k] == pytest.approx(single, abs=1e-12, nan_ok=True)


# How far the closed form may lie from the mean over placements, beside the error of that mean: the score at the
# expected overlap is the expected score where it is linear in it; a ratio differs by its spread, average precision by
# its limit, and a distance is never 0 in a finite draw.
BIAS = {"iou": 2e-4, "soft_iou": 2e-5, "energy_ratio": 1e-3, "average_precision": 3e-3, "centre_of_mass": 2e-3}


@EVERY
def test_the_closed_form_is_the_mean_over_independent_placements(entry):
    score, grid, draws = entry.value, (80, 50), 60 if entry.value.costly else 400
    rng = np.random.default_rng(0)
    size = grid[0] * grid[1]
    places = np.argwhere(np.ones(grid)) / grid[0]
    mask = np.zeros(grid, bool)
    mask[10:50, 5:25] = True
    mask, values = mask.ravel(), np.rint(255 * rng.random(size) ** 2)
    foreground = threshold(values, 0.3)
    orders = [rng.permutation(size) for _ in range(draws)]
    drawn = np.array(
        [score.function(values[o], foreground[o], mask, *([places] if score.takes == "places" else [])) for o in orders]
    )
    block = Block(values[None], foreground[None], mask[None], places)
    assert block.chance(score) is not None, "this score has no closed form: leave it out, and say so on its page"
    (expected,) = chance_levels(score, values, foreground, mask[None], places)
    error = drawn.std() / np.sqrt(draws)
    allowed = 4 * error + BIAS.get(entry.name, 1e-9)
    if entry.name == "earth_movers":  # of a draw: the noise of cells of 9 pixels has to be moved as well
        assert expected <= drawn.mean() + 4 * error
        allowed = 0.01 * expected
    assert drawn.mean() == pytest.approx(expected, abs=allowed)


@EVERY
def test_chance_of_what_is_undefined_is_undefined(entry):
    values, foreground, _ = next(cases())
    none = np.zeros((1, SIZE), bool)
    assert np.isnan(Block(values[None], foreground[None], none, PLACES).chance(entry.value)).all()

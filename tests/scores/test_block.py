"""What a block shares between scores, and what it makes of scores written as plain functions."""

import numpy as np
import pytest

from workbench.scores import SCORES
from workbench.scores.block import Block
from workbench.scores.levels import down_the_levels
from workbench.scores.registry import Score, finite, midranks

RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 256, (4, 50))
FOREGROUND = VALUES > 100
MASKS = RNG.random((3, 50)) < 0.4


def test_by_hand():
    values = np.array([[9.0, 1, 0, 0], [0, 0, 1, 9]])
    block = Block(values, values > 0, np.array([[True, True, False, False], [True, False, True, True]]))
    np.testing.assert_allclose(block.of(SCORES["iou"].value), [[1, 1 / 4], [0, 2 / 3]])
    np.testing.assert_allclose(block.of(SCORES["relevance_mass"].value), [[1, 0.9], [0, 1]])
    np.testing.assert_allclose(block.chance(SCORES["iou"].value), [[1 / 3, 1.5 / 3.5]] * 2)
    np.testing.assert_allclose(block.chance(SCORES["relevance_mass"].value), [[1 / 2, 3 / 4]] * 2)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", ["iou", "correlation", "auc", "average_precision", "relevance_rank"])
def test_any_kind_of_number_does(kind, name):
    found = Block(VALUES.astype(kind), FOREGROUND, MASKS).of(SCORES[name].value)
    np.testing.assert_allclose(found, Block(VALUES.astype(float), FOREGROUND, MASKS).of(SCORES[name].value))


def test_a_plain_function_is_asked_for_every_map_and_mask():
    seen = Score(lambda v, f, m: float(v[m].max() - f.sum()), "values", 1, 0, 1)
    found = Block(VALUES, FOREGROUND, MASKS).of(seen)
    assert found.shape == (4, 3)
    assert found[2, 1] == VALUES[2][MASKS[1]].max() - FOREGROUND[2].sum()
    assert Block(VALUES, FOREGROUND, MASKS).chance(seen) is None


def test_a_function_of_places_is_given_them():
    places = RNG.random((50, 2))
    where = Score(lambda v, f, m, at: float(at[m].sum()), "places", 1, 0, 1, even=lambda m, at: float(at[~m].sum()))
    block = Block(VALUES, FOREGROUND, MASKS, places)
    np.testing.assert_allclose(block.of(where), [[places[m].sum() for m in MASKS]] * 4)
    np.testing.assert_allclose(block.chance(where), [[places[~m].sum() for m in MASKS]] * 4)


def test_one_map_with_a_gap_does_not_spoil_the_others():
    values = VALUES.astype(float)
    values[1, 7] = np.nan
    for name in ("iou", "cosine", "auc", "pointing_game", "relevance_rank", "average_precision"):
        found = Block(values, FOREGROUND, MASKS).of(SCORES[name].value)
        assert np.isnan(found[1]).all(), name
        whole = Block(VALUES, FOREGROUND, MASKS).of(SCORES[name].value)
        np.testing.assert_allclose(found[[0, 2, 3]], whole[[0, 2, 3]])


def test_sums_of_long_rows_are_exact():
    count = 300_000
    values = np.full((2, count), 255.0)
    values[:, 0] = 0
    mask = np.arange(count)[None] < 123_457
    found = Block(values, values > 0, mask).of(Score(lambda *a: 0.0, "values", 1, 0, 1, sums=lambda i, *rest: i))
    assert found.ravel().tolist() == [255.0 * 123_456] * 2


def test_the_forms_do_not_depend_on_who_asks_first():
    names = ("auc", "correlation", "iou", "soft_iou")
    first, second = Block(VALUES, FOREGROUND, MASKS), Block(VALUES, FOREGROUND, MASKS)
    forward = {n: first.of(SCORES[n].value) for n in names}
    for n in reversed(names):
        np.testing.assert_array_equal(forward[n], second.of(SCORES[n].value))


def test_infinity_and_nan_become_nan_without_a_warning():
    found = finite(lambda a, b: a / b, [1.0, 0.0, 6.0], [0.0, 0.0, 3.0])
    assert np.isnan(found[:2]).all()
    assert found[2] == 2


def test_ranks_share_ties():
    assert midranks(np.array([[5.0, 5, 1, 9]])).tolist() == [[2.5, 2.5, 1, 4]]


@pytest.mark.parametrize("values", [[3.0, 0, 3, 255, 0], [0.3, -1, 0.3, 9.5, -1], [3e5, 0, 3e5, 1e6, 0]])
def test_levels_are_counted_from_the_brightest_down(values):
    masks = np.array([[True, True, False, True, False], [False] * 5])
    levels, count, inside = down_the_levels(np.array(values), masks)
    assert levels.tolist() == sorted(set(values), reverse=True)
    assert count.tolist() == [1, 3, 5]
    assert inside.tolist() == [[1, 2, 3], [0, 0, 0]]

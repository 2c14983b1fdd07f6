"""Each score on a few pixels, by hand."""

import numpy as np
import pytest

from workbench.scores import SCORES
from workbench.scores.block import Block

FOREGROUND = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
MASK = np.array([0, 1, 1, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
VALUES = np.array([9, 8, 7, 0, 0, 0, 0, 0, 0, 6.0])


def value(name, values, mask, *places, foreground=None):
    values, mask = np.asarray(values, float), np.asarray(mask, bool)
    return SCORES[name].value.function(values, values > 0 if foreground is None else foreground, mask, *places)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("iou", 2 / 5),
        ("precision", 2 / 3),
        ("recall", 1 / 2),
        ("f1", 4 / 7),
        ("cosine", 15 / np.sqrt((81 + 64 + 49 + 36) * 4)),
        ("relevance_mass", 15 / 30),
        ("energy_ratio", (15 / 4) / (15 / 6)),
        ("soft_iou", (15 / 255) / (4 + 15 / 255)),
        ("pointing_game", 0.0),
        ("relevance_rank", 2 / 4),  # the four brightest: 9, 8, 7, 6
        # of 4 × 6 pairs: 8 and 7 are above all but 9 and above 6 (5 each); two zeros tie with four zeros (2 each)
        ("auc", (5 + 5 + 2 + 2) / 24),
        # down the values: 9 (0 of 1), 8 (1 of 2), 7 (2 of 3), 6 (2 of 4), 0 (4 of 10)
        ("average_precision", (1 / 4) * (1 / 2) + (1 / 4) * (2 / 3) + (2 / 4) * (4 / 10)),
    ],
)
def test_ten_pixels(name, expected):
    assert value(name, VALUES, MASK, foreground=FOREGROUND) == pytest.approx(expected)


def test_correlation():
    assert value("correlation", [1, 0], [1, 0]) == pytest.approx(1)
    assert value("correlation", [1, 0], [0, 1]) == pytest.approx(-1)


def test_the_pointing_game_shares_a_tie():
    assert value("pointing_game", [5, 5, 5, 1], [1, 0, 1, 1]) == pytest.approx(2 / 3)
    assert value("pointing_game", [5, 4, 4, 1], [1, 0, 0, 0]) == 1


def test_relevance_rank_shares_a_tie_at_the_last_place():
    # three places: 9 has one, the three 4s share the other two
    assert value("relevance_rank", [9, 4, 4, 4, 1], [1, 1, 0, 0, 1]) == pytest.approx((1 + 2 / 3) / 3)
    assert value("relevance_rank", [9, 4, 4, 4, 1], [1, 1, 1, 1, 1]) == pytest.approx(1)


def test_soft_iou_takes_255_for_one_and_is_the_iou_of_a_map_of_two_values():
    assert value("soft_iou", [255, 51, 0, 102], [1, 1, 0, 0]) == pytest.approx((1 + 0.2) / (2 + 0.4))
    values, mask = np.array([255.0, 255, 0, 0, 0]), np.array([1, 0, 1, 0, 0], bool)
    assert value("soft_iou", values, mask) == value("iou", values, mask) == pytest.approx(1 / 3)


def test_a_ratio_without_heat_outside_is_undefined():
    assert np.isnan(value("energy_ratio", [3, 2, 0, 0], [1, 1, 0, 0]))
    assert np.isnan(value("energy_ratio", [3, 2, 0, 1], [1, 1, 1, 1]))
    assert value("energy_ratio", [0, 0, 1, 3], [1, 1, 0, 0]) == 0


def line(count):
    return np.stack([np.zeros(count), np.arange(count)], axis=1) / count


def test_distances_on_a_line():
    # half of the heat has 2 pixels to go, half of it 4; ten pixels are the height of the grid
    values, mask = np.array([0, 0, 1, 0, 1, 0, 0, 0, 0, 0]), np.arange(10) == 0
    assert value("earth_movers", values, mask, line(10)) == pytest.approx((2 + 4) / 2 / 10)
    assert value("centre_of_mass", values, mask, line(10)) == pytest.approx(3 / 10)


def test_a_centre_may_lie_right_where_the_heat_does_not():
    values, mask = np.array([1, 0, 0, 0, 1.0]), np.arange(5) == 2
    assert value("centre_of_mass", values, mask, line(5)) == pytest.approx(0)
    assert value("earth_movers", values, mask, line(5)) == pytest.approx(2 / 5)


def test_moving_a_mask_as_a_whole_costs_its_way():
    grid = (30, 20)
    places = np.argwhere(np.ones(grid)) / grid[0]
    mask, heat = np.zeros(grid, bool), np.zeros(grid)
    mask[2:12, 3:9], heat[5:15, 7:13] = True, 1
    for name in ("earth_movers", "centre_of_mass"):
        assert value(name, heat.ravel(), mask.ravel(), places) == pytest.approx(np.hypot(3, 4) / 30)


def test_distances_do_not_depend_on_the_resolution():
    found = []
    for factor in (1, 4, 10):
        heat, mask = np.zeros((28, 20)), np.zeros((28, 20), bool)
        heat[3:7, 5:9], mask[11:15, 5:9] = 1, True
        heat, mask = (np.kron(part, np.ones((factor, factor))) for part in (heat, mask))
        places = np.argwhere(np.ones(heat.shape)) / heat.shape[0]
        found.append([value(n, heat.ravel(), mask.ravel() > 0, places) for n in ("earth_movers", "centre_of_mass")])
    np.testing.assert_allclose(found, 8 / 28, rtol=0.02)


def test_the_even_map_is_the_chance_of_a_distance():
    mask, values = np.arange(9) == 0, np.arange(9.0)
    block = Block(values[None], values[None] > 4, mask[None], line(9))
    assert block.chance(SCORES["centre_of_mass"].value)[0] == pytest.approx([4 / 9])
    assert block.chance(SCORES["earth_movers"].value)[0] == pytest.approx([np.arange(9).mean() / 9])

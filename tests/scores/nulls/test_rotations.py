"""The map turned and mirrored, against NumPy's turns; what leaves the domain is lost."""

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.scores.block import Block
from workbench.scores.nulls import Scored
from workbench.scores.nulls.rotations import MOTIONS, rotated
from workbench.scores.registry import SCORES, Score

NAMES = ("iou", "precision", "recall", "f1", "correlation")
AS_NUMPY = {
    "turned 90° left": np.rot90,
    "turned 180°": lambda a: np.rot90(a, 2),
    "turned 90° right": lambda a: np.rot90(a, -1),
    "mirrored left to right": np.fliplr,
    "mirrored upside down": np.flipud,
}
value = Score(lambda values, foreground, mask: float(values[mask].sum()), "values", 1, 0, 1)


def toy(grid, counted=None, scores=None):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, grid).astype(float)
    counted = np.ones(grid, bool) if counted is None else counted
    scores = {name: SCORES[name].value for name in NAMES} if scores is None else scores
    return Scored(values, values > 150, counted, rng.random((2, *grid)) < 0.4, scores, {})


@pytest.mark.parametrize("grid", [(6, 6), (7, 7)])
@pytest.mark.parametrize("motion", MOTIONS)
def test_on_a_square_grid_as_numpy_turns(motion, grid):
    given = toy(grid)
    moved = AS_NUMPY[motion](given.values).reshape(1, -1), AS_NUMPY[motion](given.foreground).reshape(1, -1)
    block = Block(*moved, given.masks.reshape(2, -1))
    for name, score in given.scores.items():
        np.testing.assert_array_equal(rotated(given)[motion][name], block.of(score)[0])


@pytest.mark.parametrize("motion", ["turned 180°", "mirrored left to right", "mirrored upside down"])
def test_no_pixel_is_lost_without_a_quarter_turn(motion):
    given = toy((5, 8))
    block = Block(
        AS_NUMPY[motion](given.values).reshape(1, -1),
        AS_NUMPY[motion](given.foreground).reshape(1, -1),
        given.masks.reshape(2, -1),
    )
    for name, score in given.scores.items():
        np.testing.assert_array_equal(rotated(given)[motion][name], block.of(score)[0])


def pixels(given, motion):
    """The moved map itself, by a mask for every pixel; NaN where nothing is counted."""
    masks = np.eye(given.values.size, dtype=bool).reshape(-1, *given.values.shape)
    found = rotated(Scored(given.values, given.foreground, given.counted, masks, {"v": value}, {}))[motion]["v"]
    return np.where(given.counted, found.reshape(given.values.shape), np.nan)


def test_a_quarter_turn_loses_what_leaves_the_grid_and_has_0_where_nothing_comes_from():
    given = toy((3, 5))
    turned = pixels(given, "turned 90° left")
    assert (turned[:, [0, 4]] == 0).all()
    np.testing.assert_array_equal(turned[:, 1:4], np.rot90(given.values[:, 1:4]))


def test_the_middle_is_that_of_the_domain():
    counted = np.zeros((6, 6), bool)
    counted[0:4, 1:4] = True
    given = toy((6, 6), counted)
    np.testing.assert_array_equal(pixels(given, "mirrored upside down")[:4, 1:4], given.values[3::-1, 1:4])
    np.testing.assert_array_equal(pixels(given, "mirrored left to right")[:4, 1:4], given.values[:4, 3:0:-1])


def test_where_the_map_has_no_data_it_is_0():
    given = toy((4, 4))
    given.values[0, 0], given.foreground[0, 0] = np.nan, False
    assert pixels(given, "turned 180°")[3, 3] == 0


def test_a_foreground_that_is_lost_has_no_score():
    given = toy((3, 9))
    given.foreground[:] = False
    given.foreground[1, 0] = True
    found = rotated(given)
    assert np.isnan(found["turned 90° left"]["iou"]).all()
    assert np.isfinite(found["turned 180°"]["iou"]).all()
    assert np.isfinite(found["turned 90° left"]["correlation"]).all()


def test_nothing_counted_is_refused():
    with pytest.raises(UsageError, match="no pixel is counted"):
        rotated(toy((4, 4), np.zeros((4, 4), bool)))

"""Sums under shifts by FFT against the same sums, shift by shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.errors import UsageError
from workbench.statistics.toroidal import Spectrum, shifted_sums

REPEATABLE = settings(deadline=None, derandomize=True)


def one_by_one(first, second):
    rows, columns = first.shape
    return np.array(
        [[(np.roll(first, (y, x), (0, 1)) * second).sum() for x in range(columns)] for y in range(rows)],
        dtype=np.float64,
    )


grids = st.tuples(st.integers(1, 7), st.integers(1, 7))


@REPEATABLE
@given(st.data())
def test_whole_numbers_are_summed_exactly(data):
    grid = data.draw(grids)
    first = data.draw(arrays(np.int16, grid, elements=st.integers(-300, 300)))
    second = data.draw(arrays(bool, grid))
    assert (shifted_sums(first, second) == one_by_one(first.astype(int), second)).all()


def test_by_hand():
    first, second = np.zeros((3, 4)), np.zeros((3, 4))
    first[0, 0], first[0, 1], second[1, 2] = 1, 5, 1
    assert shifted_sums(first, second).tolist() == [[0, 0, 0, 0], [0, 5, 1, 0], [0, 0, 0, 0]]


def test_fractions_are_not_rounded():
    rng = np.random.default_rng(0)
    first, second = rng.random((6, 5)), rng.random((6, 5)) > 0.5
    np.testing.assert_allclose(shifted_sums(first, second), one_by_one(first, second), atol=1e-12)


@pytest.mark.parametrize("power", [1, 2])
def test_grey_maps_and_their_squares_at_full_size_are_exact(power):
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (275, 224)) ** power
    mask = rng.random((275, 224)) > 0.2
    found = shifted_sums(grey, mask)
    for y, x in [(0, 0), *rng.integers(0, 224, (25, 2))]:
        assert found[y, x] == np.roll(grey, (y, x), (0, 1))[mask].sum()


def test_the_error_before_rounding_is_far_below_the_bound():
    rng = np.random.default_rng(2)
    grey, mask = rng.integers(0, 256, (275, 224)), rng.random((275, 224)) > 0.2
    first, second = Spectrum.of(grey), Spectrum.of(mask)
    raw = shifted_sums(Spectrum(first.grid, first.transform, first.norm, whole=False), second)
    bound = 16 * np.finfo(float).eps * np.log2(grey.size) * np.linalg.norm(grey) * np.linalg.norm(mask)
    assert np.abs(raw - shifted_sums(first, second)).max() < bound / 100 < bound < 1e-5


def test_nothing_is_rounded_that_could_round_to_another_number():
    huge = np.full((4, 5), 1e9)
    huge[0, 0] = 3e9
    found = shifted_sums(huge * 1e3, huge)
    np.testing.assert_allclose(found, one_by_one(huge * 1e3, huge), rtol=1e-12)
    assert Spectrum.of(huge).whole


def test_a_spectrum_serves_as_its_picture():
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 9, (5, 6)), rng.integers(0, 9, (5, 6))
    expected = shifted_sums(first, second)
    assert (shifted_sums(Spectrum.of(first), second) == expected).all()
    assert (shifted_sums(first, Spectrum.of(second)) == expected).all()


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (np.ones((3, 4)), np.ones((4, 3)), "resize one"),
        (np.full((3, 4), np.nan), np.ones((3, 4)), "12 values that are not finite"),
        (np.ones(4), np.ones(4), r"pictures \(y, x\)"),
        (np.ones((0, 4)), np.ones((0, 4)), r"pictures \(y, x\)"),
    ],
)
def test_what_cannot_be_laid_over_each_other_is_refused(first, second, says):
    with pytest.raises(UsageError, match=says):
        shifted_sums(first, second)

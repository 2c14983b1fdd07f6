"""Similarities of two maps against SciPy, scikit-image and numbers by hand."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats
from skimage.metrics import structural_similarity

from workbench.errors import UnknownNameError, UsageError
from workbench.faithfulness.sanity import MEASURES, similarity
from workbench.faithfulness.sanity.similarities import membership, top_by_chance


@pytest.fixture
def pairs():
    stream = np.random.default_rng(0)
    one = stream.normal(size=(5, 9, 11))
    other = 0.5 * one + stream.normal(size=one.shape)
    other[2] = np.round(other[2])  # ties
    return one, other


def test_against_references(pairs):
    one, other = pairs
    for a, b, rho, r in zip(one, other, similarity("spearman", *pairs), similarity("correlation", *pairs), strict=True):
        assert rho == pytest.approx(stats.spearmanr(a.ravel(), b.ravel()).statistic, abs=1e-12)
        assert r == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-12)
    for a, b, s in zip(one, other, similarity("ssim", *pairs), strict=True):
        a, b = ((m - m.min()) / np.ptp(m) for m in (a, b))
        assert s == pytest.approx(structural_similarity(a, b, win_size=7, data_range=1), abs=1e-12)


def test_the_window_shrinks_with_the_map():
    one, other = np.random.default_rng(1).normal(size=(2, 1, 4, 6))
    a, b = ((m[0] - m.min()) / np.ptp(m) for m in (one, other))
    assert similarity("ssim", one, other)[0] == pytest.approx(structural_similarity(a, b, win_size=3, data_range=1))
    assert np.isnan(similarity("ssim", one[:, :2], other[:, :2])).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_equal_maps_are_1_whatever_their_scale(measure, pairs):
    one, _ = pairs
    assert np.allclose(similarity(measure, one, 3 * one + 7), 1)


@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_is_said_of_constant_or_unknown_maps(measure, pairs):
    one, other = (maps.copy() for maps in pairs)
    one[0], other[1], one[2, 3, 3] = 4.0, 0.0, np.nan
    found = similarity(measure, one, other)
    assert np.isnan(found[:3]).all()
    assert np.isfinite(found[3:]).all()


def test_top_by_hand():
    one = np.arange(20.0).reshape(1, 4, 5)  # top tenth: 18 and 19
    other = one.copy()
    other[0, 3, 4] = -1  # now 17 and 18
    assert similarity("top", one, other)[0] == 0.5
    tied = np.zeros((1, 4, 5))
    tied[0, 0, 0] = 1  # one pixel above, nineteen share the other place
    assert membership(tied)[0] == pytest.approx([1] + [1 / 19] * 19)
    assert similarity("top", tied, tied)[0] == 1
    assert similarity("top", one, tied)[0] == pytest.approx((2 / 19) / 2)


def test_chance_of_top_is_the_mean_over_all_orders():
    one, other = np.array([[[3.0, 1, 1, 1]]]), np.array([[[2.0, 2, 0, 1]]])
    orders = [np.array(order).reshape(1, 1, 4) for order in permutations(other.ravel())]
    expected = np.mean([similarity("top", one, order)[0] for order in orders])
    assert top_by_chance(one, other)[0] == pytest.approx(expected)
    clear = np.random.default_rng(0).normal(size=(2, 1, 10, 10))
    assert top_by_chance(clear[0], clear[1])[0] == pytest.approx(0.1)


def test_bad_input(pairs):
    with pytest.raises(UnknownNameError, match="there is no similarity 'pearsn'"):
        similarity("pearsn", *pairs)
    with pytest.raises(UsageError, match="cannot be compared"):
        similarity("ssim", pairs[0], pairs[1][:, :5])

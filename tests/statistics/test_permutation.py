"""p-values and percentiles of null distributions by hand and against SciPy's permutation test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from workbench.statistics.permutation import p_value, resolution, upper

REPEATABLE = settings(deadline=None, derandomize=True)

NULL = [0.1, 0.2, 0.2, 0.3, 0.4]


def test_by_hand():
    assert p_value(0.2, NULL, enumerated=True) == pytest.approx(4 / 5)
    assert p_value(0.2, NULL, enumerated=True, sign=-1) == pytest.approx(3 / 5)
    assert p_value(0.2, NULL, enumerated=False) == pytest.approx(5 / 6)
    assert p_value(9.0, NULL, enumerated=False) == pytest.approx(1 / 6)
    assert p_value([0.4, 0.1], np.array([NULL, NULL]).T, enumerated=True) == pytest.approx([1 / 5, 1])


def test_draws_without_a_value_do_not_count():
    assert p_value(0.3, [*NULL, np.nan, np.inf], enumerated=True) == pytest.approx(2 / 5)
    assert p_value(0.3, [*NULL, np.nan], enumerated=False) == pytest.approx(3 / 6)


@pytest.mark.parametrize("enumerated", [True, False])
def test_nothing_observed_or_nothing_drawn_is_nan(enumerated):
    assert np.isnan(p_value(np.nan, NULL, enumerated=enumerated))
    assert np.isnan(p_value(0.2, [np.nan, np.nan], enumerated=enumerated))
    assert np.isnan(p_value(0.2, [], enumerated=enumerated))


@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_does_not_decide_between_equal_values(sign):
    tenths = [0.1 + 0.2, 0.3, 0.3 - 1e-16, 0.9, -0.9]
    assert len({p_value(seen, tenths, enumerated=True, sign=sign).item() for seen in tenths[:3]}) == 1
    cancelled = [0.1 + 0.2 - 0.3, 0.0, 0.3 - 0.1 - 0.2, 0.5, -0.5]
    assert len({p_value(seen, cancelled, enumerated=True, sign=sign).item() for seen in cancelled[:3]}) == 1


def test_one_huge_draw_does_not_make_the_others_equal():
    assert p_value(2.0, [1.0, 1.5, 2.0, 1e9], enumerated=True) == pytest.approx(2 / 4)


@pytest.mark.parametrize(("alternative", "sign"), [("greater", 1), ("less", -1)])
@pytest.mark.parametrize("draws", [np.inf, 199])
def test_as_scipy_permutes(alternative, sign, draws):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.5, 1, 5), rng.normal(0, 1, 6)
    reference = permutation_test(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        alternative=alternative,
        n_resamples=draws,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    found = p_value(a.mean() - b.mean(), reference.null_distribution, enumerated=np.isinf(draws), sign=sign)
    assert found == pytest.approx(reference.pvalue)


@REPEATABLE
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_every_member_of_an_enumerated_null_is_as_rare_as_its_p_says(null):
    p = np.array([p_value(seen, null, enumerated=True) for seen in null])
    assert p.min() >= resolution(len(null), enumerated=True) - 1e-12
    for alpha in set(p.tolist()):
        assert (p <= alpha).mean() <= alpha + 1e-12


def test_resolution():
    assert resolution(720, enumerated=True) == 1 / 720
    assert resolution(99, enumerated=False) == pytest.approx(0.01)
    assert np.isnan(resolution(0, enumerated=True))


def test_the_95th_percentile_in_the_better_direction():
    null = np.arange(101.0)
    assert upper(null) == 95
    assert upper(null, sign=-1) == pytest.approx(5)
    assert upper(null, level=0.5) == 50


def test_percentiles_leave_out_what_has_no_value():
    null = np.array([[0.0, 1.0], [np.nan, 2.0], [2.0, 3.0]])
    np.testing.assert_allclose(upper(null, level=0.5), [1.0, 2.0])
    np.testing.assert_allclose(upper(np.stack([null, null], axis=2), level=0.5), [[1, 1], [2, 2]])
    assert np.isnan(upper([np.nan])).all()
    assert np.isnan(upper([])).all()

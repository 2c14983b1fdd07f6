"""Adjusted p-values by hand, against statsmodels and SciPy, and against the procedures that they stand for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from workbench.errors import UsageError
from workbench.statistics.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm, least_at_smallest

REPEATABLE = settings(deadline=None, derandomize=True)

ADJUST = {"fdr_bh": benjamini_hochberg, "fdr_by": benjamini_yekutieli, "holm": holm}
tables = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=40)


@pytest.fixture(autouse=True, scope="module")
def _no_collection():
    """statsmodels collects garbage at every call of Holm's method, which takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gc.collect", lambda *_: 0)
        yield


def test_by_hand():
    p = [0.01, 0.04, 0.03, 0.5]
    assert benjamini_hochberg(p) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert benjamini_yekutieli(p) == pytest.approx(np.minimum(np.array([0.04, 0.16 / 3, 0.16 / 3, 0.5]) * 25 / 12, 1))
    assert holm(p) == pytest.approx([0.04, 0.09, 0.09, 0.5])


@pytest.mark.parametrize("method", ADJUST)
@REPEATABLE
@given(p=tables)
def test_as_statsmodels_adjusts(method, p):
    np.testing.assert_allclose(ADJUST[method](p), multipletests(p, method=method)[1], atol=1e-12)


@pytest.mark.parametrize("method", ["bh", "by"])
@REPEATABLE
@given(p=tables)
def test_as_scipy_adjusts(method, p):
    np.testing.assert_allclose(ADJUST[f"fdr_{method}"](p), false_discovery_control(p, method=method), atol=1e-12)


@pytest.mark.parametrize("method", ADJUST)
@REPEATABLE
@given(p=st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=12, max_size=12))
def test_nan_is_no_test_and_the_shape_is_kept(method, p):
    p = np.array(p).reshape(2, 3, 2)
    known = np.isfinite(p)
    found = ADJUST[method](p)
    assert found.shape == p.shape
    assert np.isnan(found[~known]).all()
    if known.any():
        np.testing.assert_allclose(found[known], multipletests(p[known], method=method)[1], atol=1e-12)


@REPEATABLE
@given(p=tables, alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_what_is_at_most_alpha_is_what_the_step_up_procedure_rejects(p, alpha):
    p = np.array(p)
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered * len(p) <= alpha * np.arange(1, len(p) + 1))
    rejected = p <= ordered[passed[-1]] if passed.size else np.zeros(len(p), bool)
    near = np.isclose(ordered * len(p), alpha * np.arange(1, len(p) + 1), rtol=1e-9).any()
    assert near or (rejected == (benjamini_hochberg(p) <= alpha)).all()


@pytest.mark.parametrize("method", ADJUST)
def test_no_tests_and_no_known_tests(method):
    assert ADJUST[method]([]).shape == (0,)
    assert np.isnan(ADJUST[method]([np.nan, np.nan])).all()
    assert ADJUST[method](0.03) == pytest.approx(0.03)


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.inf])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(UsageError, match="between 0 and 1"):
        benjamini_hochberg([0.1, wrong, np.nan])


@pytest.mark.parametrize(
    ("resolution", "tests", "least"),
    [(1 / 720, 72, 2), (1 / 1441, 72, 1), (1 / 101, 72, 15), (0.05, 1, 1), (0.06, 1, 2), (np.nan, 72, 73)],
)
def test_how_many_must_show_the_smallest_p(resolution, tests, least):
    assert least_at_smallest(resolution, tests) == least


@REPEATABLE
@given(tests=st.integers(1, 80), draws=st.integers(5, 3000))
def test_so_many_at_the_smallest_p_are_rejected_and_one_fewer_are_not(tests, draws):
    resolution = 1 / draws
    least = least_at_smallest(resolution, tests)
    for count, expected in ((least, True), (least - 1, False)):
        if 0 < count <= tests:
            p = np.where(np.arange(tests) < count, resolution, 1.0)
            assert bool(benjamini_hochberg(p).min() <= 0.05 + 1e-9) is expected

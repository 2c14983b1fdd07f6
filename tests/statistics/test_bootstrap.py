"""Intervals against SciPy's BCa and by hand; how often they hold the truth; how often a true 0 is called above 0."""

import numpy as np
import pytest
from scipy import stats

from workbench.errors import UsageError
from workbench.statistics.bootstrap import (
    BCA,
    CORRECTED,
    acceleration,
    bca_levels,
    ends,
    jackknife_error,
    p_above,
    shift,
    standard_error,
)


def drawn_of(values, statistic, draws, seed):
    """Statistics of draws with replacement and of all but one of the rows of `values` (n, …)."""
    rng = np.random.default_rng(seed)
    n = len(values)
    drawn = np.array([statistic(values[rng.integers(n, size=n)]) for _ in range(draws)])
    left = np.array([statistic(np.delete(values, i, axis=0)) for i in range(n)])
    return drawn[:, None], left[:, None]


def correlation(pairs):
    return float(np.corrcoef(pairs.T)[0, 1])


@pytest.mark.parametrize(
    ("statistic", "values"),
    [
        (lambda rows: float(rows.mean()), np.random.default_rng(0).gamma(1, 1, (40, 1))),
        (correlation, np.random.default_rng(1).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 40)),
    ],
    ids=["mean", "correlation"],
)
def test_the_levels_are_those_of_scipy(statistic, values):
    """SciPy's own draws, put through our z0, a and levels, give SciPy's interval."""
    reference = stats.bootstrap(
        tuple(values.T),
        lambda *columns: statistic(np.stack(columns, axis=1)),
        n_resamples=999,
        paired=True,
        vectorized=False,
        method="BCa",
        rng=np.random.default_rng(3),
    )
    drawn = reference.bootstrap_distribution
    left = [statistic(np.delete(values, i, axis=0)) for i in range(len(values))]
    levels = bca_levels(shift(statistic(values), drawn), acceleration(left), stats.norm.ppf(0.975))
    np.testing.assert_allclose(np.quantile(drawn, levels), tuple(reference.confidence_interval), rtol=1e-10)


def test_a_known_shift_and_acceleration():
    drawn = np.arange(1000) / 1000
    assert shift(0.8413447 - 0.0005, drawn) == pytest.approx(1, abs=0.002)
    assert shift(-1, drawn) == -np.inf
    # left out: 0, 0, 3; mean 1; u = 1, 1, -2: Σu³ = -6, Σu² = 6
    assert acceleration([0, 0, 3]) == pytest.approx(-6 / (6 * 6**1.5))
    assert acceleration([2, 2, 2]) == 0
    z = stats.norm.ppf(0.975)
    assert bca_levels(0, 0, z) == pytest.approx((0.025, 0.975))
    assert bca_levels(0.1, 0, z) == pytest.approx(stats.norm.cdf([0.2 - z, 0.2 + z]))
    w = 0.1 + z
    assert bca_levels(0.1, 0.05, z)[1] == pytest.approx(stats.norm.cdf(0.1 + w / (1 - 0.05 * w)))


def test_the_jackknife_of_groups_by_hand():
    """Six values in three groups of two: means of the rest are 4.5, 3.5, 2.5; √(2/3 · 2) for them."""
    assert jackknife_error([4.5, 3.5, 2.5]) == pytest.approx(np.sqrt(2 / 3 * 2))
    values = np.random.default_rng(0).normal(size=30)
    ones = [np.delete(values, i).mean() for i in range(30)]
    assert jackknife_error(ones) == pytest.approx(values.std(ddof=1) / np.sqrt(30))
    assert jackknife_error([1.0]) == 0


def test_the_larger_standard_error_counts():
    drawn = np.array([0.0, 2.0, 0.0, 2.0])
    assert standard_error(drawn, [1.0, 1.0, 1.0], 4) == pytest.approx(drawn.std(ddof=1) * np.sqrt(4 / 3))
    assert standard_error(drawn, [0.0, 9.0, 0.0], 4) == pytest.approx(np.sqrt(2 / 3 * 54))


def test_a_mean_of_many_gets_bca_stretched():
    values = np.random.default_rng(4).gamma(2, 1, (40, 1))
    drawn, left = drawn_of(values, lambda rows: float(rows.mean()), 2000, 5)
    found = ends([values.mean()], drawn, left, 40)
    assert found.method.tolist() == [BCA]
    z = np.sqrt(40 / 39) * stats.t.ppf(0.975, 39)
    levels = bca_levels(shift(values.mean(), drawn[:, 0]), acceleration(left[:, 0]), z)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(np.quantile(drawn[:, 0], levels)))


def test_a_biased_statistic_reaches_from_itself_to_its_correction():
    """Draws .1 below the estimate: from .5 to .6, with t·s on either side; on the arcsine scale in a span."""
    drawn = np.array([[0.3], [0.4], [0.5]] * 200)
    left = np.array([[0.5], [0.52], [0.48], [0.5]] * 5)
    s = drawn.std(ddof=1) * np.sqrt(20 / 19)
    reach = stats.t.ppf(0.975, 19) * s
    found = ends([0.5], drawn, left, 20)
    assert found.method.tolist() == [CORRECTED]
    assert (found.low[0], found.high[0]) == pytest.approx((0.5 - reach, 0.6 + reach))
    inside = ends([0.97], drawn, left, 20, (0, 1))
    assert 0 <= inside.low[0] <= 0.97 <= inside.high[0] <= 1
    angle = np.arcsin(np.sqrt(drawn))
    low = np.arcsin(np.sqrt(0.97)) - stats.t.ppf(0.975, 19) * angle.std(ddof=1) * np.sqrt(20 / 19)
    assert inside.low[0] == pytest.approx(np.sin(low) ** 2)


@pytest.mark.parametrize(("units", "method"), [(19, CORRECTED), (20, BCA)])
def test_few_units_get_no_bca(units, method):
    values = np.random.default_rng(1).normal(size=(units, 1))
    drawn, left = drawn_of(values, lambda rows: float(rows.mean()), 1000, 2)
    assert ends([values.mean()], drawn, left, units).method.tolist() == [method]


def test_all_draws_on_one_side_get_no_bca():
    rng = np.random.default_rng(0)
    drawn, left = rng.uniform(0.4, 0.6, (400, 1)), rng.uniform(0.69, 0.71, (30, 1))
    found = ends([0.7], drawn, left, 30, (0, 1))
    assert found.method.tolist() == [CORRECTED]
    assert found.low[0] < 0.7 < 0.9 < found.high[0]


def test_no_interval_where_there_is_nothing_to_draw_from():
    drawn, left = np.random.default_rng(0).normal(size=(100, 3)), np.zeros((10, 3))
    drawn[:51, 1] = np.nan
    found = ends([0.0, 0.0, np.nan], drawn, left, 10)
    assert np.isfinite(found.low).tolist() == [True, False, False]
    assert found.method.tolist() == [CORRECTED, "", ""]
    assert np.isnan(ends([0.0, 0, 0], drawn, left, 1).low).all()
    assert np.isnan(p_above([0.0, 0.0, np.nan], drawn, 10)).tolist() == [False, True, True]
    with pytest.raises(UsageError, match=r"\(3,\), \(100, 2\) and \(10, 3\)"):
        ends([0.0, 0, 0], drawn[:, :2], left, 10)


def test_p_is_that_of_students_t():
    """No bias, the jackknife's error: the t test of a mean."""
    values = np.random.default_rng(3).normal(0.4, 1, (25, 1))
    left = (values.sum() - values) / 24
    error = values.std(ddof=1) / 5
    drawn = values.mean() + np.array([[-0.1], [0.1]] * 200) * error
    p = p_above([values.mean()], drawn, 25, left_out=left)
    assert p[0] == pytest.approx(stats.ttest_1samp(values[:, 0], 0, alternative="greater").pvalue)
    assert p_above([values.mean()], drawn, 25, than=values.mean(), left_out=left)[0] == pytest.approx(0.5)


def test_p_resolves_what_the_draws_cannot():
    drawn = 5 + np.random.default_rng(0).normal(size=(400, 1))
    assert 0 < p_above([5.0], drawn, 60)[0] < 1e-4


def test_draws_that_do_not_vary():
    same = np.full((400, 1), 0.3)
    assert p_above([0.3], same, 30)[0] == pytest.approx(1 / 401)
    assert p_above([0.3], same, 30, than=0.3)[0] == 1
    found = ends([0.3], same, np.full((30, 1), 0.3), 30, (0, 1))
    assert (found.low[0], found.high[0]) == pytest.approx((0.3, 0.3))


def test_the_correction_takes_an_apparent_surplus_away():
    """Estimate .2, draws at .5: noise raises it, without noise it would lie at −.1."""
    drawn = 0.5 + 0.01 * np.random.default_rng(0).normal(size=(400, 1))
    assert p_above([0.2], drawn, 30)[0] > 0.99

"""Random fields as smooth as a map: the variogram by hand, the fit on fields of known smoothness, the draws."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import ks_2samp, multivariate_normal, spearmanr

from workbench.errors import UsageError
from workbench.statistics import fields
from workbench.statistics.fields import Correlation, Variogram, correlation_of, smooth_fields, smooth_orders

GRID = (24, 20)


def oval(grid=GRID):
    y, x = np.indices(grid)
    return ((y - (grid[0] - 1) / 2) / (grid[0] / 2)) ** 2 + ((x - (grid[1] - 1) / 2) / (grid[1] / 2)) ** 2 <= 1


def smooth(sigma, grid=GRID, seed=0):
    rng = np.random.default_rng(seed)
    larger = gaussian_filter(rng.standard_normal((grid[0] + 80, grid[1] + 80)), sigma)
    return larger[40:-40, 40:-40]


def all_draws(values, domain, draws, seed=0):
    return np.concatenate(list(smooth_fields(values, domain, draws, seed)))


def test_the_variogram_is_half_the_mean_squared_difference_of_all_pairs():
    rng = np.random.default_rng(0)
    picture, domain = rng.random((5, 4)), rng.random((5, 4)) > 0.3
    found = Variogram.of(picture, domain)
    for r in range(-4, 5):
        for c in range(-3, 4):
            ends = [
                (picture[y, x] - picture[y + r, x + c]) ** 2 / 2
                for y, x in np.argwhere(domain)
                if 0 <= y + r < 5 and 0 <= x + c < 4 and domain[y + r, x + c]
            ]
            assert found.share[r, c] == pytest.approx(len(ends) / domain.sum())
            if ends:
                assert found.gamma[r, c] == pytest.approx(np.mean(ends), abs=1e-12)
            else:
                assert np.isnan(found.gamma[r, c])


def test_a_slope_has_a_parabola_as_its_variogram():
    y = np.indices((9, 8), dtype=float)[0]
    found = Variogram.of(2 * y, np.ones((9, 8), bool)).gamma
    np.testing.assert_allclose(found[:9, :8], np.broadcast_to(2.0 * y**2, (9, 8)), atol=1e-10)


@pytest.mark.parametrize("sigma", [(1, 1), (2.5, 2.5), (4, 1.5)])
def test_the_lengths_of_smoothed_noise_are_found(sigma):
    found = [correlation_of(smooth(sigma, (68, 56), seed), oval((68, 56))) for seed in range(12)]
    down, across = (np.exp(np.mean([np.log(getattr(f, way)) for f in found])) for way in ("down", "across"))
    assert (down, across) == pytest.approx((2 * sigma[0], 2 * sigma[1]), rel=0.12)  # exp(−d²/4σ²)
    assert np.mean([f.power for f in found]) > 1.85


def test_a_rough_field_of_known_correlation_is_recognised():
    domain = oval()
    places = np.argwhere(domain)
    lag = places[:, None] - places[None]
    covariance = np.exp(-np.hypot(lag[..., 0] / 5, lag[..., 1] / 5))
    found = []
    for z in multivariate_normal(cov=covariance).rvs(40, random_state=0):
        picture = np.zeros(GRID)
        picture[domain] = z
        found.append(correlation_of(picture, domain))
    assert np.median([f.power for f in found]) == pytest.approx(1, abs=0.1)
    assert np.median([np.sqrt(f.down * f.across) for f in found]) == pytest.approx(5, rel=0.25)


def test_white_noise_gives_white_fields():
    domain = np.ones(GRID, bool)
    values = np.random.default_rng(3).random(GRID)
    drawn = all_draws(values, domain, 100).reshape(-1, *GRID)
    for first, second in ((drawn[:, 1:], drawn[:, :-1]), (drawn[:, :, 1:], drawn[:, :, :-1])):
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_draws_hold_exactly_the_values_of_the_map_ties_included():
    domain, values = oval(), np.round(smooth(2) * 20)
    drawn = all_draws(values, domain, 37)
    assert drawn.shape == (37, domain.sum())
    assert (np.sort(drawn, axis=1) == np.sort(values[domain])).all()
    assert len(np.unique(drawn, axis=0)) == 37


def test_draws_depend_on_the_seed_and_not_on_their_number_or_the_block(monkeypatch):
    domain, values = oval(), smooth(2)
    some, more = all_draws(values, domain, 21), all_draws(values, domain, 50)
    assert (more[:21] == some).all()
    assert (all_draws(values, domain, 21, seed=1) != some).any()
    monkeypatch.setattr(fields, "PAIRS_AT_ONCE", 3)
    assert (all_draws(values, domain, 50) == more).all()


def test_what_lies_outside_the_domain_does_not_matter():
    domain, values = oval(), smooth(2)
    other = np.where(domain, values, np.nan)
    assert (all_draws(values, domain, 4) == all_draws(other, domain, 4)).all()


def test_a_growing_change_of_the_values_changes_no_place():
    domain, values = oval(), smooth(2)
    np.testing.assert_array_equal(
        np.argsort(all_draws(np.exp(9 * values), domain, 6)), np.argsort(all_draws(values, domain, 6))
    )


def test_a_map_on_its_side_has_its_lengths_exchanged():
    values = smooth((4, 1.5))
    upright, lying = correlation_of(values, oval()), correlation_of(values.T, oval().T)
    assert (lying.across, lying.down, lying.power) == pytest.approx(
        (upright.down, upright.across, upright.power), rel=0.02
    )
    assert upright.down > upright.across


@pytest.mark.parametrize("correlation", [Correlation(4, 4, 2), Correlation(7, 3, 1.3), Correlation(5, 5, 1)])
def test_fields_have_the_correlation_they_are_drawn_with(correlation):
    domain = oval()
    orders = np.concatenate(list(smooth_orders(correlation, domain, 800, 0)))
    ranks = np.argsort(orders, axis=1)
    places = np.argwhere(domain)
    for lag in ((1, 0), (3, 2), (2, -4), (8, 0)):
        inside = {tuple(p): i for i, p in enumerate(places)}
        ends = [(i, inside[q]) for p, i in inside.items() if (q := (p[0] + lag[0], p[1] + lag[1])) in inside]
        first, second = np.array(ends).T
        variogram = np.mean((ranks[:, first] - ranks[:, second]) ** 2.0)
        expected = _mean_square_difference_of_ranks(correlation, domain, first, second)
        assert variogram == pytest.approx(expected, rel=0.06)


def _mean_square_difference_of_ranks(correlation, domain, first, second):
    """The same of fields by the Cholesky factor of all pixels' covariance."""
    places = np.argwhere(domain)
    lag = places[:, None] - places[None]
    root = np.linalg.cholesky(correlation.at(lag[..., 0], lag[..., 1]) + 1e-8 * np.eye(len(places)))
    z = np.random.default_rng(1).standard_normal((800, len(places))) @ root.T
    ranks = np.argsort(np.argsort(z, axis=1), axis=1)
    return np.mean((ranks[:, first] - ranks[:, second]) ** 2.0)


def test_overlap_with_a_mask_is_spread_as_that_of_exact_fields():
    domain, correlation = oval(), Correlation(8, 5, 1.5)
    places = np.argwhere(domain)
    lag = places[:, None] - places[None]
    root = np.linalg.cholesky(correlation.at(lag[..., 0], lag[..., 1]))
    exact = np.random.default_rng(2).standard_normal((2000, len(places))) @ root.T
    orders = np.concatenate(list(smooth_orders(correlation, domain, 2000, 3)))
    mask, brightest = places[:, 0] < 9, len(places) // 4
    overlaps = [mask[o[:, -brightest:]].sum(axis=1) for o in (orders, np.argsort(exact, axis=1))]
    assert ks_2samp(*overlaps).pvalue > 0.01


def test_no_place_is_preferred():
    domain = oval()
    orders = np.concatenate(list(smooth_orders(Correlation(6, 6, 2), domain, 2000, 0)))
    share = np.bincount(orders[:, -len(orders[0]) // 4 :].ravel(), minlength=len(orders[0])) / len(orders)
    y, x = np.argwhere(domain).T
    assert abs(share[(abs(y - 11.5) < 6) & (abs(x - 9.5) < 5)].mean() - 0.25) < 0.02
    # ranks are taken within the domain, so that pixels at its edge, which fewer resemble, are extreme a little oftener
    assert share.min() > 0.18
    assert share.max() < 0.36


def test_draws_are_as_smooth_as_the_map():
    domain, values = oval((34, 28)), smooth(3, (34, 28))
    want = correlation_of(values, domain)
    found = []
    for row in all_draws(values, domain, 40):
        picture = np.zeros(domain.shape)
        picture[domain] = row
        found.append(correlation_of(picture, domain))
    assert np.exp(np.mean([np.log(f.down) for f in found])) == pytest.approx(want.down, rel=0.2)
    assert spearmanr(row, values[domain]).statistic < 0.999


@pytest.mark.parametrize(
    ("values", "domain", "says"),
    [
        (np.ones(GRID), np.ones(GRID, bool), "constant"),
        (np.full(GRID, np.nan), np.ones(GRID, bool), "no finite value"),
        (np.ones((7, 9)), np.ones((7, 9), bool), "63 pixels"),
        (np.ones((7, 9)), np.ones(GRID, bool), "one grid"),
        (np.random.default_rng(0).random((60, 60)), np.random.default_rng(1).random((60, 60)) < 0.03, "scattered"),
    ],
)
def test_what_has_no_smoothness_is_refused(values, domain, says):
    with pytest.raises(UsageError, match=says):
        next(smooth_fields(values, domain, 5, 0))


def test_no_draws_are_refused():
    with pytest.raises(UsageError, match="draws is 0"):
        next(smooth_fields(smooth(2), oval(), 0, 0))

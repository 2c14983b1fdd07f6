"""The multiscale bootstrap on normal means, where the p-value is known, and on the branches of a tree."""

import numpy as np
import pytest
from scipy import stats

from workbench.comparison import cluster, multiscale
from workbench.comparison.multiscale import SCALES

R = np.array(SCALES)


def test_scales_are_half_to_1_4():
    assert SCALES == (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4)


@pytest.mark.parametrize("mean", [-1.9, -0.3, 0.0, 0.7, 1.6])
def test_a_half_space_has_its_exact_p(mean):
    """Y ~ N(mean, 1), region y ≤ 0: a resample of relative size r falls into it with chance Φ(−y√r), and p is Φ(−y)."""
    found = multiscale(stats.norm.cdf(-mean * np.sqrt(R)), R, 1000)
    assert found.p == pytest.approx(stats.norm.cdf(-mean), abs=1e-9)
    assert found.c == pytest.approx(0, abs=1e-9)
    assert found.v == pytest.approx(mean, abs=1e-9)
    assert found.fit == pytest.approx(1)


@pytest.mark.parametrize(("radius", "dimensions"), [(6.0, 4), (8.0, 10)])
def test_a_ball_has_nearly_its_exact_p_and_the_plain_bootstrap_does_not(radius, dimensions):
    """Region |μ| ≤ radius, observed |y|: exact p is P(|Y| ≥ |y|) for |μ| = radius (non-central χ²)."""
    length = radius + 1.0
    exact = stats.ncx2.sf(length**2, dimensions, radius**2)
    shares = stats.ncx2.cdf(radius**2 * R, dimensions, length**2 * R)
    found = multiscale(shares, R, 1000)
    plain = shares[SCALES.index(1.0)]
    assert found.c > 0
    assert found.p == pytest.approx(exact, abs=0.01)
    assert abs(plain - exact) > 5 * abs(found.p - exact)


def test_pvclusts_formula_step_by_step():
    """Weighted least squares of z on (√r, 1/√r), p = Φ(−(v − c)), its error by the delta method: by NumPy's lstsq."""
    shares, r, draws = np.array([0.62, 0.7, 0.74, 0.8]), np.array([0.5, 0.8, 1.0, 1.4]), 500
    z = -stats.norm.ppf(shares)
    weight = draws * stats.norm.pdf(z) ** 2 / (shares * (1 - shares))
    design = np.stack([r**0.5, r**-0.5], axis=1) * np.sqrt(weight)[:, None]
    (v, c), (squares,), *_ = np.linalg.lstsq(design, z * np.sqrt(weight))
    cov = np.linalg.inv(design.T @ design)
    found = multiscale(shares, r, draws)
    assert (found.v, found.c) == pytest.approx((v, c))
    assert found.p == pytest.approx(stats.norm.cdf(-(v - c)))
    error = stats.norm.pdf(v - c) * np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    assert found.standard_error == pytest.approx(error)
    assert found.fit == pytest.approx(stats.chi2.sf(squares, 2))
    assert found.chosen == pytest.approx(1 - stats.norm.cdf(v - c) / stats.norm.cdf(-c))


def test_p_is_uniform_on_a_flat_border():
    """Means of 25 values from N(0, 1), region mean ≤ 0, resampled for real: P(p ≤ α) is α within its binomial band."""
    rng = np.random.default_rng(5)
    n, trials, draws = 25, 300, 200
    found = []
    for _ in range(trials):
        values = rng.normal(size=n)
        sizes = np.round(R * n).astype(int)
        shares = [(values[rng.integers(n, size=(draws, m))].mean(axis=1) <= 0).mean() for m in sizes]
        found.append(multiscale(shares, sizes / n, draws).p)
    for level in (0.1, 0.5, 0.9):
        low, high = stats.binom.interval(0.999, trials, level)
        assert low <= (np.array(found) <= level).sum() <= high


def test_the_error_is_the_spread_over_draws():
    rng = np.random.default_rng(2)
    shares = stats.norm.cdf(-0.8 * np.sqrt(R))
    fitted = [multiscale(rng.binomial(300, shares) / 300, R, 300) for _ in range(400)]
    spread = np.std([each.p for each in fitted])
    assert np.mean([each.standard_error for each in fitted]) == pytest.approx(spread, rel=0.15)
    assert np.mean([each.fit for each in fitted]) == pytest.approx(0.5, abs=0.07)


def test_branches_that_always_or_never_come_back_have_no_fit():
    always, never = multiscale(np.ones(10), R, 100), multiscale(np.zeros(10), R, 100)
    assert (always.p, never.p) == (1, 0)
    assert np.isnan([always.standard_error, always.v, never.fit]).all()
    assert always.as_dict()["standard_error"] is None
    assert np.isnan(multiscale(np.zeros(10), R, 0).p)


@pytest.fixture
def many(face_maps):
    rng = np.random.default_rng(3)
    taken = face_maps.isel(image=np.arange(24) % 10).assign_coords(
        image=[f"f{k}" for k in range(24)], subject=("image", [f"p{k}" for k in range(24)])
    )
    noise = np.full((5, 1, 1, 1, 1), 0.5)
    noise[:2] = 3.0
    return taken.copy(data=np.maximum(taken.values + rng.normal(size=taken.shape) * noise, 0).astype(np.float32))


def test_branches_of_a_tree(many):
    tree = cluster(many, support="multiscale", draws=40)["fear"]
    plain = cluster(many, draws=40)["fear"]
    assert tree.support[:-1] == plain.support[:-1]
    assert tree.multiscale[-1] is None
    assert tree.units == 24
    for each, share in zip(tree.multiscale[:-1], tree.support[:-1], strict=True):
        assert 0 <= each.p <= 1
        assert each.shares[SCALES.index(1.0)] == share
        assert each.scales == tuple(round(s * 24) / 24 for s in SCALES)
    assert "multiscale" in repr(tree)
    assert len(tree.as_dict()["multiscale"]) == 4


def test_fewer_than_20_units_have_none_and_say_so(face_maps):
    tree = cluster(face_maps, support="multiscale", draws=20)["fear"]
    assert tree.support is not None
    assert tree.multiscale is None
    assert tree.multiscale_reason == "at least 20 subjects are needed, and there are 10"

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


def test_the_fit_is_statsmodels_probit():
    """Counts on (√r, 1/√r) with a probit link: coefficients, error and χ²; p = Φ(−(v − c)) by the delta method."""
    glm = pytest.importorskip("statsmodels.genmod.generalized_linear_model").GLM
    from statsmodels.genmod import families

    held, r, draws = np.array([310, 350, 370, 500]), np.array([0.5, 0.8, 1.0, 1.4]), 500
    design = -np.stack([r**0.5, r**-0.5], axis=1)
    probit = families.Binomial(link=families.links.Probit())
    reference = glm(np.stack([held, draws - held], axis=1), design, family=probit).fit(tol=1e-12)
    (v, c), cov = reference.params, reference.cov_params()
    found = multiscale(held / draws, r, draws)
    assert (found.v, found.c) == pytest.approx((v, c), rel=1e-5)
    assert found.p == pytest.approx(stats.norm.cdf(-(v - c)), rel=1e-6)
    error = stats.norm.pdf(v - c) * np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    assert found.standard_error == pytest.approx(error, rel=1e-4)
    assert found.fit == pytest.approx(stats.chi2.sf(reference.pearson_chi2, 2), rel=1e-4)
    assert found.chosen == pytest.approx(max(0, 1 - stats.norm.cdf(v - c) / stats.norm.cdf(-c)), rel=1e-5)


@pytest.mark.parametrize("small", [(0.98, 0.97), (0.99, 0.99), (0.99, 0.98)])
def test_a_branch_that_only_small_resamples_lose_is_certain(small):
    """Dropping the sizes at which every draw holds it would give p = .08, .76 and .01 here."""
    assert multiscale([*small, *[1.0] * 8], R, 100).p > 0.99


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

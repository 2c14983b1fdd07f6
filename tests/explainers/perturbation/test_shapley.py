"""Shapley values against their definition, and their axioms."""

import numpy as np
import pytest

from workbench.explainers.perturbation import coalitions
from workbench.explainers.perturbation.shapley import shapley_kernel, shapley_orders


def test_all_coalitions_of_ten_features_give_the_exact_values(featured, game, exact):
    features, weights = coalitions.kernel(10, 1024, np.random.default_rng(0))
    values = shapley_kernel(featured(features, weights=weights), game(features))[:, 0]
    assert np.allclose(values, exact, atol=1e-6)
    assert values[0, 9] == pytest.approx(0, abs=1e-6)  # dummy
    assert values[:, 0] == pytest.approx(values[:, 1], abs=1e-6)  # symmetry
    assert exact[0, 4] == pytest.approx(4 / 3)  # a triple is shared among three
    assert exact[0, 0] == pytest.approx(1.5 + 1)  # a pair between two


@pytest.mark.parametrize("samples", [60, 200, 700])
def test_a_sample_of_coalitions_is_efficient_and_close(featured, game, exact, samples):
    features, weights = coalitions.kernel(10, samples, np.random.default_rng(1))
    values = shapley_kernel(featured(features, weights=weights, names=list("abcdefghij")), game(features))[1]
    total = game(np.ones(10)) - game(np.zeros(10))
    assert np.allclose(values.astype(float).sum(1), total, atol=1e-5)
    assert np.abs(values - exact).max() < {60: 0.7, 200: 0.35, 700: 0.12}[samples]


def test_the_regression_is_consistent(featured, game, exact):
    """Its mean over many draws of few samples is the exact value, within four standard errors."""
    found = []
    for seed in range(150):
        features, weights = coalitions.kernel(10, 120, np.random.default_rng(seed))
        found.append(shapley_kernel(featured(features, weights=weights), game(features))[:, 0])
    found = np.array(found)
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - exact) <= 4 * error + 5e-3).all()


def test_an_additive_game_is_solved_by_any_sample_of_full_rank(featured):
    worth = np.array([3.0, -1, 0.5, 0, 2, 2, -4, 1, 0.25, 1, 1, 1])
    features, weights = coalitions.kernel(12, 60, np.random.default_rng(2))
    values = shapley_kernel(featured(features, weights=weights), (features @ worth + 7)[:, None])[0, 0]
    assert np.allclose(values, worth, atol=1e-5)
    features = coalitions.uniform(12, 60, np.random.default_rng(2))
    values = shapley_kernel(featured(features), (features @ worth + 7)[:, None])[0, 0]
    assert np.allclose(values, worth, atol=1e-5)


def test_a_uniform_bank_reweighted_gives_the_same_in_expectation(featured, game, exact):
    found = []
    for seed in range(60):
        features = coalitions.uniform(10, 4000, np.random.default_rng(seed))
        found.append(shapley_kernel(featured(features), game(features))[:, 0])
    found = np.array(found)
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - exact) <= 4 * error + 5e-3).all()
    assert np.allclose(found.sum(2), game(np.ones(10)) - game(np.zeros(10)), atol=1e-5)


def test_fewer_samples_than_features_still_add_up(featured):
    features, weights = coalitions.kernel(30, 10, np.random.default_rng(0))
    scores = (features @ np.arange(30.0))[:, None]
    values = shapley_kernel(featured(features, weights=weights), scores)[0, 0]
    assert values.sum() == pytest.approx(np.arange(30).sum(), rel=1e-5)
    assert np.isfinite(values).all()


def test_orders_are_efficient_and_unbiased(featured, game, exact):
    total = game(np.ones(10)) - game(np.zeros(10))
    found = []
    for seed in range(200):
        features, orders = coalitions.permutations(10, 80, np.random.default_rng(seed))
        values = shapley_orders(featured(features, orders=orders), game(features))[:, 0]
        assert np.allclose(values.sum(1), total, atol=1e-5)
        assert np.allclose(values[0, 9], 0, atol=1e-6)  # a dummy gains nothing anywhere
        found.append(values)
    found = np.array(found)
    error = found.std(0) / np.sqrt(len(found))
    assert (np.abs(found.mean(0) - exact) <= 4 * error + 1e-6).all()


def test_orders_by_hand(featured):
    """Two players, v = a + 10 ab: a enters first in one order, last in its reverse."""
    features, orders = coalitions.permutations(2, 4, np.random.default_rng(0))
    scores = (features[:, 0] + 10.0 * features[:, 0] * features[:, 1])[:, None]
    assert np.allclose(shapley_orders(featured(features, orders=orders), scores), [[[6, 5]]])


def test_orders_of_a_whole_table_are_solved_exactly(featured, game, exact):
    features, weights = coalitions.kernel(10, 1024, np.random.default_rng(0))
    assert np.allclose(shapley_orders(featured(features, weights=weights), game(features))[:, 0], exact, atol=1e-6)


def test_pairs_lower_the_error(featured, game, exact):
    """Antithetic orders against independent ones of the same number."""
    paired, single = [], []
    for seed in range(60):
        features, orders = coalitions.permutations(10, 120, np.random.default_rng(seed))
        paired.append(shapley_orders(featured(features, orders=orders), game(features))[:, 0] - exact)
        stream = np.random.default_rng(1000 + seed)
        orders = stream.random(orders.shape).argsort(1)
        steps = (orders.argsort(1)[:, None] < np.arange(1, 10)[None, :, None]).astype(np.uint8)
        features = np.concatenate([np.ones((1, 10)), np.zeros((1, 10)), steps.reshape(-1, 10)])
        single.append(shapley_orders(featured(features, orders=orders), game(features))[:, 0] - exact)
    assert np.square(paired).mean() < 0.7 * np.square(single).mean()

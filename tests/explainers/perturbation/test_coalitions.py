"""Which features are shown in which sample."""

from itertools import product
from math import comb

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.explainers.perturbation import coalitions


def test_uniform_shows_all_then_nothing_then_halves():
    features = coalitions.uniform(24, 2000, np.random.default_rng(0))
    assert features.shape == (2000, 24)
    assert features[0].all()
    assert not features[1].any()
    assert set(np.unique(features)) == {0, 1}
    assert abs(features[2:].mean() - 0.5) < 5 * 0.5 / np.sqrt(1998 * 24)


def test_every_coalition_once_where_there_is_room():
    features, weights = coalitions.kernel(6, 64, np.random.default_rng(0))
    assert sorted(map(tuple, features)) == sorted(product((0, 1), repeat=6))
    assert features[0].all()
    assert not features[1].any()
    for row, weight in zip(features[2:], weights[2:], strict=True):
        size = row.sum()
        assert weight == pytest.approx(5 / (comb(6, size) * size * (6 - size)))
    assert (weights[:2] == 0).all()


def test_outer_sizes_are_whole_and_the_rest_comes_in_pairs_of_complements():
    features, weights = coalitions.kernel(12, 400, np.random.default_rng(0))
    sizes = features.sum(1)
    assert len(features) <= 400
    whole = features[2 : 2 + 24]
    assert len({tuple(row) for row in whole}) == 24
    assert set(whole.sum(1)) == {1, 11}
    drawn = features[26:] if sizes[26] not in (2, 10) else features[26 + 2 * comb(12, 2) :]
    assert (drawn[0::2] + drawn[1::2] == 1).all()
    assert not set(drawn.sum(1)) & {0, 1, 11, 12}
    # the weight of every size, over its samples, is that of the Shapley kernel in expectation
    kernel = {size: 11 / (size * (12 - size)) for size in range(1, 12)}
    assert weights[sizes == 1].sum() == pytest.approx(kernel[1])
    assert weights[2:].sum() == pytest.approx(sum(kernel.values()))
    many = [coalitions.kernel(12, 400, np.random.default_rng(seed)) for seed in range(60)]
    for size in (4, 6):
        mean = np.mean([w[f.sum(1) == size].sum() for f, w in many])
        assert mean == pytest.approx(kernel[size], rel=0.06)


def test_members_of_a_size_are_drawn_evenly():
    shown = np.zeros(9)
    for seed in range(40):
        features, _ = coalitions.kernel(9, 100, np.random.default_rng(seed))
        shown += features[2:].mean(0)
    assert np.allclose(shown / 40, 0.5, atol=1e-12)  # every sample has its complement


@pytest.mark.parametrize("samples", [4, 5, 6, 17])
def test_few_samples_are_kept_to(samples):
    features, weights = coalitions.kernel(20, samples, np.random.default_rng(0))
    assert len(features) == len(weights) == 2 + (samples - 2) // 2 * 2


@pytest.mark.parametrize("players", [1, 2, 3])
def test_small_games(players):
    features, weights = coalitions.kernel(players, 8, np.random.default_rng(0))
    assert len(features) == 2**players == len(weights)
    features, orders = coalitions.permutations(players, 8, np.random.default_rng(0))
    assert len(features) == 2 + len(orders) * (players - 1)


def test_permutations_add_one_feature_at_a_time_and_come_with_their_reverse():
    features, orders = coalitions.permutations(7, 100, np.random.default_rng(3))
    assert len(orders) == 2 * (98 // 12)
    assert len(features) == 2 + len(orders) * 6 <= 100
    assert (orders[0::2] == orders[1::2, ::-1]).all()
    assert (np.sort(orders) == np.arange(7)).all()
    for order, steps in zip(orders, features[2:].reshape(-1, 6, 7), strict=True):
        for number, row in enumerate(steps, 1):
            assert set(np.flatnonzero(row)) == set(order[:number])


def test_in_turn():
    assert coalitions.in_turn(3).tolist() == [[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_too_few_samples_are_refused():
    with pytest.raises(UsageError, match="samples=3 is too few; give 4 or more"):
        coalitions.kernel(5, 3, np.random.default_rng(0))

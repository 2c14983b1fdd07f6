"""Scenes and games: a plan's answers without a network."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.explainers.perturbation.plan import Plan, Scene


@pytest.fixture(scope="session")
def picture():
    """A picture whose superpixels are plain to see: noise over a 4 × 5 chequer of colours."""
    stream = np.random.default_rng(11)
    blocks = stream.integers(20, 235, (4, 5, 3)).repeat(10, 0).repeat(8, 1)
    return np.clip(blocks + stream.normal(0, 4, blocks.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def scene(picture):
    def make(seed=0, shown=None, **callables):
        return Scene(picture if shown is None else shown, np.random.default_rng(seed), **callables)

    return make


@pytest.fixture(scope="session")
def featured():
    """A plan of features alone: each is a pixel of one row."""

    def make(features, **more):
        players = features.shape[1]
        return Plan((1, players), len(features), None, features=features, regions=np.arange(players)[None], **more)

    return make


@pytest.fixture(scope="session")
def game():
    """Ten players with main effects, pairs and a triple; player 9 does nothing; 0 and 1 are interchangeable."""

    def worth(coalition):
        z = np.asarray(coalition, float)
        main = z @ np.array([1.5, 1.5, -2.0, 0.25, 0.0, 3.0, -0.5, 1.0, 0.75, 0.0])
        pairs = 2 * z[..., 0] * z[..., 1] - 1.5 * z[..., 2] * z[..., 5] + 0.5 * z[..., 3] * z[..., 6]
        return np.stack([main + pairs + 4 * z[..., 4] * z[..., 7] * z[..., 8], np.tanh(main / 2) + pairs - 3], -1)

    return worth


@pytest.fixture(scope="session")
def exact(game):
    """Shapley values (2, 10) of the game by their definition: a sum over all coalitions without the player."""
    from itertools import combinations
    from math import factorial

    players = 10
    values = np.zeros((players, 2))
    for player in range(players):
        others = [other for other in range(players) if other != player]
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            for chosen in combinations(others, size):
                without = np.zeros(players)
                without[list(chosen)] = 1
                joined = without.copy()
                joined[player] = 1
                values[player] += weight * (game(joined) - game(without))
    return values.T

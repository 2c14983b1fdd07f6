"""Coalitions: which of P features are shown in which sample, as 0/1 tables of few bytes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np

from workbench.errors import UsageError


def uniform(players: int, samples: int, stream: np.random.Generator) -> np.ndarray:
    """Each feature shown with probability one half: (samples, P) uint8; the first shows all, the second nothing."""
    check_samples(samples, 3)
    features = stream.integers(0, 2, (samples, players), dtype=np.uint8)
    features[0], features[1] = 1, 0
    return features


def in_turn(players: int) -> np.ndarray:
    """All shown, then each feature hidden alone: (P + 1, P) uint8."""
    return np.concatenate([np.ones((1, players)), 1 - np.eye(players)]).astype(np.uint8)


def kernel(players: int, samples: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coalitions (count, P) uint8 and their weights (count,) for a Shapley regression, count ≤ max(samples, 4).

    All 2^P where so many samples are allowed: the regression is then exact. Otherwise sizes are taken whole from the
    outside (1 and P − 1, 2 and P − 2, …) as long as their share of the samples suffices, and the rest is drawn from
    the Shapley kernel in pairs of a coalition and its complement, which lowers the variance (Covert & Lee 2021). The
    first sample shows all, the second nothing; both have weight 0, being constraints.
    """
    check_samples(samples, 4)
    everything, nothing = np.ones((1, players), np.uint8), np.zeros((1, players), np.uint8)
    whole = 2**players <= samples
    budget, tables, weights = samples - 2, [everything, nothing], [np.zeros(2)]
    sizes = list(range(1, players // 2 + 1))
    share = {size: _mass(players, size) for size in sizes}
    left = sum(share.values())
    while sizes:
        size = sizes[0]
        number = comb(players, size) * (1 if 2 * size == players else 2)
        if not whole and (number > budget or budget * share[size] < number * left):
            break
        tables.append(_of_sizes(players, size))
        weights.append(np.full(number, share[size] / number))
        budget, left = budget - number, left - share[size]
        sizes.pop(0)
    pairs = budget // 2
    if sizes and pairs:
        probability = np.array([share[size] for size in sizes]) / left
        chosen = stream.choice(np.array(sizes), pairs, p=probability / probability.sum())
        order = stream.random((pairs, players)).argsort(1).argsort(1)
        half = (order < chosen[:, None]).astype(np.uint8)
        tables.append(np.stack([half, 1 - half], 1).reshape(-1, players))
        weights.append(np.full(2 * pairs, left / (2 * pairs)))
    return np.concatenate(tables), np.concatenate(weights)


def permutations(players: int, samples: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features entering one by one: coalitions (2 + K (P − 1), P) uint8 and the K orders (K, P) they enter in.

    Orders come in pairs of one and its reverse (antithetic), as many as `samples` allow and at least one pair. The
    first sample shows all, the second nothing; then the first 1 … P − 1 features of each order.
    """
    check_samples(samples, 4)
    pairs = max(1, (samples - 2) // max(1, 2 * (players - 1)))
    half = stream.random((pairs, players)).argsort(1)
    orders = np.stack([half, half[:, ::-1]], 1).reshape(-1, players)
    entered = orders.argsort(1)  # place of each feature in its order
    steps = (entered[:, None, :] < np.arange(1, players)[None, :, None]).astype(np.uint8)
    ends = np.stack([np.ones(players, np.uint8), np.zeros(players, np.uint8)])
    return np.concatenate([ends, steps.reshape(-1, players)]), orders


def check_samples(samples: int, least: int) -> None:
    """UsageError for fewer samples than a design can do with."""
    if samples < least:
        raise UsageError(f"option samples={samples} is too few; give {least} or more")


def at_least(least: int) -> Callable[[int], None]:
    """A check of the option `samples`; see `checked`."""

    def check(samples: int) -> None:
        check_samples(samples, least)

    return check


def _mass(players: int, size: int) -> float:
    """Share of the Shapley kernel on coalitions of `size` and of P − size together (Lundberg & Lee 2017)."""
    return (1 if 2 * size == players else 2) * (players - 1) / (size * (players - size))


def _of_sizes(players: int, size: int) -> np.ndarray:
    """Every coalition of `size` features, and of P − size."""
    chosen = np.array(list(combinations(range(players), size)))
    table = np.zeros((len(chosen), players), np.uint8)
    np.put_along_axis(table, chosen, 1, 1)
    return table if 2 * size == players else np.concatenate([table, 1 - table])

"""Shapley values of the features shown: by the kernel regression, and along permutations."""

from __future__ import annotations

import numpy as np

from workbench.explainers.perturbation.plan import Estimate, Plan


def shapley_kernel(plan: Plan, scores: np.ndarray) -> Estimate:
    """Shapley values by weighted least squares on coalitions, under the constraint that they add up.

    Lundberg & Lee 2017, theorem 2: minimise Σ_S π(S) (f(S) − f(∅) − Σ_{p∈S} φ_p)² subject to Σ φ_p = f(all) − f(∅),
    which holds to the last digits. Exact where the plan has all 2^P coalitions. Of samples drawn uniformly, each counts
    π(S) = 1 / (C(P, |S|) |S| (P − |S|)): consistent, but not equal sample for sample, and with some five times the
    error (measured on a smooth game of 24 features, 1,000 samples). Too few samples for P unknowns give the solution
    that is nearest to equal shares. Every pixel gets its region's value.
    """
    from scipy.linalg import helmert

    features, answers = _game(plan, scores)
    players = features.shape[1]
    shown = features.sum(1)
    inner = (shown > 0) & (shown < players)
    nothing = answers[shown == 0].mean(0)
    worth = answers[shown == players].mean(0) - nothing
    equal = worth / players
    values = np.broadcast_to(equal, (players, len(equal))).copy()
    if inner.any() and players > 1:
        table, sizes = features[inner], shown[inner]
        root = np.sqrt(_kernel(sizes, players) if plan.weights is None else plan.weights[inner])[:, None]
        basis = helmert(players).T  # orthonormal, of the shares that add up to nothing: (P, P − 1)
        rest = answers[inner] - nothing - sizes[:, None] * equal
        values += basis @ np.linalg.lstsq(root * (table @ basis), root * rest, rcond=None)[0]
    return plan.answer(values.T)


def shapley_orders(plan: Plan, scores: np.ndarray) -> Estimate:
    """Shapley values as mean gains of the score when a feature enters, over orders of entering.

    Castro et al. 2009 and Štrumbelj & Kononenko 2010, with each order and its reverse (antithetic, Mitchell et al.
    2022): unbiased, and adding up to f(all) − f(∅) exactly. A plan of all coalitions is solved exactly instead.
    """
    if plan.orders is None:
        return shapley_kernel(plan, scores)
    features, answers = _game(plan, scores)
    players, targets = features.shape[1], answers.shape[1]
    orders = plan.orders
    path = np.empty((len(orders), players + 1, targets))
    path[:, 0], path[:, -1] = answers[1], answers[0]
    path[:, 1:-1] = answers[2:].reshape(len(orders), players - 1, targets)
    gains = np.diff(path, axis=1)
    values = np.zeros((players, targets))
    np.add.at(values, orders.ravel(), gains.reshape(-1, targets))
    return plan.answer(values.T / len(orders))


def _game(plan: Plan, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coalitions (count, P) and their scores (count, T), float64."""
    if plan.features is None:
        raise ValueError("Shapley values need a design with features")
    return plan.features.astype(np.float64), np.asarray(scores, np.float64)


def _kernel(sizes: np.ndarray, players: int) -> np.ndarray:
    """Shapley kernel of coalitions of these sizes, up to a factor: its largest value is 1."""
    from scipy.special import gammaln

    binomial = gammaln(players + 1) - gammaln(sizes + 1) - gammaln(players - sizes + 1)
    logarithm = -binomial - np.log(sizes * (players - sizes))
    result: np.ndarray = np.exp(logarithm - logarithm.max())
    return result

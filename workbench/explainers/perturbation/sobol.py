"""Sobol: how much of the score's variance goes away when a cell of a grid is known."""

from __future__ import annotations

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation.grids import cell_plan
from workbench.explainers.perturbation.plan import Estimate, Plan, Scene


def _check_draws(draws: int) -> None:
    if draws < 2 or draws & (draws - 1):
        raise UsageError(f"option draws={draws} must be a power of two of at least 2, such as 32")


@checked(_check_draws)
def sobol_grids(scene: Scene, *, grid: int = 8, draws: int = 32) -> Plan:
    """Soft masks on a grid × grid, drawn so that one cell differs: A, B, and A with each cell in turn taken from B.

    Fel et al. 2021: quasi-random points of a Sobol sequence in 2 grid² dimensions (halves A and B), here
    shifted at random (modulo 1) for each face; draws (grid² + 2) samples. draws: a power of two, for balance. Raises
    UsageError for another.
    """
    from scipy.stats import qmc

    _check_draws(draws)
    features = grid**2
    points = qmc.Sobol(2 * features, scramble=False).random(draws)
    points = (points + scene.stream.random(2 * features)) % 1
    first, second = points[:, :features], points[:, features:]
    mixed = np.repeat(first[None], features, 0)
    places = np.arange(features)
    mixed[places, :, places] = second.T
    return cell_plan(scene, np.concatenate([first, second, mixed.reshape(-1, features)]), (grid, grid))


def sobol_total(plan: Plan, scores: np.ndarray) -> Estimate:
    """Total Sobol index of each cell: the share of the score's variance that it has a part in, interactions included.

    Jansen 1999, as in Fel et al. 2021: S_T = Σ_j (f(A_j) − f(C_j))² / (2 N V), V the variance over A and
    B. From 0 upwards, unsigned: it says that a cell matters, not which way. 0 for a score that never changes.
    """
    if plan.features is None:
        raise ValueError("Sobol indices need the design of sobol_grids")
    features = plan.features.shape[1]
    answers = np.asarray(scores, np.float64)
    draws = plan.count // (features + 2)
    first, mixed = answers[:draws], answers[2 * draws :].reshape(features, draws, -1)
    variance = answers[: 2 * draws].var(0, ddof=1)
    changed = 0.5 * ((first - mixed) ** 2).mean(1)
    return plan.answer(np.divide(changed, variance, out=np.zeros_like(changed), where=variance != 0).T)

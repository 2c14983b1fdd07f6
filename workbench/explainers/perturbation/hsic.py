"""HSIC: how much the score depends on whether a cell of a grid is shown."""

from __future__ import annotations

import numpy as np

from workbench.explainers.explainer import checked
from workbench.explainers.perturbation.coalitions import at_least, check_samples
from workbench.explainers.perturbation.grids import cell_plan
from workbench.explainers.perturbation.plan import Estimate, Plan, Scene


@checked(at_least(4))
def binary_grids(scene: Scene, *, samples: int = 1000, grid: int = 7) -> Plan:
    """Cells of a grid × grid shown or hidden, each in half of the samples (Latin hypercube of two levels).

    Novello et al. 2022.
    """
    check_samples(samples, 4)
    half = np.arange(samples)[:, None] % 2
    features = scene.stream.permuted(np.broadcast_to(half, (samples, grid**2)), axis=0)
    return cell_plan(scene, features.astype(np.uint8), (grid, grid))


def hsic(plan: Plan, scores: np.ndarray) -> Estimate:
    """Hilbert–Schmidt independence criterion between a cell's being shown and the score.

    Novello et al. 2022: tr(K H L H) / (n − 1)², K the Dirac kernel of the cell, L a Gaussian kernel of the
    score, here with the median distance between scores as its width (median heuristic; the published code takes the
    median score, which a logit's offset would change). From 0 upwards, unsigned. 0 for a score that never changes.
    """
    if plan.features is None:
        raise ValueError("HSIC needs a design with features")
    centred = plan.features - plan.features.mean(0)
    values = np.empty((scores.shape[1], centred.shape[1]))
    above = np.triu_indices(plan.count, 1)
    for target, answers in enumerate(np.asarray(scores, np.float64).T):
        distance = np.abs(answers[:, None] - answers[None])
        width = np.median(distance[above])
        if width == 0:  # more than half of the scores are equal
            width = distance.max() or 1.0
        kernel = np.exp(-0.5 * (distance / width) ** 2)
        # the Dirac kernel z zᵀ + (1 − z)(1 − z)ᵀ, centred, is twice the outer product of the centred z
        values[target] = 2 * np.einsum("ip,ip->p", centred, kernel @ centred)
    return plan.answer(values / (plan.count - 1) ** 2)

"""Estimators: from the answers of the network to a map.

An estimator maps a `Plan` and scores (count, T), one column per class, to maps (T, H, W) float32. It is told nothing
else, so it serves any number of classes at once.
"""

from __future__ import annotations

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.perturbation.designs import Plan

CHUNK = 128


def mean(plan: Plan, scores: np.ndarray) -> np.ndarray:
    """Mean score of the samples weighted by how much of a pixel they show, over the mask's expected value.

    Petsiuk et al. 2018, eq. 6: S(λ) = 1 / (N E[M]) Σ_i f(I ⊙ M_i) M_i(λ). An offset of the scores becomes an offset
    of the map, so that it is made for probabilities: a logit's zero means nothing.
    """
    return (_weighted(plan, scores) / (plan.count * plan.expected)).astype(np.float32)


def drop(plan: Plan, scores: np.ndarray) -> np.ndarray:
    """Mean fall of the score over the samples that hide a pixel; the plan's first sample hides nothing.

    Zeiler & Fergus 2014, section 4.2; overlapping windows are averaged. Positive where hiding hurts.
    """
    fall = scores[:1] - scores
    hidden = fall.sum(0)[:, None, None] - _weighted(plan, fall)
    often = plan.count - _weighted(plan, np.ones((plan.count, 1)))
    return np.divide(hidden, often, out=np.zeros_like(hidden), where=often > 1e-9).astype(np.float32)


def ridge(plan: Plan, scores: np.ndarray, *, kernel_width: float = 0.25, alpha: float = 1.0) -> np.ndarray:
    """Coefficients of a ridge regression of the score on the regions shown, near samples weighing more.

    Ribeiro et al. 2016 as in the lime package: cosine distance d to the sample that shows all, weight
    sqrt(exp(−d² / kernel_width²)), unpenalised intercept, penalty `alpha`. Every pixel gets its region's coefficient.
    """
    if plan.features is None or plan.regions is None:
        raise UsageError("a ridge regression needs a design with regions; use superpixels")
    if kernel_width == 0:
        raise UsageError("option kernel_width=0 leaves no sample any weight; give a number such as 0.25")
    shown = plan.features.astype(np.float64)
    distance = 1 - np.sqrt(shown.mean(1))  # cosine distance of a 0/1 vector to all ones; 1 where nothing is shown
    weight = np.sqrt(np.exp(-(distance**2) / kernel_width**2))
    answers = np.asarray(scores, np.float64)
    centred = shown - np.average(shown, axis=0, weights=weight)
    rest = answers - np.average(answers, axis=0, weights=weight)
    gram = centred.T @ (weight[:, None] * centred) + alpha * np.eye(shown.shape[1])
    coefficients = np.linalg.lstsq(gram, centred.T @ (weight[:, None] * rest), rcond=None)[0]
    return coefficients.T[:, plan.regions].astype(np.float32)


def _weighted(plan: Plan, weights: np.ndarray) -> np.ndarray:
    """Σ_i w_i mask_i for every column of weights (count, T), streamed → (T, H, W) float64."""
    import torch

    total = torch.zeros(weights.shape[1], plan.size[0] * plan.size[1], dtype=torch.float64)
    columns = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32)).T
    for part, masks in plan.chunks(CHUNK):
        total += columns[:, part] @ masks.flatten(1)
    result: np.ndarray = total.reshape(-1, *plan.size).numpy()
    return result

"""Estimators that average scores: mean (RISE), drop (occlusion), rise, and marginals (Banzhaf values)."""

from __future__ import annotations

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation.plan import Estimate, Plan

CHUNK = 128


def mean(plan: Plan, scores: np.ndarray) -> Estimate:
    """Mean score of the samples weighted by how much of a pixel they show, over the mask's expected value.

    Petsiuk et al. 2018, eq. 6: S(λ) = 1 / (N E[M]) Σ_i f(I ⊙ M_i) M_i(λ). An offset of the scores becomes an offset
    of the map, so that it is made for probabilities: a logit's zero means nothing.
    """
    return (_weighted(plan, scores) / (plan.count * plan.expected)).astype(np.float32)


def drop(plan: Plan, scores: np.ndarray) -> Estimate:
    """Mean fall of the score over the samples that hide a pixel; the plan's first sample hides nothing.

    Zeiler & Fergus 2014, section 4.2; overlapping windows are averaged. Positive where hiding hurts.
    """
    fall = scores[:1] - scores
    hidden = fall.sum(0)[:, None, None] - _weighted(plan, fall)
    often = plan.count - _weighted(plan, np.ones((plan.count, 1)))
    return np.divide(hidden, often, out=np.zeros_like(hidden), where=often > 1e-9).astype(np.float32)


def insertion(plan: Plan, scores: np.ndarray) -> Estimate:
    """Mean rise of the score over the samples that show a pixel; the plan's first sample shows nothing.

    Covert et al. 2021: "include individual" where `drop` is "remove individual".
    """
    rise = scores - scores[:1]
    shown = _weighted(plan, rise)
    often = _weighted(plan, np.ones((plan.count, 1)))
    return np.divide(shown, often, out=np.zeros_like(shown), where=often > 1e-9).astype(np.float32)


def _check_draw(draw: str) -> None:
    if draw != "uniform":
        raise UsageError("marginals need samples drawn uniformly over superpixels; leave out the option draw")


@checked(_check_draw)
def marginals(plan: Plan, scores: np.ndarray) -> Estimate:
    """Mean score of the samples that show a feature minus that of those that hide it.

    Samples drawn uniformly make it the Banzhaf value (Banzhaf 1965; the estimator of Wang & Jia 2023, "maximum sample
    reuse"). The first two samples, which show all and nothing, are not drawn and do not enter. 0 for a feature that
    was always shown, or never. Raises UsageError for samples drawn otherwise.
    """
    if plan.features is None:
        raise UsageError("marginals need a design with features")
    _check_draw("uniform" if plan.weights is None else "kernel")
    shown = plan.features[2:].astype(np.float64)
    answers = np.asarray(scores, np.float64)[2:]
    often = shown.sum(0)[:, None]
    seldom = len(shown) - often
    with_it = shown.T @ answers
    without = answers.sum(0) - with_it
    known = (often > 0) & (seldom > 0)
    difference = with_it / np.where(known, often, 1) - without / np.where(known, seldom, 1)
    return plan.answer(np.where(known, difference, 0).T)


def _weighted(plan: Plan, weights: np.ndarray) -> np.ndarray:
    """Σ_i w_i mask_i for every column of weights (count, T), streamed → (T, H, W) float64."""
    import torch

    total = torch.zeros(weights.shape[1], plan.size[0] * plan.size[1], dtype=torch.float64)
    columns = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32)).T
    for part, masks in plan.chunks(CHUNK):
        total += (columns[:, part].to(masks) @ masks.flatten(1)).cpu()
    result: np.ndarray = total.reshape(-1, *plan.size).numpy()
    return result

"""LIME's estimator: a weighted ridge regression of the score on what is shown."""

from __future__ import annotations

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation.plan import Estimate, Plan


def _check_draw(draw: str) -> None:
    if draw != "uniform":
        raise UsageError("a ridge regression needs samples drawn uniformly over superpixels; leave out the option draw")


def _check_width(kernel_width: float) -> None:
    if kernel_width == 0:
        raise UsageError("option kernel_width=0 leaves no sample any weight; give a number such as 0.25")


@checked(_check_draw)
@checked(_check_width)
def ridge(plan: Plan, scores: np.ndarray, *, kernel_width: float = 0.25, alpha: float = 1.0) -> Estimate:
    """Coefficients of a ridge regression of the score on the regions shown, near samples weighing more.

    Ribeiro et al. 2016 as in the lime package: cosine distance d to the sample that shows all, weight
    sqrt(exp(−d² / kernel_width²)), unpenalised intercept, penalty `alpha`. Every pixel gets its region's coefficient.
    Raises UsageError for samples that were not drawn uniformly.
    """
    if plan.features is None:
        raise UsageError("a ridge regression needs a design with features")
    _check_draw("uniform" if plan.weights is None else "kernel")
    _check_width(kernel_width)
    shown = plan.features.astype(np.float64)
    distance = 1 - np.sqrt(shown.mean(1))  # cosine distance of a 0/1 vector to all ones; 1 where nothing is shown
    weight = np.sqrt(np.exp(-(distance**2) / kernel_width**2))
    answers = np.asarray(scores, np.float64)
    centred = shown - np.average(shown, axis=0, weights=weight)
    rest = answers - np.average(answers, axis=0, weights=weight)
    gram = centred.T @ (weight[:, None] * centred) + alpha * np.eye(shown.shape[1])
    coefficients = np.linalg.lstsq(gram, centred.T @ (weight[:, None] * rest), rcond=None)[0]
    return plan.answer(coefficients.T)

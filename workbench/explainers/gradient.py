"""Gradients with respect to the input: captum does the mathematics, this room fits it to `Classifier`.

A method maps (score, inputs (N, C, H, W), targets (N,), black (N, C, H, W)) to attributions (N, H, W), signed where the
method is. `score` maps inputs to logits (N, classes); `black` is what a black picture becomes after preprocessing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.explainers.explainer import Explainer, Function, Job, NativeMaps, Request, add, options_of, statuses

if TYPE_CHECKING:
    import torch

    Score = Callable[[torch.Tensor], torch.Tensor]


def gradient_method(
    name: str, *, reference: str, cost: str = "1 forward and backward"
) -> Callable[[Function], Function]:
    """Register `(score, inputs, targets, black, *, options) -> maps`."""

    def decorate(function: Function) -> Function:
        add(Explainer(name, function, "gradient", options=options_of(function), cost=cost), reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> dict[str, NativeMaps]:
    """One image at a time, so that neither memory nor the result depends on the batch."""
    import torch

    from workbench.explainers._capture import expression_scores, quick

    def score(inputs: torch.Tensor) -> torch.Tensor:
        return expression_scores(module(inputs.contiguous(memory_format=torch.channels_last)), job.classifier)

    maps: dict[str, list[np.ndarray]] = {explainer.name: [] for explainer, _ in group}
    with quick(job.classifier.module) as module, torch.inference_mode(False), torch.enable_grad():
        black = job.classifier.inputs(np.zeros_like(job.images[:1]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum's own deprecations; ours are raised outside
            for index in range(len(job.images)):
                inputs = job.classifier.inputs(job.images[index : index + 1])
                target = torch.as_tensor(job.targets[index : index + 1], device=inputs.device)
                for explainer, options in group:
                    leaf = inputs.clone().requires_grad_()
                    found = explainer.method(score, leaf, target, black, **explainer.own(options))
                    maps[explainer.name].append(found.detach().float().cpu().numpy())
                job.advance(1)
    result = {}
    for explainer, options in group:
        values = np.concatenate(maps[explainer.name])
        silent = np.abs(values).max((1, 2)) == 0
        result[explainer.name] = NativeMaps(values, statuses(values, silent, "zero-gradient"), "", options)
    return result


@gradient_method("saliency", reference="Simonyan et al., arXiv 1312.6034, section 3.1: max over channels of |dS/dx|")
def saliency(score: Score, inputs: torch.Tensor, targets: torch.Tensor, black: torch.Tensor) -> torch.Tensor:
    """Largest absolute gradient over the colour channels; never negative."""
    from captum.attr import Saliency

    found: torch.Tensor = Saliency(score).attribute(inputs, target=targets, abs=True)
    return found.amax(1)


@gradient_method("input_x_gradient", reference="Shrikumar et al., arXiv 1605.01713: x · dS/dx, summed over channels")
def input_x_gradient(score: Score, inputs: torch.Tensor, targets: torch.Tensor, black: torch.Tensor) -> torch.Tensor:
    """Gradient times the input's distance from black, summed over channels; signed."""
    from captum.attr import Saliency

    gradient: torch.Tensor = Saliency(score).attribute(inputs, target=targets, abs=False)
    return ((inputs - black) * gradient).sum(1)


@gradient_method(
    "integrated_gradients",
    reference="Sundararajan et al., ICML 2017, eq. 1; Gauss–Legendre quadrature; black baseline; sum over channels",
    cost="50 forwards and backwards",
)
def integrated_gradients(
    score: Score, inputs: torch.Tensor, targets: torch.Tensor, black: torch.Tensor, *, steps: int = 50
) -> torch.Tensor:
    """Gradient averaged on the straight path from a black picture, times the way; signed, sums to S(x) − S(black)."""
    from captum.attr import IntegratedGradients

    from workbench.explainers._capture import pass_length

    found: torch.Tensor = IntegratedGradients(score).attribute(
        inputs,
        baselines=black,
        target=targets,
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=pass_length(inputs),
    )
    return found.sum(1)

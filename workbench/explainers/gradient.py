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
        explainer = Explainer(name, function, "gradient", options=options_of(function), engine=__name__, cost=cost)
        add(explainer, reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """One image at a time, so that neither memory nor the result depends on the batch."""
    import torch

    from workbench.explainers._capture import borrowed, conv_friendly
    from workbench.explainers.spaces import scores

    maps: list[list[list[np.ndarray]]] = [[[] for _ in range(job.targets)] for _ in group]
    with borrowed(job.classifier.module) as module, torch.inference_mode(False), torch.enable_grad():
        black = job.classifier.inputs(np.zeros_like(job.images[:1]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # captum's own deprecations; ours are raised outside
            for index in range(len(job.images)):
                inputs = job.inputs(slice(index, index + 1))
                for place, (explainer, options) in enumerate(group):
                    for target in range(job.targets):
                        weights = torch.as_tensor(job.weights[index, target], device=inputs.device)

                        def score(x: torch.Tensor, weights: torch.Tensor = weights) -> torch.Tensor:
                            outputs = job.classifier.outputs_of(module(conv_friendly(x)))
                            return scores(outputs, weights, job.classifier, "logit")[:, None]

                        leaf = inputs.clone().requires_grad_()
                        zero = torch.zeros(1, dtype=torch.long, device=inputs.device)
                        found = explainer.method(score, leaf, zero, black, **explainer.own(options))
                        maps[place][target].append(found.detach().float().cpu().numpy())
                job.advance(1)
    result = []
    for place, (_, options) in enumerate(group):
        row = []
        for target in range(job.targets):
            values = np.concatenate(maps[place][target])
            silent = np.abs(values).max((1, 2)) == 0
            row.append(NativeMaps(values, statuses(values, silent, "zero-gradient"), "", options))
        result.append(row)
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

    from workbench.explainers.passes import pass_length

    found: torch.Tensor = IntegratedGradients(score).attribute(
        inputs,
        baselines=black,
        target=targets,
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=pass_length(inputs),
    )
    return found.sum(1)

"""The gradient at the picture itself, and its product with the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.explainers.gradient.engine import gradient_method

if TYPE_CHECKING:
    import torch

    from workbench.explainers.gradient.engine import Batch


@gradient_method("saliency", reference="Simonyan et al., arXiv 1312.6034, section 3.1: max over channels of |dS/dx|")
def saliency(batch: Batch, *, signed: bool = False) -> torch.Tensor:
    """Largest absolute gradient over the colour channels, never negative; signed=True: the gradient's sum over them."""
    return batch.gradient.sum(2) if signed else batch.gradient.abs().amax(2)


@gradient_method("input_x_gradient", reference="Shrikumar et al., arXiv 1605.01713: x · dS/dx, summed over channels")
def input_x_gradient(batch: Batch) -> torch.Tensor:
    """Gradient times the input's distance from black, summed over channels; signed."""
    return ((batch.inputs - batch.black)[:, None] * batch.gradient).sum(2)

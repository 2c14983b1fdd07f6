"""Channels or places weighted by gradients: pure functions of activations A, gradients G = dS/dA and scores S."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UnsuitedError
from workbench.explainers.cam.engine import cam_method

if TYPE_CHECKING:
    import torch

POLE = 1e-2  # a denominator this near to zero, in units of its terms, is a difference of rounding errors

CANCELLED = 1e-3  # a sum below this share of its absolute terms is rounding and the epsilon of a norm (real: ≥ 1e-2)


def weighted(weights: torch.Tensor, activations: torch.Tensor) -> torch.Tensor:
    """Σ_c w_c A_c of weights (N, C) and activations (N, C, h, w)."""
    import torch

    found = torch.bmm(weights[:, None].to(activations), activations.flatten(2))
    return found.reshape(len(activations), *activations.shape[2:])


def positive_gradients(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """LayerCAM of one layer, Σ_c ReLU(G) A."""
    return (gradients.relu() * activations).sum(1)


@cam_method("grad_cam", reference="Selvaraju et al., ICCV 2017, eq. 1–2: w_c = mean_ij G, L = Σ_c w_c A_c")
def grad_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their mean gradient."""
    return weighted(gradients.mean((2, 3)), activations)


@cam_method(
    "grad_cam_pp",
    reference="Chattopadhyay et al., WACV 2018, eq. 10 and 19: α = G² / (2G² + Σ_ab A_ab G³), w_c = Σ_ij α ReLU(G)",
)
def grad_cam_pp(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their positive gradients, each place by its share α in the class score.

    The paper's closed form holds for Y = exp(S) of a score S that is piecewise linear in A. There α reduces to
    1 / (2 + G Σ_ab A_ab) wherever G ≠ 0, which does not underflow. The common factor exp(S) of each image is left
    out: it only scales the map, and overflows. On a layer with negative values the denominator may vanish; within
    `POLE` of zero α is 0.
    """
    positive = gradients.relu()
    total = activations.sum((2, 3), keepdim=True)
    share = (positive * total).add_(2)
    positive.div_(share)
    if not float(total.amin()) >= 0:
        positive.masked_fill_(share.abs() <= POLE, 0)
    return weighted(positive.sum((2, 3)), activations)


def pp_weights(
    activations: torch.Tensor, first: torch.Tensor, second: torch.Tensor, third: torch.Tensor
) -> torch.Tensor:
    """Grad-CAM++ weights (N, C) of given derivatives: Σ_ij ReLU(D1) D2 / (2 D2 + Σ_ab A_ab D3).

    Give them in double precision: cubes of small gradients underflow otherwise.
    """
    below = 2 * second + activations.sum((2, 3), keepdim=True) * third
    safe = below.abs() > POLE * second
    alpha = second * safe / below.where(safe, 1.0)
    return (alpha * first.relu()).sum((2, 3))


@cam_method("hires_cam", reference="Draelos & Carin, arXiv 2011.08891, eq. 5: L = Σ_c G A")
def hires_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Gradient times activation, summed over channels; equals grad_cam on a pooling-and-linear head.

    Raises UnsuitedError where the terms cancel at every place of every image but for rounding, to less than
    `CANCELLED` of their absolute sum; the map of a single such image is 0. So they do wherever the network behind the
    layer does not see the scale of a place: before a layer norm that is its only reader, as at the last but one block
    of a transformer with a class token.
    """
    terms = gradients * activations
    found = terms.sum(1)
    size = terms.abs_().sum(1).amax((1, 2))
    empty = found.abs().amax((1, 2)) <= CANCELLED * size
    if bool((empty | (size == 0)).all()) and bool((size > 0).any()):
        raise UnsuitedError(
            "hires_cam is empty at this layer, because a layer norm behind it does not see the scale of a place and "
            "gradient times activation cancels; take the output of that norm as layer, or grad_cam"
        )
    return found.masked_fill(empty[:, None, None], 0.0)


@cam_method("grad_cam_elementwise", reference="pytorch-grad-cam, GradCAMElementWise: L = Σ_c ReLU(G A)")
def grad_cam_elementwise(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Gradient times activation, only its positive terms, summed over channels."""
    return (gradients * activations).relu().sum(1)


@cam_method("x_grad_cam", reference="Fu et al., BMVC 2020, eq. 7: w_c = Σ_ij G A / Σ_ij A, L = Σ_c w_c A_c")
def x_grad_cam(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Channels weighted by their gradient averaged over their own activation.

    The paper assumes a layer after ReLU. In a layer with negative values the sum of a channel may cancel, and then no
    weight fulfils the paper's conservation, Σ_ij w_c A_c = Σ_ij G A; a quotient would be rounding error, and drown
    all other channels. Where the sum is below `POLE` times the sum of absolute values, the plain mean of the gradient
    stands in, which is what the formula gives for a gradient that is equal at all places.
    """
    total = activations.sum((2, 3))
    safe = total.abs() > POLE * activations.abs().sum((2, 3))
    share = (gradients * activations).sum((2, 3)) / total.where(safe, 1.0)
    return weighted(share.where(safe, gradients.mean((2, 3))), activations)

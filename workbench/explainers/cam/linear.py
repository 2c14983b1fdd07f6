"""The original class activation map, and whether what lies behind a layer is pooling and a linear read-out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UnsuitedError
from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import weighted
from workbench.explainers.cam.graph import proven_linear

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View

TOLERANCE = 1e-4  # of the sum of absolute terms; float32 rounding stays below 1e-6, any other head is far above


@view_method(
    "cam",
    reference="Zhou et al., CVPR 2016, eq. 2: M = Σ_c w_c A_c with the class weights w of a pooling-and-linear head",
    cost="1 forward, shared by all CAM methods",
)
def cam(view: View) -> torch.Tensor:
    """Channels weighted by the class's own weights, for a network that ends in average pooling and a linear layer.

    The weights are read from the gradient, w_c = Σ_ij G_c (a pooled score has the same gradient w_c / hw at each
    place), after the head has been found linear, by its graph or by trial; so the map is hw times grad_cam. Raises
    UnsuitedError for another head, and for probabilities, which are not linear.
    """
    if not bool(linear_behind(view).all()):
        what = "probabilities are not linear" if view.space == "probability" else "more than pooling and a linear layer"
        where = f"in layer {view.layer!r} of" if view.space == "probability" else f"lies behind layer {view.layer!r} of"
        raise UnsuitedError(
            f"cam needs a score that is linear in the pooled layer; {what} {where} {view.classifier.name!r}; take "
            "grad_cam or hires_cam"
        )
    return weighted(view.gradients.sum((2, 3)), view.activations)


def linear_behind(view: View) -> torch.Tensor:
    """Whether each image's score is linear in the layer with one weight a channel, as behind average pooling: (N,).

    The gradient must be equal at all places, and the way to the score linear: by its graph, or else by trial.
    """

    gradients = view.gradients
    spread = (gradients - gradients.mean((2, 3), keepdim=True)).abs().amax((1, 2, 3))
    same = spread <= TOLERANCE * gradients.abs().amax((1, 2, 3))
    if proven_linear(view) or not bool(same.any()):
        return same
    return same & linear_by_trial(view)


def linear_by_trial(view: View) -> torch.Tensor:
    """Whether the gradient predicts each image's score when the layer is replaced by noise: (N,) bool."""
    import torch

    gradients, activations = view.gradients, view.activations
    noise = torch.randn(activations.shape[1:], generator=torch.Generator().manual_seed(0)).to(activations)
    other = noise * activations.std((1, 2, 3), keepdim=True)
    terms = (gradients * (other - activations)).double().flatten(1)
    rows = torch.arange(len(activations), device=activations.device)
    found = view.score(view.tail(other, rows), rows).double()  # may work in place on `other`
    expected = view.scores.double() + terms.sum(1)
    slack = TOLERANCE * (terms.abs().sum(1) + view.scores.double().abs())
    return (found - expected).abs() <= slack

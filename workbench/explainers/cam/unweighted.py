"""What a layer gave, without any class: averages and strong responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.explainers.cam.engine import cam_method

if TYPE_CHECKING:
    import torch


@cam_method(
    "layer_attention",
    reference="Belharbi et al., FG 2024, arXiv 2402.00281, layer-wise attention T_l: mean of A over the channels",
    classless=True,
)
def layer_attention(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Mean of the layer over its channels; knows no class."""
    return activations.mean(1)


@cam_method(
    "fem",
    reference="Fuad et al., IPTA 2020: B_c = 1 where A_c > mean + k · standard deviation, L = Σ_c mean_ij(A_c) B_c",
    classless=True,
)
def fem(activations: torch.Tensor, gradients: torch.Tensor, scores: torch.Tensor, *, k: float = 2.0) -> torch.Tensor:
    """Where channels respond k standard deviations above their own mean, weighted by that mean; knows no class.

    Among n places none can be more than √(n − 1) deviations above the mean: with k = 2 the map of a grid of five or
    fewer is empty.
    """
    import torch

    deviation, mean = torch.std_mean(activations, (2, 3), correction=0, keepdim=True)
    strong = (activations > mean + k * deviation).to(activations)
    return (strong * mean).sum(1)

"""FullGrad: the score as a sum over pixels of what the input and every bias give to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.explainers.cam.engine import view_method

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View


@view_method(
    "full_grad",
    reference="Srinivas & Fleuret, NeurIPS 2019, eq. 3 and 5: S = x · dS/dx + Σ_b b · dS/db over all layers",
    cost="1 forward, one more with a backward through the whole network for each target",
    free_grid=True,
)
def full_grad(view: View) -> torch.Tensor:
    """Input times gradient plus bias times gradient of every layer, at the input's resolution; signed, sums to S.

    Biases are those of convolutions and linear layers, of batch norms (β − γ μ / σ), and of every other function f
    that of its linearisation, f(x) − f'(x) x. Bias maps are resized so that each place's share is kept; biases after
    pooling, which have no place, are spread evenly. The paper's ψ, absolute value and rescaling of every layer's map,
    is left out: with it the map no longer sums to the score. x is the input as the network gets it. `layer` has no
    meaning here.

    Raises UnsuitedError for networks with attention or tokens.
    """
    from workbench.explainers.cam.biases import full_gradient_map

    return full_gradient_map(view)

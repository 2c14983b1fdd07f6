"""Grad-CAM++ over noisy copies of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import pp_weights, weighted

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View


@view_method(
    "smooth_grad_cam_pp",
    reference="Omeiza et al., arXiv 1908.01224: Grad-CAM++ weights of the mean derivatives G, G², G³ over noisy inputs",
    cost="1 forward, n more with one backward each",
)
def smooth_grad_cam_pp(view: View, *, n: int = 8, sigma: float = 0.15) -> torch.Tensor:
    """Grad-CAM++ whose first, second and third derivatives are means over n noisy copies of the input.

    α = D2 / (2 D2 + Σ_ab A_ab D3), w_c = Σ_ij α ReLU(D1), with D1, D2, D3 the means of G, G², G³ (the paper prints D1
    in the numerator of α; D2 is what Grad-CAM++ derives). A is that of the input without noise. The noise is Gaussian,
    sigma is its standard deviation as a share of the input's range. With sigma = 0 the map is grad_cam_pp.
    """
    import torch

    inputs = view.inputs
    streams = [view.stream(row, "smooth_grad_cam_pp") for row in range(len(inputs))]
    spread = sigma * (inputs.amax((1, 2, 3), keepdim=True) - inputs.amin((1, 2, 3), keepdim=True))
    means = [torch.zeros_like(view.activations, dtype=torch.float64) for _ in range(3)]
    for _ in range(n):
        noise = [torch.from_numpy(one.standard_normal(inputs.shape[1:], "float32")) for one in streams]
        found = view.again(inputs + spread * torch.stack(noise).to(inputs)).gradients.double()
        for power, mean in enumerate(means, 1):
            mean += found**power / n
    return weighted(pp_weights(view.activations, *means), view.activations)

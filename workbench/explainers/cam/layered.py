"""LayerCAM, of one layer or fused over several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import positive_gradients

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View


@view_method(
    "layer_cam",
    reference="Jiang et al., IEEE TIP 2021, eq. 6–7: L = Σ_c ReLU(G) A; fusion: max over layers of tanh(γ L / max L)",
    cost="1 forward, shared by all CAM methods",
    free_grid=True,
)
def layer_cam(view: View, *, fuse: str = "", gamma: float = 2.0) -> torch.Tensor:
    """Each place of each channel weighted by its own positive gradient.

    fuse: names of further layers, separated by commas. Then the positive part of each layer's map, divided by its
    maximum and scaled by tanh(gamma ·), is resized to the finest grid among them (bilinear), and the maximum over
    the layers is taken: a map from 0 to 1 that has neither sign nor scale, as the paper's. The paper scales its
    shallow layers so; here all are scaled alike.
    """
    import torch
    from torch.nn import functional as F

    own = positive_gradients(view.activations, view.gradients)
    names = [name.strip() for name in fuse.split(",") if name.strip()]
    if not names:
        return own
    maps = [own]
    for name in dict.fromkeys(names):
        if name != view.layer:
            other = view.at(name)
            maps.append(positive_gradients(other.activations, other.gradients))
    size = (max(one.shape[1] for one in maps), max(one.shape[2] for one in maps))
    scaled = []
    for one in maps:
        positive = one.relu()
        most = positive.amax((1, 2), keepdim=True)
        share = torch.tanh(gamma * positive / most.where(most > 0, 1.0))
        scaled.append(F.interpolate(share[:, None], size=size, mode="bilinear", align_corners=False)[:, 0])
    return torch.stack(scaled).amax(0)

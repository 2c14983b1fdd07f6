"""What the score loses when a channel is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import weighted

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import Shared, View

VALUES = 1 << 22  # of ablated layers made at a time: 16 MB

_known: WeakKeyDictionary[Shared, dict[str, torch.Tensor]] = WeakKeyDictionary()


@view_method(
    "ablation_cam",
    reference="Desai & Ramaswamy, WACV 2020, eq. 4–5: w_c = S − S(A_c = 0), L = Σ_c w_c A_c",
    cost="1 forward, and one of what lies behind the layer for each channel",
)
def ablation_cam(view: View) -> torch.Tensor:
    """Channels weighted by what the score loses without them.

    The paper divides the loss by S. That factor is common to all channels of an image, so it only scales the map; it
    is left out because it turns the sign of the map where S is negative, and has no value at S = 0.
    """
    import torch

    count, channels = view.activations.shape[:2]
    rows = torch.arange(count, device=view.activations.device).repeat_interleave(channels)
    kept = view.score(without_channels(view).flatten(0, 1), rows).reshape(count, channels)
    return weighted(view.scores[:, None] - kept, view.activations)


def without_channels(view: View) -> torch.Tensor:
    """The network's outputs (N, C, columns) with each channel of the layer set to zero, made once for all targets."""
    import torch

    known = _known.setdefault(view.shared, {})
    if view.layer not in known:
        activations = view.activations
        count, channels, height, width = activations.shape
        step = max(1, VALUES // (channels * height * width))
        order = torch.arange(channels, device=activations.device)
        parts = []
        for row in range(count):
            for chosen in order.split(step):
                grids = activations[row].repeat(len(chosen), 1, 1, 1)
                grids[torch.arange(len(chosen), device=grids.device), chosen] = 0
                parts.append(view.tail(grids, torch.full((len(chosen),), row, device=grids.device)))
        known[view.layer] = torch.cat(parts).reshape(count, channels, -1)
    return known[view.layer]

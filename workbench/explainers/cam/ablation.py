"""What the score loses when a channel is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import weighted
from workbench.explainers.cam.graph import only_pooled, proven_linear

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import Shared, View

VALUES = 1 << 21  # of ablated layers at a time: 8 MB

_known: WeakKeyDictionary[Shared, dict[str, torch.Tensor]] = WeakKeyDictionary()


@view_method(
    "ablation_cam",
    reference="Desai & Ramaswamy, WACV 2020, eq. 4–5: w_c = S − S(A_c = 0), L = Σ_c w_c A_c",
    cost="1 forward, and one of what lies behind the layer for each channel",
)
def ablation_cam(view: View) -> torch.Tensor:
    """Channels weighted by what the score loses without them.

    The paper divides the loss by S. That factor is common to all channels of an image, so it only scales the map; it
    is left out because it turns the sign of the map where S is negative, and has no value at S = 0. Where the graph
    behind the layer is linear the loss is Σ_ij G A of the channel, and nothing is run again.
    """
    import torch

    if proven_linear(view):
        return weighted((view.gradients * view.activations).sum((2, 3)), view.activations)
    outputs = without_channels(view)
    count, changes = outputs.shape[:2]
    rows = torch.arange(count, device=outputs.device).repeat_interleave(changes)
    scores = view.score(outputs.flatten(0, 1), rows).double().reshape(count, changes)
    return weighted(scores[:, -1:] - scores[:, :-1], view.activations)


def without_channels(view: View) -> torch.Tensor:
    """The network's outputs (N, C + 1, columns) with each channel of the layer set to zero, and at last with none.

    Made once for all targets. The whole layer goes the same way as the others, so that its rounding cancels.
    """
    import torch

    known = _known.setdefault(view.shared, {})
    if view.layer not in known:
        pooled = only_pooled(view)
        found = [_of_image(view, row, pooled) for row in range(len(view.activations))]
        known[view.layer] = torch.stack(found)
    return known[view.layer]


def _of_image(view: View, row: int, pooled: bool) -> torch.Tensor:
    """Outputs (C + 1, columns) of one image. Copies of the layer are made once, and each gets its channel back.

    Where the network reads only the mean of each channel, the means stand for the layer.
    """
    import torch

    own = view.activations[row]
    if pooled:
        own = own.mean((1, 2), keepdim=True)
    channels = len(own)
    order = torch.arange(channels + 1, device=own.device)
    step = max(1, VALUES // own.numel())
    grids, parts = None, []
    for chosen in order.split(step):
        if grids is None or len(grids) != len(chosen):
            grids = own.repeat(len(chosen), 1, 1, 1)
        gone = chosen[chosen < channels]
        place = order[: len(gone)]
        grids[place, gone] = 0
        version = grids._version
        parts.append(view.tail(grids, torch.full_like(chosen, row)))
        if grids._version != version:  # the network works in place on what the layer gave
            grids = None
        else:
            grids[place, gone] = own[gone]
    return torch.cat(parts)

"""The target against what the network might have said instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UnsuitedError
from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import grad_cam

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View


@view_method(
    "finer_cam",
    reference="Zhang et al., CVPR 2025, arXiv 2501.11309: grad_cam of S_c − γ · mean of S_d over the most similar d",
    cost="1 forward, one more backward",
)
def finer_cam(view: View, *, gamma: float = 1.0, similar: int = 3) -> torch.Tensor:
    """Grad-CAM of the target's score minus gamma times the mean score of the outputs most similar to it.

    Similar are, image by image, those `similar` outputs of the target's own head (or fewer, where it has fewer) whose
    logit is nearest to the target's. gamma = 0 is grad_cam. Raises UnsuitedError where the head has no other output.
    """
    other = view.retarget(view.weights - gamma * most_similar(view, similar).to(view.weights))
    return grad_cam(other.activations, other.gradients, other.scores)


def most_similar(view: View, count: int) -> torch.Tensor:
    """(N, columns): 1 / n at each of the n ≤ count outputs nearest to the target's logit, 0 elsewhere; 0 for an image
    whose target is nothing (a contrast of an output with itself)."""
    import torch

    outputs, weights = view.outputs.float(), view.weights.float()
    of_head = torch.zeros_like(weights)
    for name in view.classifier.heads:
        columns = view.classifier.columns(name)
        of_head[:, columns] = (weights[:, columns] > 0).any(1, keepdim=True).float()
    free = (of_head > 0) & (weights == 0)
    number = free.sum(1, keepdim=True).clamp(max=count)
    if bool(((number[:, 0] == 0) & (weights != 0).any(1)).any()):
        raise UnsuitedError(
            f"finer_cam compares the target with other outputs of its head; {view.classifier.name!r} has none there; "
            "take grad_cam"
        )
    positive = weights.clamp(min=0)
    own = (outputs * positive).where(positive > 0, 0.0).sum(1, keepdim=True) / positive.sum(1, keepdim=True)
    distance = (outputs - own).abs().masked_fill(~free, torch.inf)
    rank = distance.argsort(dim=1, stable=True).argsort(dim=1)
    return (rank < number) / number.clamp(min=1).to(weights)

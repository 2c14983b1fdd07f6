"""Channels weighted by first and second derivatives of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import weighted

if TYPE_CHECKING:
    import torch

    from workbench.classifiers.classifier import Classifier
    from workbench.explainers.cam.view import View

UTILITIES = ("score", "rest")


@view_method(
    "shapley_cam",
    reference="Cai, arXiv 2501.06261: w_c = mean_ij (G − ½ H A), H = d²U/dA², L = Σ_c w_c A_c; utility ReST: S + log p",
    cost="1 forward, and what lies behind the layer with two backwards",
)
def shapley_cam(view: View, *, utility: str = "score") -> torch.Tensor:
    """Channels weighted by their Shapley value in a second-order expansion of the score.

    Of a quadratic game U(A) the Shapley value of each activation a is a (g − ½ (H A)_a), exactly. utility: "score",
    the score as `space` says (where the network is piecewise linear behind the layer its H is zero, and the map is
    grad_cam's); "rest", the paper's residual softmax target, S + log p of each output that the target names, whatever
    `space` says (affect outputs: S). Raises UsageError for another utility.
    """
    if utility not in UTILITIES:
        raise UsageError(
            f"option utility={utility!r} of 'shapley_cam' is not known; choose one of {', '.join(UTILITIES)}"
        )
    if utility == "score":
        first, second = view.gradients, view.product(view.activations)
    else:
        first, second = _derivatives_of_rest(view)
    return weighted((first - second / 2).mean((2, 3)), view.activations)


def _derivatives_of_rest(view: View) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of ReST at the layer, and its second derivative times the activations, each (N, C, h, w)."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        leaf = view.activations.clone().requires_grad_()
        rows = torch.arange(len(leaf), device=leaf.device)
        outputs = view.tail(leaf, rows)
        score = ((outputs + log_activated(outputs, view.classifier)) * view.weights.to(outputs)).sum()
        (first,) = torch.autograd.grad(score, leaf, create_graph=True)
        if not first.requires_grad:
            return first, torch.zeros_like(first)
        (second,) = torch.autograd.grad((first * leaf.detach()).sum(), leaf, allow_unused=True)
    return first.detach(), torch.zeros_like(leaf) if second is None else second.detach()


def log_activated(outputs: torch.Tensor, classifier: Classifier) -> torch.Tensor:
    """log p of each output (M, columns) by its head: log-softmax, log-sigmoid; 0 for a linear head."""
    import torch
    from torch.nn import functional as F

    parts = []
    for name, head in classifier.heads.items():
        given = outputs[:, classifier.columns(name)]
        if head.kind == "softmax":
            parts.append(given.log_softmax(1))
        elif head.kind == "sigmoid":
            parts.append(F.logsigmoid(given))
        else:
            parts.append(torch.zeros_like(given))
    return torch.cat(parts, 1)

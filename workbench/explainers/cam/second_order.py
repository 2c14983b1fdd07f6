"""Channels weighted by first and second derivatives of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.explainers.cam.engine import view_method
from workbench.explainers.cam.gradient_weighted import weighted
from workbench.explainers.cam.graph import recorded
from workbench.explainers.explainer import checked

if TYPE_CHECKING:
    import torch

    from workbench.classifiers.classifier import Classifier
    from workbench.explainers.cam.view import View

UTILITIES = ("score", "rest")


def _check_utility(utility: str) -> None:
    if utility not in UTILITIES:
        raise UsageError(
            f"option utility={utility!r} of 'shapley_cam' is not known; choose one of {', '.join(UTILITIES)}"
        )


@view_method(
    "shapley_cam",
    reference="Cai, arXiv 2501.06261: w_c = mean_ij (G − ½ H A), H = d²U/dA², L = Σ_c w_c A_c; utility ReST: S + log p",
    cost="1 forward, one more backward and one through it",
)
@checked(_check_utility)
def shapley_cam(view: View, *, utility: str = "score") -> torch.Tensor:
    """Channels weighted by their Shapley value in a second-order expansion of the score.

    Of a quadratic game U(A) the Shapley value of each activation a is a (g − ½ (H A)_a), exactly. utility: "score",
    the score as `space` says (where the network is piecewise linear behind the layer its H is zero, and the map is
    grad_cam's); "rest", the paper's residual softmax target, S + log p of each output that the target names, whatever
    `space` says (affect outputs: S). Raises UsageError for another utility.
    """
    _check_utility(utility)
    first, second = _derivatives(view, utility)
    return weighted((first - second / 2).mean((2, 3)), view.activations)


def _derivatives(view: View, utility: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient of the utility at the layer, and its second derivative times the activations, each (N, C, h, w).

    The view's own forward is differentiated where that can be done twice (fused attention cannot); else what lies
    behind the layer is run once more.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    known = recorded(view)
    with torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        if known is not None:
            try:
                return _twice(view, utility, *known)
            except RuntimeError as error:
                if "not implemented" not in str(error):
                    raise
        leaf = view.activations.clone().requires_grad_()
        return _twice(view, utility, view.tail(leaf, torch.arange(len(leaf), device=leaf.device)), leaf)


def _twice(view: View, utility: str, outputs: torch.Tensor, leaf: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    if utility == "score":
        score = view.score(outputs).sum()
    else:
        score = ((outputs + log_activated(outputs, view.classifier)) * view.weights.to(outputs)).sum()
    nothing = torch.zeros_like(leaf, requires_grad=False)
    if not score.requires_grad:
        return nothing, nothing
    (first,) = torch.autograd.grad(score, leaf, create_graph=True, allow_unused=True)
    if first is None or not first.requires_grad:  # linear in the layer
        return (nothing if first is None else first.detach()), nothing
    (second,) = torch.autograd.grad((first * leaf.detach()).sum(), leaf, retain_graph=True, allow_unused=True)
    return first.detach(), nothing if second is None else second.detach()


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

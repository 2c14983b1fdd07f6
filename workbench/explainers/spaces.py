"""The explained score: a weighted sum of the network's outputs, as logits or as probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UsageError

if TYPE_CHECKING:
    import torch

    from workbench.classifiers.classifier import Classifier

SPACES = ("logit", "probability")


def check_space(space: str) -> None:
    """UsageError for a space that is none."""
    if space not in SPACES:
        raise UsageError(f"option space={space!r} is not known; choose one of {', '.join(SPACES)}")


def in_space(outputs: torch.Tensor, classifier: Classifier, space: str) -> torch.Tensor:
    """Outputs (M, columns) as they are ("logit"), or each head's own function of them ("probability": softmax over
    expressions, sigmoid of action units, affect unchanged); differentiable."""
    check_space(space)
    return outputs if space == "logit" else classifier.activated(outputs)


def scores(outputs: torch.Tensor, weights: torch.Tensor, classifier: Classifier, space: str) -> torch.Tensor:
    """Σ_c w_c · output_c for outputs (M, columns) and weights (M, columns) or (columns,) → (M,); differentiable.

    An output that is not finite spoils only the scores that it belongs to.
    """
    weights = weights.to(outputs)
    return (in_space(outputs, classifier, space) * weights).where(weights != 0, 0.0).sum(1)

"""Differences and relevances passed back layer by layer, by rules that keep their sum: captum's DeepLift and LRP.

Both rules are defined for some operations only. Which ones the network uses is read from autograd's record; the rest is
refused, because captum would take the plain gradient there and say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.errors import UnsuitedError, UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.gradient.engine import gradient_method

if TYPE_CHECKING:
    import torch

    from workbench.explainers.gradient.engine import Batch
    from workbench.explainers.gradient.parts import Build
    from workbench.explainers.gradient.unrolled import Call, Unrolled

RULES = ("epsilon", "gamma")


def _check_rule(rule: str, space: str) -> None:
    if rule not in RULES:
        raise UsageError(f"option rule={rule!r} of 'lrp' is not known; choose one of {', '.join(RULES)}")
    if space != "logit":
        raise UsageError("'lrp' passes logits down and has no rule for probabilities; take space='logit'")


SLACK = 1e-3  # of all that was passed back, by which a map may miss the sum it has to have
NORMS = ("NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm")
MAXIMA = ("MaxPool2DWithIndices", "MkldnnMaxPool2D")

# Operations in autograd's record, and the calls that answer for them.
RESCALED = {
    ("Relu",): ("relu",),
    ("Tanh",): ("tanh",),
    ("Sigmoid",): ("sigmoid",),
    ("Elu",): ("elu",),
    ("LeakyRelu",): ("leaky_relu",),
    ("Softplus",): ("softplus",),
    MAXIMA: ("max_pool2d",),
}
DECOMPOSED = {
    ("Convolution", "MkldnnConvolution", "CudnnConvolution"): ("conv2d",),
    ("Addmm", "Mm", "Linear"): ("linear",),
    NORMS: ("batch_norm",),
    MAXIMA: ("max_pool2d",),
    ("AvgPool2D",): ("avg_pool2d",),
    ("AdaptiveAvgPool2D", "MkldnnAdaptiveAvgPool2D", "Mean"): ("adaptive_avg_pool2d", "mean"),
    ("Add",): ("add",),
    ("Relu",): ("relu",),
}


@gradient_method(
    "deep_lift",
    reference="Shrikumar et al., ICML 2017 (arXiv 1704.02685), section 3.5.1, rescale rule; captum's DeepLift",
    cost="3 forwards and 2 backwards a target",
    particular=True,
)
def deep_lift(batch: Batch) -> torch.Tensor:
    """Difference from a black picture, carried back by the rescale rule; signed, sums to S(x) − S(black)."""
    import torch
    from captum.attr import DeepLift

    asked = _asked(batch, batch.once("deep_lift", lambda: _rescaled(batch)))
    rule = DeepLift(asked, eps=1e-6)  # of float32 activations; captum's own 1e-10 is lost in their rounding
    maps = []
    for row, weights in enumerate(batch.weights):
        asked.score.weight.data = weights
        picture = batch.inputs[row : row + 1].detach()
        with torch.no_grad():
            scores = batch.outputs(torch.cat([picture, batch.black])) @ weights.T
        for target in range(len(weights)):
            found = rule.attribute(picture.clone().requires_grad_(), batch.black, target=target).detach()
            _sums(found, scores[0, target] - scores[1, target], batch)
            maps.append(found.sum(1))
    return torch.cat(maps).unflatten(0, batch.weights.shape[:2])


@gradient_method(
    "lrp",
    reference="Bach et al., PLoS ONE 2015, eq. 58 (epsilon); Montavon et al., 2019, section 10.2 (gamma); captum's LRP",
    cost="2 forwards and 1 backward a target",
    particular=True,
)
@checked(_check_rule)
def lrp(batch: Batch, *, rule: str = "epsilon", epsilon: float = 1e-9, gamma: float = 0.25) -> torch.Tensor:
    """Relevance of the logit passed down layer by layer in proportion to what each place gave; signed.

    Batch normalisation is folded into the convolution before it; `rule` is that of the convolutions ("epsilon", or
    "gamma", which favours positive weights), all else has the epsilon rule. With a small epsilon, the epsilon rule on
    a ReLU network is the gradient times the network's input (Ancona et al., ICLR 2018, proposition 1).
    """
    import torch
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule
    from torch import nn

    _check_rule(rule, batch.space)
    asked = _asked(batch, batch.once("lrp", lambda: _decomposed(batch)))
    maps = []
    for row, weights in enumerate(batch.weights):
        asked.score.weight.data = weights
        picture = batch.inputs[row : row + 1].detach()
        for target in range(len(weights)):
            for part in [*asked.network.parts, asked.score]:  # captum takes its rules away after each use
                if isinstance(part, nn.Conv2d) and rule == "gamma":
                    part.rule = GammaRule(gamma)  # type: ignore[assignment]
                elif not isinstance(part, nn.ReLU):
                    part.rule = EpsilonRule(epsilon)  # type: ignore[assignment]
            maps.append(LRP(asked).attribute(picture.clone().requires_grad_(), target=target).detach().sum(1))
    return torch.cat(maps).unflatten(0, batch.weights.shape[:2])


def _asked(batch: Batch, network: Unrolled) -> Any:
    """The network with one more linear layer, which turns its outputs into the T scores explained."""
    from torch import nn

    class Asked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.score = nn.Linear(batch.weights.shape[2], batch.weights.shape[1], bias=False, device="meta")
            self.score.weight = nn.Parameter(batch.weights[0], requires_grad=False)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.score(self.network(inputs))
            return scores

    return Asked()


def _sums(found: torch.Tensor, difference: torch.Tensor, batch: Batch) -> None:
    """UnsuitedError where an attribution does not sum to the difference it explains, the rule's one promise."""
    gap, size = abs(float(found.sum() - difference)), float(found.abs().sum())
    if gap > SLACK * max(size, abs(float(difference))) + 1e-6:
        raise UnsuitedError(
            f"deep_lift sums to {float(found.sum()):.4g} on {batch.name!r}, not to the score's difference "
            f"{float(difference):.4g}: the network computes what captum's rules do not meet; take integrated_gradients"
        )


def _rescaled(batch: Batch) -> Unrolled:
    from workbench.explainers.gradient.audit import AFFINE
    from workbench.explainers.gradient.parts import APART

    return _audited("deep_lift", batch, APART, RESCALED, AFFINE, None)


def _decomposed(batch: Batch) -> Unrolled:
    from workbench.explainers.gradient.audit import MOVES
    from workbench.explainers.gradient.parts import BUILDS

    return _audited("lrp", batch, BUILDS, DECOMPOSED, MOVES, _folded)


def _audited(
    method: str,
    batch: Batch,
    builds: Mapping[str, Build],
    table: Mapping[tuple[str, ...], tuple[str, ...]],
    free: frozenset[str],
    tidy: Callable[[list[Call], Callable[[torch.Tensor], int]], None] | None,
) -> Unrolled:
    """The unrolled network; UnsuitedError where an operation has no rule, or not every call of it was met."""
    from workbench.explainers._capture import agree
    from workbench.explainers.gradient.audit import operations, plainly
    from workbench.explainers.gradient.unrolled import Unrolled

    example = batch.inputs[:1].detach().requires_grad_()
    plain = batch.outputs(example)
    met = operations(plain)
    answered = {name: builds[name] for calls in table.values() for name in calls}
    network = Unrolled(batch.outputs, example, answered, tidy)
    strange = [name for name in met if name not in free and not any(name in group for group in table)]
    strange += [
        group[0]
        for group, calls in table.items()
        if sum(met[name] for name in group) != sum(network.counts[name] for name in calls)
    ]
    if strange or not agree(network(example).detach(), plain.detach()):
        lack = f"no rule for {plainly(sorted(strange))}" if strange else "no hold of all operations"
        raise UnsuitedError(f"{method} has {lack} in {batch.name!r}; take integrated_gradients")
    return network


def _folded(calls: list[Call], uses: Callable[[torch.Tensor], int]) -> None:
    """Batch normalisation into the convolution before it, where nothing else takes what that convolution gave."""
    from torch import nn

    from workbench.explainers.gradient.parts import Scale, weighted

    for norm in calls:
        for before in calls:
            conv, scale = before.part, norm.part
            if before.given is not norm.operands[0] or uses(before.given) > 1:
                continue
            if isinstance(conv, nn.Conv2d) and isinstance(scale, Scale):
                shift = scale.bias if conv.bias is None else conv.bias * scale.weight + scale.bias
                weighted(conv, conv.weight * scale.weight.view(-1, 1, 1, 1), shift)
                norm.part = None

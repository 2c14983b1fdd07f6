"""Gradients that ReLUs let through by another rule than the derivative's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.errors import UnsuitedError
from workbench.explainers.gradient.engine import gradient_method

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from workbench.explainers.gradient.engine import Batch

# Other bends of the same purpose, for which neither paper has a rule; gates (sigmoid, tanh, softmax) are none.
_BENDS = (
    "LeakyRelu Elu Selu Celu Silu Gelu Hardswish Hardtanh PreluKernel Prelu RreluWithNoise Mish Softplus Threshold "
    "ClampMin Clamp ClampMax Maximum Glu Hardshrink Softshrink LogSigmoid"
)
BENDS = frozenset(_BENDS.split())


@gradient_method(
    "guided_backprop",
    reference="Springenberg et al., ICLR 2015 workshop (arXiv 1412.6806), section 3.4; captum's GuidedBackprop",
    particular=True,
)
def guided_backprop(batch: Batch) -> torch.Tensor:
    """Gradient of which each ReLU passes back only what is positive on both of its sides, summed over channels."""
    return _modified(batch, "guided_backprop").sum(2)


@gradient_method(
    "deconvolution",
    reference="Zeiler & Fergus, ECCV 2014, section 2.1 (as in arXiv 1412.6806, fig. 1); captum's Deconvolution",
    particular=True,
)
def deconvolution(batch: Batch) -> torch.Tensor:
    """Gradient of which each ReLU passes back the positive part, whatever its input was; summed over channels."""
    return _modified(batch, "deconvolution").sum(2)


@gradient_method(
    "guided_grad_cam",
    reference="Selvaraju et al., ICCV 2017, section 3.3: guided backpropagation times Grad-CAM, bilinear",
    cost="2 forwards, and 2 backwards a target",
    particular=True,
)
def guided_grad_cam(batch: Batch, *, layer: str = "") -> tuple[torch.Tensor, torch.Tensor]:
    """Guided backpropagation times the positive part of Grad-CAM at a layer, both at the input's resolution."""
    import torch
    from torch.nn import functional as F

    from workbench.errors import LayerError
    from workbench.explainers._capture import Forward

    classifier = batch.job.classifier
    name = layer or classifier.cam_layer
    if not name:
        raise LayerError(
            f"{classifier.name!r} has no layer with a grid for the Grad-CAM in guided_grad_cam; state layer="
        )
    guided = guided_backprop(batch)
    forward = Forward(classifier, batch.module, [name], batch.inputs)
    activations = forward.leaves[name].detach()
    cams = []
    for target in range(batch.weights.shape[1]):
        gradients = forward.gradients(batch.weights[:, target], batch.space)[1][name]
        cams.append((gradients.mean((2, 3), keepdim=True) * activations).sum(1).clamp(min=0))
    cam = torch.stack(cams, 1)
    upsampled = F.interpolate(cam, size=guided.shape[2:], mode="bilinear", align_corners=False)
    return guided * upsampled, guided.flatten(2).abs().amax(2) == 0


def _modified(batch: Batch, name: str) -> torch.Tensor:
    """captum's modified gradients, (N, T, C, H, W), with one forward for all targets; made once for a batch."""
    import torch
    from captum.attr import Deconvolution, GuidedBackprop

    from workbench.explainers.gradient.unrolled import Unrolled

    def gradients(forward: Callable[[torch.Tensor], torch.Tensor], inputs: tuple[torch.Tensor], *_: Any) -> Any:
        return (torch.stack(list(batch.gradients(inputs[0], batch.rows, forward)), 1),)

    network: Unrolled = batch.once("rectified", lambda: _unrolled(batch))
    kind = GuidedBackprop if name == "guided_backprop" else Deconvolution
    rule = kind(network)
    rule.gradient_func = gradients
    found: torch.Tensor = rule.attribute(batch.inputs.detach().requires_grad_())
    return found


def _unrolled(batch: Batch) -> Any:
    """The network with a module for each ReLU; UnsuitedError where it has none, or bends of another kind besides."""
    from workbench.explainers.gradient.audit import operations, plainly
    from workbench.explainers.gradient.parts import BUILDS
    from workbench.explainers.gradient.unrolled import Unrolled

    example = batch.inputs[:1].detach().requires_grad_()
    met = operations(batch.outputs(example))
    other = sorted(set(met) & (BENDS | {"own function"}))
    network = Unrolled(batch.outputs, example, {"relu": BUILDS["relu"]})
    if other or not met["Relu"] or network.counts["relu"] != met["Relu"]:
        lack = f"has {plainly(other)}" if other else "has ReLUs out of reach" if met["Relu"] else "has none"
        raise UnsuitedError(
            f"guided_backprop, deconvolution and guided_grad_cam are for ReLU networks, and {batch.name!r} {lack}; "
            "take integrated_gradients or smooth(saliency)"
        )
    return network

"""The only place that touches hooks: a network is borrowed, read at one layer, and given back as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from workbench.errors import ClassifierError, LayerError

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier


@dataclass
class Reading:
    """What one layer gave in one forward: `activation` is a leaf (N, channels, height, width); `calls` counts runs."""

    activation: torch.Tensor | None = None
    calls: int = 0


@dataclass(frozen=True)
class LayerView:
    """One forward and one backward: activations and gradients (N, C, h, w), target scores (N,), `silent` (N,) bool
    where the whole gradient is zero."""

    activations: torch.Tensor
    gradients: torch.Tensor
    scores: torch.Tensor
    silent: torch.Tensor = field(repr=False)


def plain(module: torch.nn.Module) -> torch.nn.Module:
    """The hookable module inside a compiled or DataParallel wrapper; ClassifierError for TorchScript."""
    while isinstance(module, torch.nn.DataParallel) or hasattr(module, "_orig_mod"):
        module = module.module if isinstance(module, torch.nn.DataParallel) else module._orig_mod  # type: ignore[assignment]
    if isinstance(module, torch.jit.ScriptModule):
        raise ClassifierError("a TorchScript module cannot be read at a layer; load the network's Python class instead")
    return module


@contextmanager
def borrowed(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The network in evaluation mode with frozen parameters; modes, flags and random state return on the way out."""
    module = plain(module)
    modes = [(part, part.training) for part in module.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    devices = sorted({p.device.index or 0 for p, _ in flags if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        try:
            for part, _ in modes:
                part.training = False
            for parameter, _ in flags:
                parameter.requires_grad_(False)
            yield module
        finally:
            for part, mode in modes:
                part.training = mode
            for parameter, flag in flags:
                parameter.requires_grad_(flag)


@contextmanager
def quick(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """A copy for many passes: channels-last weights make convolutions up to three times as fast on a CPU.

    A module that cannot be copied is borrowed as it is.
    """
    with borrowed(module) as own:
        try:
            fast = copy.deepcopy(own).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        except (RuntimeError, TypeError):  # tensors that are no graph leaves, handles that cannot be copied
            fast = own
        yield fast


def pass_length(inputs: torch.Tensor) -> int:
    """Pictures in one pass: what fits a CPU's cache (measured), or fills a GPU."""
    if inputs.device.type != "cpu":
        return 256
    return 16 if inputs.shape[2] * inputs.shape[3] <= 128**2 else 8


@contextmanager
def reading(module: torch.nn.Module, layer: str, owner: str) -> Iterator[Reading]:
    """Catch the output of `layer` as a gradient leaf, cut off from everything upstream.

    The network goes on with a copy, so an in-place operation after the layer cannot change what was read. Raises
    LayerError for a layer that does not exist, is not spatial, or runs twice in one forward (its two outputs would
    be two different maps).
    """
    result = Reading()

    def hook(_module: torch.nn.Module, _inputs: object, output: object) -> torch.Tensor:
        result.calls += 1
        if result.calls > 1:
            raise LayerError(f"layer {layer!r} of {owner!r} runs twice in one forward; choose one that runs once")
        if not isinstance(output, torch.Tensor) or output.ndim != 4 or output.shape[2] * output.shape[3] < 2:
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise LayerError(
                f"layer {layer!r} of {owner!r} gives {shape}, not (images, channels, height, width) with more than "
                "one place; choose one of Classifier.spatial_layers()"
            )
        result.activation = output.detach().clone().requires_grad_()
        return result.activation.clone()

    try:
        target = module.get_submodule(layer) if layer else None
    except AttributeError:
        target = None
    if target is None:
        known = ", ".join([name for name, part in module.named_modules() if isinstance(part, torch.nn.Conv2d)][-4:])
        if not layer:
            raise LayerError(
                f"{owner!r} has no layer with a grid that a CAM could look at; state layer=, or take explainers of the "
                "gradient or perturbation family"
            )
        raise LayerError(f"{owner!r} has no layer {layer!r}; its last convolutions: {known or 'none'}")
    handle = target.register_forward_hook(hook)
    try:
        yield result
    finally:
        handle.remove()


def view(classifier: Classifier, layer: str, inputs: torch.Tensor, targets: torch.Tensor) -> LayerView:
    """One forward, and one backward of each image's target score that goes no further down than `layer`."""
    if len(targets) != len(inputs):
        raise ValueError(f"{len(targets)} targets for {len(inputs)} images; give one each")
    with (
        borrowed(classifier.module) as module,
        reading(module, layer, classifier.name) as read,
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        logits = expression_scores(module(inputs.clone()), classifier)
        columns = targets.to(logits.device, copy=True)[:, None]
        leaf = read.activation
        if leaf is None:
            raise LayerError(f"layer {layer!r} of {classifier.name!r} does not run in a forward; choose another")
        scores = logits.gather(1, columns)[:, 0]
        found = torch.autograd.grad(scores.sum(), leaf, allow_unused=True)[0] if scores.requires_grad else None
    gradients = torch.zeros_like(leaf) if found is None else found
    silent = gradients.flatten(1).abs().amax(1) == 0
    return LayerView(leaf.detach().float(), gradients.float(), scores.detach().float(), silent)


def expression_scores(output: object, classifier: Classifier) -> torch.Tensor:
    """The expression head's columns (N, labels) of what the network gave; ClassifierError for another shape."""
    wanted = classifier.outputs
    if not isinstance(output, torch.Tensor) or output.ndim != 2 or output.shape[1] != wanted:
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ClassifierError(f"{classifier.name!r} gives {shape} for {wanted} labels; expected (images, {wanted})")
    return output[:, classifier.columns("expression")]

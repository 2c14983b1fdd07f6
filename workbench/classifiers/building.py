"""From a module and what is known about it to a Classifier that has been tried out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from workbench.classifiers.classifier import Classifier, Preprocessing
from workbench.classifiers.default_layer import default_layer
from workbench.classifiers.heads import Head, collate
from workbench.classifiers.layers import Probe, Tokens, check_layer, probe
from workbench.classifiers.listening import noise, run
from workbench.errors import ClassifierError, UsageError


def build(
    name: str,
    module: nn.Module,
    heads: Mapping[str, Head],
    preprocessing: Preprocessing,
    *,
    layer: str | None = None,
    device: str | torch.device | None = None,
    provenance: Mapping[str, str] | None = None,
    tokens: Tokens | None = None,
) -> Classifier:
    """A Classifier around `module`, which is put into evaluation mode, frozen, moved to `device` (default: CPU) and,
    where its forward allows, into channels-last memory.

    Raises ClassifierError where the output does not match the heads or holds NaN; LayerError for a bad `layer`.
    """
    module = module.eval().requires_grad_(False).to(choose_device(device))
    with torch.random.fork_rng(devices=[]):  # a module that draws numbers leaves the caller's alone
        found = _tried(name, module, heads, preprocessing, tokens)
        _refuse_chance(name, module, heads, preprocessing)
    if not torch.isfinite(found.outputs).all():
        raise ClassifierError(f"{name}: the module gives NaN or infinity on a noise image; its weights are damaged")
    _refuse_probabilities(name, found.outputs, heads)
    if layer is not None:
        check_layer(layer, module, found.layouts, name)
        reason = "stated"
    else:
        layer, reason = default_layer(module, preprocessing, found, heads)
    said = {**(provenance or {}), "cam_layer": reason}
    classifier = Classifier(name, module, dict(heads), preprocessing, layer, said, tokens)
    return classifier.knowing(found.layouts)


def _tried(
    name: str, module: nn.Module, heads: Mapping[str, Head], preprocessing: Preprocessing, tokens: Tokens | None
) -> Probe:
    """The probe of the module in channels-last memory, or contiguous where its forward (`view`) does not allow it."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        return probe(module, preprocessing, heads, tokens=tokens, owner=name)
    except ClassifierError:
        module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    try:
        return probe(module, preprocessing, heads, tokens=tokens, owner=name)
    except ClassifierError as error:
        said = str(error)
        raise ClassifierError(said if name in said else f"{name}: {said}") from None


def _refuse_chance(name: str, module: nn.Module, heads: Mapping[str, Head], preprocessing: Preprocessing) -> None:
    """ClassifierError where the module gives two answers to one picture: every map of it would be one of many."""
    images = noise(preprocessing, 1)
    with torch.no_grad():
        first, second = (collate(run(module, images.clone()), heads, name) for _ in range(2))
    known = torch.isfinite(first) & torch.isfinite(second)  # damaged weights are told elsewhere
    gap = (first - second)[known].abs()
    if len(gap) and gap.max() > 1e-3 * first[known].abs().max():
        raise ClassifierError(
            f"{name}: two forwards of one picture differ in evaluation mode, so that no map of it could be made again; "
            "let random parts stop there, for example F.dropout(x, p, training=self.training)"
        )


def _refuse_probabilities(name: str, outputs: torch.Tensor, heads: Mapping[str, Head]) -> None:
    """ClassifierError where a softmax head gives probabilities already: they would go through a softmax twice."""
    start = 0
    for head, stated in heads.items():
        part = outputs[:, start : start + len(stated.labels)].float()
        start += len(stated.labels)
        if stated.kind != "softmax" or len(stated.labels) < 2 or (part < 0).any():
            continue
        if ((part.sum(1) - 1).abs() < 1e-3).all():
            raise ClassifierError(
                f"{name}: the outputs of the head {head!r} sum to one, so they are probabilities and no logits; leave "
                f"the softmax out of the module, or state heads={{{head!r}: {{'labels': […], 'kind': 'linear'}}}}"
            )


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name, CPU for None; UsageError where there is none such."""
    try:
        target = torch.device(device or "cpu")
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise UsageError(f"the device {str(device)!r} cannot be used ({line}); try 'cpu'") from None
    return target

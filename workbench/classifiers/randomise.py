"""The same architecture with weights that were never trained, whole (the control `random_weights`) or in part.

Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018 (model parameter randomisation).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.errors import UnknownNameError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from workbench.classifiers.classifier import Classifier


def randomised(classifier: Classifier, seed: int = 0) -> Classifier:
    """A copy of `classifier` with fresh weights, named `<name>-random<seed>`; the original is not touched.

    Convolutions and dense layers: He normal, bias 0 (so that signals keep their size through rectifiers); layers
    that know how to start anew do so, batch-norm statistics included; parameters of any other kind have their
    entries shuffled. The same seed gives the same weights, and torch's own random state stays as it was.
    """
    import torch

    module = copy.deepcopy(classifier.module).cpu()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in module.modules():
            _start_anew(part)
    module = module.to(classifier.device).eval()
    provenance = {
        **classifier.provenance,
        "weights": f"random, seed {seed}; architecture of {classifier.name}",
        "caveat": "Random weights: a control, no trained network.",
    }
    fresh = replace(classifier, name=f"{classifier.name}-random{seed}", module=module, provenance=provenance)
    return fresh.knowing(classifier.layouts)


def partly_randomised(classifier: Classifier, parts: Iterable[str], seed: int = 0, name: str = "") -> Classifier:
    """A copy of `classifier` in which the parameters lying directly in the modules `parts` are fresh, all others kept.

    Each part is started as in `randomised`; its numbers depend on the seed and its own name alone, so that networks
    with more and more fresh parts agree in those that they share. name: of the copy. Raises UnknownNameError for a
    module that the network does not have.
    """
    import torch

    wanted = list(dict.fromkeys(parts))
    module = copy.deepcopy(classifier.module).cpu()
    modules = dict(module.named_modules())
    fresh = set()
    for part in wanted:
        if part not in modules:
            raise UnknownNameError(f"module of {classifier.name!r}", part, modules)
        own = (*modules[part].named_parameters(recurse=False), *modules[part].named_buffers(recurse=False))
        fresh |= {id(tensor) for _, tensor in own}
    tensors = (*module.parameters(), *module.buffers())
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors if id(tensor) not in fresh]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for part in wanted:
            digest = hashlib.sha256(f"{seed}|{part}".encode()).digest()
            torch.manual_seed(int.from_bytes(digest[:7], "big"))
            _start_anew(modules[part])
        for tensor, value in kept:  # some modules start the ones inside them too
            tensor.copy_(value)
    module = module.to(classifier.device).eval()
    provenance = {
        **classifier.provenance,
        "weights": f"random in {', '.join(wanted)}, seed {seed}; the rest of {classifier.name}",
        "caveat": "Partly random weights: a control, no trained network.",
    }
    changed = replace(classifier, name=name or f"{classifier.name}-partly-random{seed}", module=module)
    return replace(changed, provenance=provenance).knowing(classifier.layouts)


def _start_anew(part: nn.Module) -> None:
    """Re-initialise the parameters that lie directly in `part`."""
    from torch import nn

    own = dict(part.named_parameters(recurse=False))
    if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
        if "weight" in own:
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
        for name, parameter in own.items():
            if name not in ("weight", "bias"):  # what a norm of the weight is made of (weight_g, weight_v, weight_orig)
                _shuffle(parameter)
        if part.bias is not None:
            nn.init.zeros_(part.bias)
    elif isinstance(part, nn.modules.batchnorm._NormBase):
        part.reset_running_stats()
        for value, tensor in ((1.0, part.weight), (0.0, part.bias)):
            if tensor is not None:
                tensor.fill_(value)
    elif callable(getattr(part, "reset_parameters", None)):
        part.reset_parameters()  # type: ignore[operator]
    else:
        for parameter in own.values():
            _shuffle(parameter)


def _shuffle(parameter: torch.Tensor) -> None:
    """Its entries in another order; torch's random state decides."""
    import torch

    parameter.copy_(parameter.flatten()[torch.randperm(parameter.numel())].view_as(parameter))

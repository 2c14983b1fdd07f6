"""The affine first layer of a network: gone through once for a whole path, where it is a large part of the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.explainers.spaces import in_space

if TYPE_CHECKING:
    import torch

    from workbench.explainers.gradient.engine import Batch

LARGE = 25  # places of a kernel: below, a first convolution costs less than its going round


@dataclass(frozen=True, eq=False)
class Stem:
    """A convolution through which alone the network sees its input, so that gradients behind it can be summed first."""

    batch: Batch
    part: torch.nn.Module

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the convolution makes of inputs."""
        found: torch.Tensor = self.part(inputs)
        return found

    def outputs(self, hidden: torch.Tensor) -> torch.Tensor:
        """The network's outputs (M, columns) in the space explained, where its first layer gave `hidden`."""
        from workbench.explainers._capture import answered

        shape = (len(hidden), *self.batch.inputs.shape[1:])
        with answered(self.part, hidden.clone()):
            raw = self.batch.module(self.batch.inputs[:1].expand(shape))
        classifier = self.batch.job.classifier
        return in_space(classifier.outputs_of(raw), classifier, self.batch.space)

    def back(self, gradient: torch.Tensor) -> torch.Tensor:
        """A gradient (T, C', h, w) behind the convolution as one at the input, (T, C, H, W)."""
        import torch

        leaf = self.batch.inputs[:1].expand(len(gradient), *self.batch.inputs.shape[1:]).clone().requires_grad_()
        (found,) = torch.autograd.grad(self.part(leaf), leaf, gradient)
        return found


def stem_of(batch: Batch) -> Stem | None:
    """The network's stem if its first layer is a large convolution and nothing goes around it; looked for once."""
    if "stem" not in batch.kept:
        batch.kept["stem"] = _found(batch)
    part = batch.kept["stem"]
    return None if part is None else Stem(batch, part)


def _found(batch: Batch) -> torch.nn.Module | None:
    import torch

    given = batch.inputs[:1].clone().requires_grad_()
    calls: list[torch.nn.Module] = []

    def note(part: torch.nn.Module, inputs: tuple[object, ...]) -> None:
        if inputs and inputs[0] is given:
            calls.append(part)

    handles = [
        part.register_forward_pre_hook(note)
        for part in batch.module.modules()
        if isinstance(part, torch.nn.Conv2d) and part.kernel_size[0] * part.kernel_size[1] >= LARGE
    ]
    if not handles:
        return None
    try:
        batch.module(given)
    finally:
        for handle in handles:
            handle.remove()
    if len(calls) != 1 or calls[0].padding_mode != "zeros":
        return None
    stem = Stem(batch, calls[0])
    with torch.no_grad():
        hidden = stem(given)
    from workbench.explainers._capture import answered

    with answered(stem.part, hidden):  # does anything else still see the input?
        outputs = batch.job.classifier.outputs_of(batch.module(given))
    free = not outputs.requires_grad or torch.autograd.grad(outputs.sum(), given, allow_unused=True)[0] is None
    return stem.part if free and type(stem.part).forward is torch.nn.Conv2d.forward else None

"""What stands in a hidden place, in the network's own input space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError

if TYPE_CHECKING:
    import torch

    from workbench.explainers.explainer import Job

FILLS = ("black", "zero", "mean", "blur", "noise", "average_face")
BLUR = 0.05  # standard deviation of the blur as a share of each side: 11 of 224 pixels


def fill(kind: str, job: Job, index: int, inputs: torch.Tensor) -> torch.Tensor:
    """The picture that shows through where face `index`, with inputs (1, C, H, W), is hidden: (1, C, H, W).

    black: a black picture, preprocessed. zero: 0 in the network's input space, which is the mean colour of its
    training data where inputs are standardised. mean: the picture's own mean colour. blur: the picture under a
    Gaussian of `BLUR` of its side, edges repeated. noise: uniform between preprocessed black and white, its own for
    each pixel and channel, keyed by seed and face. average_face: the mean of other faces drawn onto this one; needs
    faces with landmarks. Raises UsageError for another name.
    """
    check_fill(kind)
    if kind == "zero":
        return inputs.new_zeros(inputs.shape)
    if kind == "mean":
        return inputs.mean((2, 3), keepdim=True).expand_as(inputs)
    if kind == "blur":
        return _blurred(inputs)
    size = job.images.shape[1:3]
    if kind == "average_face":
        picture = np.array(job.pictures("average_face", index), dtype=np.uint8)  # those are read-only
        return job.classifier.inputs(picture[None]).to(inputs)
    black = job.classifier.inputs(np.zeros((1, *size, 3), np.uint8)).to(inputs)
    if kind == "black":
        return black
    white = job.classifier.inputs(np.full((1, *size, 3), 255, np.uint8)).to(inputs)
    share = job.stream(index, "noise fill").random(tuple(inputs.shape), dtype=np.float32)
    return black + (white - black) * inputs.new_tensor(share)


def check_fill(fill: str) -> None:
    """UsageError for a fill that does not exist."""
    if fill not in FILLS:
        raise UsageError(f"option fill={fill!r} is not known; choose one of {', '.join(FILLS)}")


def _blurred(inputs: torch.Tensor) -> torch.Tensor:
    """Gaussian blur by one matrix a side."""
    down, across = (inputs.new_tensor(_gaussian(side, BLUR * side)) for side in inputs.shape[2:])
    return down @ inputs @ across.T


def _gaussian(side: int, sigma: float) -> np.ndarray:
    """(side, side): row i holds what each place gives to place i; places beyond an edge repeat the edge."""
    reach = max(1, int(np.ceil(4 * sigma)))
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    result = np.zeros((side, side))
    for step, weight in zip(steps, kernel, strict=True):
        np.add.at(result, (np.arange(side), np.clip(np.arange(side) + step, 0, side - 1)), weight)
    return result

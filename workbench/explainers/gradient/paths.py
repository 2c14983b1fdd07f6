"""Gradients averaged along straight ways from another picture to this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.explainers.gradient.engine import gradient_method
from workbench.explainers.gradient.stem import stem_of
from workbench.explainers.passes import streamed

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from workbench.explainers.gradient.engine import Batch


@gradient_method(
    "integrated_gradients",
    reference="Sundararajan et al., ICML 2017, eq. 1; Gauss–Legendre quadrature; black baseline; sum over channels",
    cost="50 forwards, and 50 backwards a target",
)
def integrated_gradients(batch: Batch, *, steps: int = 50) -> torch.Tensor:
    """Gradient averaged on the straight path from a black picture, times the way; signed, sums to S(x) − S(black).

    Where the network sees its input through one large convolution alone, the path is straight behind it too, and the
    gradients are summed there before they go through it.
    """
    import torch
    from captum.attr._utils.approximation_methods import approximation_parameters

    shares, places = approximation_parameters("gausslegendre")
    share, place = (batch.inputs.new_tensor(one(steps))[:, None, None, None] for one in (shares, places))
    stem = stem_of(batch)
    maps = []
    for row in range(len(batch.inputs)):
        begin, end = batch.black, batch.inputs[row : row + 1]
        way = end - begin
        if stem is not None:
            with torch.no_grad():
                begin, end = stem(begin), stem(end)
        rest = end - begin

        def points(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
            return begin + place[part] * rest, share[part]  # noqa: B023  (used before the loop goes on)

        if stem is None:
            summed = _streamed(batch, row, steps, points, way)
        else:
            summed = stem.back(_streamed(batch, row, steps, points, rest, stem.outputs))
        maps.append((summed * way).sum(1))
    return torch.stack(maps)


@gradient_method(
    "gradient_shap",
    reference="Lundberg & Lee, NeurIPS 2017 (shap's GradientExplainer); Erion et al., 2021, eq. 3: expected gradients",
    cost="50 forwards, and 50 backwards a target",
)
def gradient_shap(batch: Batch, *, samples: int = 50, noise: float = 0.0) -> torch.Tensor:
    """Gradients at random places on the ways from pictures of one random colour, times the ways; signed.

    Each sample draws a baseline of one colour (uniform between black and white in each channel) and a place on the way
    (uniform); `noise` is the standard deviation of Gaussian noise on the picture, as a share of its range. The mean
    over samples sums, up to the sampling error, to S(x) − the mean of S over such baselines.
    """
    import torch

    share = 1 / samples
    maps = []
    for row in range(len(batch.inputs)):
        picture = batch.inputs[row : row + 1]
        stream = batch.stream(row, "gradient_shap")
        draws = picture.new_tensor(stream.random((samples, picture.shape[1] + 1)))[..., None, None]
        base = batch.black + draws[:, 1:] * (batch.white - batch.black)
        noisy = _noise(picture, noise, samples, batch, row)

        def points(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
            way = picture + noisy(part) - base[part]  # noqa: B023  (used before the loop goes on)
            return base[part] + draws[part, :1] * way, way * share  # noqa: B023

        maps.append(_streamed(batch, row, samples, points, picture).sum(1))
    return torch.stack(maps)


def _streamed(
    batch: Batch,
    row: int,
    total: int,
    points: Callable[[slice], tuple[torch.Tensor, torch.Tensor]],
    like: torch.Tensor,
    outputs: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """Σ factor · gradient over many points of one image, (T, C, H, W); `points(part)` → points shaped as `like`, and
    factors."""
    import torch

    def work(part: slice) -> torch.Tensor:
        inputs, factors = points(part)
        rows = torch.full((len(inputs),), row, device=inputs.device)
        factors = factors.expand(len(inputs), *factors.shape[1:])
        return torch.stack([_summed(found, factors) for found in batch.gradients(inputs, rows, outputs)])

    summed = torch.zeros((batch.weights.shape[1], *like.shape[1:]), device=like.device)
    for _, found in streamed(work, total, batch.length):
        summed += found
    return summed


def _summed(values: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Σ factors[m] · values[m], in one pass; torch's sum over the first axis is slow in channels-last memory."""
    total = values[0] * factors[0]
    for value, factor in zip(values[1:], factors[1:], strict=True):
        total.addcmul_(value, factor)
    return total


def _noise(
    picture: torch.Tensor, sigma: float, samples: int, batch: Batch, row: int
) -> Callable[[slice], torch.Tensor | float]:
    if not sigma:
        return lambda _: 0.0
    import numpy as np

    size = sigma * float(picture.max() - picture.min())
    keys = batch.stream(row, "gradient_shap noise").integers(2**63, size=samples)

    def drawn(part: slice) -> torch.Tensor:
        shape = tuple(picture.shape[1:])
        return picture.new_tensor(
            np.stack([np.random.default_rng(key).standard_normal(shape, np.float32) * size for key in keys[part]])
        )

    return drawn

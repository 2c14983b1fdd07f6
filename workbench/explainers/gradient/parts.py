"""Operations of a network and the modules that stand for one call of each.

A build takes an operation's own arguments and gives (a function that makes the module, the operands that depend on the
input, whether the first operand is overwritten), or None for a form of the operation that no module stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Met = tuple[Callable[[], nn.Module], tuple[Tensor, ...], bool]
Build = Callable[..., Met | None]
HIDDEN = -1e30  # padding of a maximum: never the largest


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _relu(input: Tensor, inplace: bool = False) -> Met:
    return nn.ReLU, (input,), inplace


def _tanh(input: Tensor) -> Met:
    return nn.Tanh, (input,), False


def _sigmoid(input: Tensor) -> Met:
    return nn.Sigmoid, (input,), False


def _elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Met:
    return partial(nn.ELU, alpha), (input,), inplace


def _leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Met:
    return partial(nn.LeakyReLU, negative_slope), (input,), inplace


def _softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Met:
    return partial(nn.Softplus, beta, threshold), (input,), False


def _max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Met | None:
    if return_indices:
        return None
    return partial(nn.MaxPool2d, kernel_size, stride, padding, dilation, False, ceil_mode), (input,), False


def _apart_max_pool2d(input: Tensor, kernel_size: Any, *args: Any, **kwargs: Any) -> Met | None:
    """As `max_pool2d`, by windows that do not overlap."""
    met = _max_pool2d(input, kernel_size, *args, **kwargs)
    return None if met is None else (lambda: ApartMaxPool(met[0]()), (input,), False)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Met | None:
    if input.ndim != 4 or weight.requires_grad:
        return None

    def make() -> nn.Module:
        channels = weight.shape[1] * groups, weight.shape[0]
        size = tuple(weight.shape[2:])
        part = nn.Conv2d(*channels, size, stride, padding, dilation, groups, bias is not None, device="meta")  # type: ignore[arg-type]
        return weighted(part, weight, bias)

    return make, (input,), False


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Met | None:
    if weight.requires_grad:
        return None
    part = partial(nn.Linear, weight.shape[1], weight.shape[0], bias is not None, device="meta")
    return (lambda: weighted(part(), weight, bias)), (input,), False


def weighted(part: nn.Module, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """The module with these numbers, in parameters of its own over the same memory."""
    part.register_parameter("weight", nn.Parameter(weight.detach(), requires_grad=False))
    part.register_parameter("bias", None if bias is None else nn.Parameter(bias.detach(), requires_grad=False))
    return part


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Met | None:
    if training or running_mean is None or running_var is None:
        return None

    def make() -> nn.Module:
        scale = torch.rsqrt(running_var + eps) * (1 if weight is None else weight.detach())
        shift = (0 if bias is None else bias.detach()) - running_mean * scale
        return Scale(scale, shift)

    return make, (input,), False


def _avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Met:
    make = partial(nn.AvgPool2d, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return make, (input,), False


def _adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Met:
    return partial(nn.AdaptiveAvgPool2d, output_size), (input,), False


def _mean(input: Tensor, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Met | None:
    return None if dtype is not None else (partial(Mean, dim, keepdim), (input,), False)


def _add(input: Any, other: Any, alpha: float = 1) -> Met | None:
    if alpha != 1 or not all(isinstance(one, Tensor) and one.requires_grad for one in (input, other)):
        return None
    return Sum, (input, other), False


BUILDS: dict[str, Build] = {
    "relu": _relu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "elu": _elu,
    "leaky_relu": _leaky_relu,
    "softplus": _softplus,
    "max_pool2d": _max_pool2d,
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
    "add": _add,
}
APART: dict[str, Build] = {**BUILDS, "max_pool2d": _apart_max_pool2d}


class Scale(nn.Module):
    """Batch normalisation in evaluation mode: each channel times `weight` (C,) plus `bias` (C,)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, …) → the same shape."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        return x * self.weight.view(shape) + self.bias.view(shape)


class Mean(nn.Module):
    """The mean over some dimensions."""

    def __init__(self, dim: Any, keepdim: bool) -> None:
        super().__init__()
        self.dim, self.keepdim = dim, keepdim

    def forward(self, x: Tensor) -> Tensor:
        """Any shape → without (or with 1 in) the dimensions averaged."""
        return x.mean() if self.dim is None else x.mean(self.dim, keepdim=self.keepdim)


class Sum(nn.Module):
    """The sum of two tensors."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two shapes that fit → their sum."""
        return x + y


class ApartMaxPool(nn.Module):
    """Max pooling whose windows are laid out side by side first, so that none shares a place with another.

    captum's rule for a maximum gives a place that two windows share the answer of one of them only.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self._like = (
            _pair(pool.kernel_size),  # type: ignore[arg-type]
            _pair(pool.stride),  # type: ignore[arg-type]
            _pair(pool.padding),  # type: ignore[arg-type]
            _pair(pool.dilation),  # type: ignore[arg-type]
            bool(pool.ceil_mode),
        )
        self.pool = nn.MaxPool2d(self._like[0])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, h, w), the values of the pooling it stands for."""
        size, stride, padding, dilation, up = self._like
        grid, missing = [], []
        for side, k, s, p, d in zip(x.shape[2:], size, stride, padding, dilation, strict=True):
            room = side + 2 * p - d * (k - 1) - 1
            places = (room + s - 1 if up else room) // s + 1
            if up and (places - 1) * s >= side + p:  # torch: the last window starts inside the picture
                places -= 1
            grid.append(places)
            missing.append(max(0, (places - 1) * s + d * (k - 1) + 1 - side - p))
        padded = F.pad(x, (padding[1], missing[1], padding[0], missing[0]), value=HIDDEN)
        windows = F.unfold(padded, size, dilation, 0, stride)
        windows = windows.view(len(x), x.shape[1], *size, -1)
        rows = (padded.shape[2] - dilation[0] * (size[0] - 1) - 1) // stride[0] + 1
        windows = windows.view(*windows.shape[:4], rows, -1)[..., : grid[0], : grid[1]]
        laid = windows.permute(0, 1, 4, 2, 5, 3).reshape(len(x), x.shape[1], grid[0] * size[0], grid[1] * size[1])
        found: Tensor = self.pool(laid)
        return found

"""Torch modules that compute what Keras layers compute, where torch's own differ: padding, order of axes, merging.

Tensors are (N, C, H, W) throughout, where Keras has (N, H, W, C).
"""

# ruff: noqa: D102 — `forward` and `extra_repr` are told by their class

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, int]


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """(before, after) along one axis so that the output has ceil(size / stride) entries; the odd one goes after.

    TensorFlow, "Notes on padding" of tf.nn.
    """
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, value: float = 0.0) -> Tensor:
    """`x` padded on its last two axes as 'same' asks; `x` itself where nothing is to be padded."""
    top, bottom = same_padding(x.shape[-2], kernel[0], stride[0], dilation[0])
    left, right = same_padding(x.shape[-1], kernel[1], stride[1], dilation[1])
    if not (top or bottom or left or right):
        return x
    return F.pad(x, (left, right, top, bottom), value=value)


class Conv2d(nn.Conv2d):
    """Convolution with TensorFlow's padding: `same` depends on the input's size and may be asymmetric."""

    def __init__(self, *args: Any, same: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.same = same

    def forward(self, input: Tensor) -> Tensor:
        if self.same:
            input = pad_same(input, self.kernel_size, self.stride, self.dilation)  # type: ignore[arg-type]
        return super().forward(input)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", same=True" if self.same else "")


class SeparableConv2d(nn.Module):
    """A convolution per channel, then a 1×1 convolution across channels."""

    def __init__(self, depthwise: nn.Module, pointwise: nn.Module) -> None:
        super().__init__()
        self.depthwise, self.pointwise = depthwise, pointwise

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.pointwise(self.depthwise(x))
        return result


class Pool2d(nn.Module):
    """Maximum or mean of windows; padded entries never count, neither as values nor in the mean's divisor."""

    def __init__(self, how: Literal["max", "mean"], window: Pair, stride: Pair, same: bool) -> None:
        super().__init__()
        self.how, self.window, self.stride, self.same = how, window, stride, same

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "max":
            if self.same:
                x = pad_same(x, self.window, self.stride, (1, 1), value=float("-inf"))
            return F.max_pool2d(x, self.window, self.stride)
        if not self.same:
            return F.avg_pool2d(x, self.window, self.stride)
        padded = pad_same(x, self.window, self.stride, (1, 1))
        mean = F.avg_pool2d(padded, self.window, self.stride)
        if padded is x:
            return mean
        inside = pad_same(torch.ones_like(x[:1, :1]), self.window, self.stride, (1, 1))
        return mean / F.avg_pool2d(inside, self.window, self.stride)

    def extra_repr(self) -> str:
        return f"{self.how}, window={self.window}, stride={self.stride}, same={self.same}"


class GlobalPool2d(nn.Module):
    """Maximum or mean over the whole grid: (N, C), or (N, C, 1, 1) with `keep`."""

    def __init__(self, how: Literal["max", "mean"], keep: bool = False) -> None:
        super().__init__()
        self.how, self.keep = how, keep

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=self.keep) if self.how == "mean" else x.amax((2, 3), keepdim=self.keep)

    def extra_repr(self) -> str:
        return f"{self.how}, keep={self.keep}"


class Linear(nn.Linear):
    """Dense; on a grid it acts on the channels of every place, as Keras' last axis does."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() == 4:
            return super().forward(input.movedim(1, -1)).movedim(-1, 1)
        return super().forward(input)


class Flatten(nn.Module):
    """(N, C, H, W) → (N, H·W·C), in Keras' order: channels run fastest."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.movedim(1, -1) if x.dim() == 4 else x).flatten(1)


class Reshape(nn.Module):
    """Reshape in Keras' order of axes; a target of three axes is (height, width, channels)."""

    def __init__(self, target: Sequence[int]) -> None:
        super().__init__()
        self.target = tuple(target)

    def forward(self, x: Tensor) -> Tensor:
        x = (x.movedim(1, -1) if x.dim() == 4 else x).reshape(x.shape[0], *self.target)
        return x.movedim(-1, 1) if x.dim() == 4 else x

    def extra_repr(self) -> str:
        return f"target={self.target}"


class Activation(nn.Module):
    """An activation by name; see `keras_activations`."""

    def __init__(self, name: str, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.name, self.function = name, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def extra_repr(self) -> str:
        return self.name


class PReLU(nn.Module):
    """max(x, 0) + slope · min(x, 0), the slope per channel or per place (C, H, W; 1 where it is shared)."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope)

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0) + self.slope * x.clamp(max=0)


class Softmax(nn.Module):
    """Softmax over channels (or the only axis)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(1 if x.dim() == 4 else -1)


class Affine(nn.Module):
    """x · scale + offset with fixed numbers, one for all channels or one per channel."""

    scale: Tensor
    offset: Tensor

    def __init__(self, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.reshape(-1))
        self.register_buffer("offset", offset.reshape(-1))

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return x * self.scale.view(shape) + self.offset.view(shape)


class Merge(nn.Module):
    """Several tensors of one rank into one, place by place."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, *parts: Tensor) -> Tensor:
        if len(parts) < 2 or len({part.dim() for part in parts}) > 1:
            raise RuntimeError(f"cannot merge shapes {[tuple(part.shape[1:]) for part in parts]}")
        result = parts[0]
        for part in parts[1:]:
            if self.how in ("add", "mean"):
                result = result + part
            elif self.how == "multiply":
                result = result * part
            elif self.how == "subtract":
                result = result - part
            elif self.how == "maximum":
                result = torch.maximum(result, part)
            else:
                result = torch.minimum(result, part)
        return result / len(parts) if self.how == "mean" else result

    def extra_repr(self) -> str:
        return self.how


class Concatenate(nn.Module):
    """Join along one axis; `axis` counts as in Keras (0 is the batch, -1 the channels)."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        rank = parts[0].dim()
        axis = self.axis % rank
        return torch.cat(parts, dim={1: 2, 2: 3, 3: 1}[axis] if rank == 4 else axis)

    def extra_repr(self) -> str:
        return f"axis={self.axis}"


class Operation(nn.Module):
    """Arithmetic of two arguments, of which one may be a number (`x * (1/6)`)."""

    def __init__(self, how: str, function: Callable[[Any, Any], Any], constants: Sequence[float | None]) -> None:
        super().__init__()
        self.how, self.function, self.constants = how, function, tuple(constants)

    def forward(self, *tensors: Tensor) -> Tensor:
        left = iter(tensors)
        arguments = [next(left) if constant is None else constant for constant in self.constants]
        result: Tensor = self.function(arguments[0], arguments[1])
        return result

    def extra_repr(self) -> str:
        return f"{self.how} {self.constants}"

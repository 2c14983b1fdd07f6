"""Layers with weights: convolution, dense, normalisation, scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.classifiers.keras import modules as km
from workbench.classifiers.keras.layer_table import Request, layer


def _fill(module: nn.Module, weight: np.ndarray, bias: np.ndarray | None) -> None:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))  # type: ignore[union-attr,operator]
        if bias is not None:
            module.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr,operator]


def _conv(request: Request, kernel: np.ndarray, groups: int, bias: np.ndarray | None, **place: Any) -> km.Conv2d:
    """A convolution with `kernel` in torch's order (out, in / groups, height, width)."""
    out, per_group, height, width = kernel.shape
    module = km.Conv2d(per_group * groups, out, (height, width), groups=groups, bias=bias is not None, **place)
    _fill(module, kernel, bias)
    return module


def _placing(request: Request) -> dict[str, Any]:
    return {"stride": request.pair("strides"), "dilation": request.pair("dilation_rate"), "same": request.same}


@layer("Conv2D", "Convolution2D")
def _conv2d(request: Request) -> nn.Module:
    filters, groups = int(request.get("filters")), int(request.get("groups", 1))
    kernel = request.weights.take("kernel", *request.pair("kernel_size"), None, filters)
    bias = request.weights.take("bias", filters) if request.flag("use_bias", True) else None
    return _conv(request, kernel.transpose(3, 2, 0, 1), groups, bias, **_placing(request))


def _depthwise(request: Request, bias: bool) -> km.Conv2d:
    multiplier = int(request.get("depth_multiplier", 1))
    kernel = request.weights.take(
        "depthwise_kernel", *request.pair("kernel_size"), None, multiplier, otherwise="kernel"
    )
    height, width, channels, _ = kernel.shape
    kernel = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    values = request.weights.take("bias", channels * multiplier) if bias else None
    return _conv(request, kernel, channels, values, **_placing(request))


@layer("DepthwiseConv2D")
def _depthwise_conv2d(request: Request) -> nn.Module:
    return _depthwise(request, request.flag("use_bias", True))


@layer("SeparableConv2D", "SeparableConvolution2D")
def _separable_conv2d(request: Request) -> nn.Module:
    depthwise = _depthwise(request, bias=False)
    filters = int(request.get("filters"))
    kernel = request.weights.take("pointwise_kernel", 1, 1, depthwise.out_channels, filters)
    bias = request.weights.take("bias", filters) if request.flag("use_bias", True) else None
    return km.SeparableConv2d(depthwise, _conv(request, kernel.transpose(3, 2, 0, 1), 1, bias))


@layer("Dense")
def _dense(request: Request) -> nn.Module:
    units = int(request.get("units"))
    kernel = request.weights.take("kernel", None, units)
    bias = request.weights.take("bias", units) if request.flag("use_bias", True) else None
    module = km.Linear(kernel.shape[0], units, bias=bias is not None)
    _fill(module, kernel.T, bias)
    return module


class _BatchNorm(nn.BatchNorm2d):
    """Batch normalisation over channels, on grids and on vectors; `axis` as Keras counts it."""

    def __init__(self, size: int, axis: int, **settings: Any) -> None:
        super().__init__(size, **settings)
        self.axis = axis

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4) or self.axis not in (-1, input.dim() - 1):
            raise ValueError(f"axis {self.axis} of {input.dim()} cannot be normalised, only the last")


@layer("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization")
def _batch_normalization(request: Request) -> nn.Module:
    axis = request.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if axis not in (-1, 3, 1):
        raise request.refusal(f"normalises over axis {axis}")
    weights = request.weights
    mean = weights.take("moving_mean", None)
    size = mean.shape[0]
    module = _BatchNorm(
        size, axis, eps=float(request.get("epsilon", 1e-3)), momentum=1 - float(request.get("momentum", 0.99))
    )
    module.running_mean.copy_(torch.from_numpy(mean))  # type: ignore[union-attr]
    module.running_var.copy_(torch.from_numpy(weights.take("moving_variance", size)))  # type: ignore[union-attr]
    for ours, theirs, wanted in (("weight", "gamma", "scale"), ("bias", "beta", "center")):
        if request.flag(wanted, True):
            with torch.no_grad():
                getattr(module, ours).copy_(torch.from_numpy(weights.take(theirs, size)))
        else:  # Keras has no such parameter: a fixed value, so that parameters count alike
            fixed = getattr(module, ours).detach().clone()
            del module._parameters[ours]
            module.register_buffer(ours, fixed)
    return module


@layer("Rescaling")
def _rescaling(request: Request) -> nn.Module:
    return km.Affine(
        torch.tensor(request.get("scale", 1.0), dtype=torch.float32),
        torch.tensor(request.get("offset", 0.0), dtype=torch.float32),
    )


@layer("Normalization")
def _normalization(request: Request) -> nn.Module:
    axis = request.get("axis", -1)
    if axis not in (-1, 3, [-1], [3]) or request.flag("invert"):
        raise request.refusal(f"has axis={axis}, invert={request.flag('invert')}")
    if request.get("mean") is not None:
        mean = np.asarray(request.get("mean"), np.float32).reshape(-1)
        variance = np.asarray(request.get("variance"), np.float32).reshape(-1)
    else:
        mean = request.weights.take("mean", None)
        variance = request.weights.take("variance", mean.shape[0])
    scale = 1.0 / np.maximum(np.sqrt(variance), 1e-7)
    return km.Affine(torch.from_numpy(scale), torch.from_numpy(-mean * scale))

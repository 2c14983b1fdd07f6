"""Activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.classifiers.keras import modules as km
from workbench.classifiers.keras.layer_table import Request, layer
from workbench.errors import ClassifierError

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "swish": F.silu,
    "silu": F.silu,
    "gelu": F.gelu,
    "relu": torch.relu,
    "relu6": F.relu6,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "exponential": torch.exp,
    "mish": F.mish,
    "hard_swish": F.hardswish,
    "hard_silu": F.hardswish,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.2),
}


def _hard_sigmoid(keras: int) -> Callable[[Tensor], Tensor]:
    """Keras 2 has clip(0.2 x + 0.5, 0, 1); Keras 3 relu6(x + 3) / 6."""
    return F.hardsigmoid if keras >= 3 else lambda x: (0.2 * x + 0.5).clamp(0, 1)


def activation_name(config: Mapping[str, Any]) -> str:
    """The name of a layer's activation, `linear` where it has none."""
    value = config.get("activation")
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name", "?")
    return str(value or "linear").lower()


def build_activation(request: Request, name: str) -> nn.Module:
    """The module of an activation; ClassifierError for an unknown one."""
    if name == "linear":
        return nn.Identity()
    if name == "softmax":
        return km.Softmax()
    if name == "hard_sigmoid":
        return km.Activation(name, _hard_sigmoid(request.keras))
    if name in _ACTIVATIONS:
        return km.Activation(name, _ACTIVATIONS[name])
    known = ", ".join(sorted([*_ACTIVATIONS, "hard_sigmoid", "linear", "softmax"]))
    raise ClassifierError(
        f"{request.where}: layer {request.spec.name!r} ({request.spec.kind}) has the activation "
        f"{name!r}; supported: {known}"
    )


@layer("Activation")
def _activation(request: Request) -> nn.Module:
    return build_activation(request, activation_name(request.spec.config))


@layer("ReLU")
def _relu(request: Request) -> nn.Module:
    top, slope = request.get("max_value"), float(request.get("negative_slope", 0.0))
    threshold = float(request.get("threshold", 0.0))
    if not slope and not threshold:
        if top is None:
            return nn.ReLU()
        return km.Activation(f"relu up to {top}", lambda x: x.clamp(0.0, float(top)))

    def general(x: Tensor) -> Tensor:
        above = x if top is None else x.clamp(max=float(top))
        return torch.where(x >= threshold, above, slope * (x - threshold))

    return km.Activation(f"relu(max={top}, slope={slope}, threshold={threshold})", general)


@layer("LeakyReLU")
def _leaky_relu(request: Request) -> nn.Module:
    return nn.LeakyReLU(float(np.asarray(request.get("negative_slope", request.get("alpha", 0.3)))))


@layer("ELU")
def _elu(request: Request) -> nn.Module:
    return nn.ELU(float(request.get("alpha", 1.0)))


@layer("PReLU")
def _prelu(request: Request) -> nn.Module:
    data = request.weights
    try:
        slope = data.take("alpha", None, None, None)
    except ClassifierError:
        return km.PReLU(torch.from_numpy(data.take("alpha", None)))
    return km.PReLU(torch.from_numpy(slope.transpose(2, 0, 1).copy()))


@layer("Softmax")
def _softmax(request: Request) -> nn.Module:
    if request.get("axis", -1) not in (-1, [-1]):
        raise request.refusal(f"has axis={request.get('axis')}")
    return km.Softmax()

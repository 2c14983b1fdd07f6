"""Which Keras layers can be read: one short function a layer, from its settings and weights to a torch module.

A newcomer adds a layer with `@layer("ItsClass")`; the function gets a `Request` and returns an `nn.Module`.
Layers that do nothing at inference (dropout, noise, augmentation) are the identity.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.classifiers import keras_modules as km
from workbench.classifiers.keras_config import LayerSpec
from workbench.classifiers.keras_weights import LayerWeights
from workbench.errors import ClassifierError


@dataclass(frozen=True)
class Request:
    """What a builder gets: the layer, its weights, the major version of the Keras that wrote the file."""

    spec: LayerSpec
    weights: LayerWeights
    keras: int
    where: str

    def get(self, key: str, default: Any = None) -> Any:
        """A setting, `default` where it is absent or null."""
        value = self.spec.config.get(key, default)
        return default if value is None else value

    def pair(self, key: str, default: Any = (1, 1)) -> km.Pair:
        """A setting of two whole numbers (rows, columns); one number stands for both."""
        value = self.get(key, default)
        first, second = (value, value) if isinstance(value, int) else value
        return int(first), int(second)

    def flag(self, key: str, default: bool = False) -> bool:
        """A setting that is yes or no."""
        return bool(self.get(key, default))

    @property
    def same(self) -> bool:
        """Whether the padding is 'same'; ClassifierError for any other than 'same' and 'valid'."""
        padding = self.get("padding", "valid")
        if padding not in ("same", "valid"):
            raise self.refusal(f"has padding={padding!r}")
        return bool(padding == "same")

    def refusal(self, problem: str) -> ClassifierError:
        """The error that says that this layer has something which cannot be read."""
        return ClassifierError(
            f"{self.where}: layer {self.spec.name!r} ({self.spec.kind}) {problem}, which cannot be read"
        )


Builder = Callable[[Request], nn.Module]
LAYERS: dict[str, Builder] = {}
MERGING = ("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Concatenate", "TrueDivide", "Divide")


def layer(*kinds: str) -> Callable[[Builder], Builder]:
    """Register a builder for Keras classes of these names."""

    def decorate(builder: Builder) -> Builder:
        LAYERS.update(dict.fromkeys(kinds, builder))
        return builder

    return decorate


def build_layer(request: Request) -> nn.Module:
    """The module of one layer, all its weights used.

    Raises ClassifierError, naming layer, class and the supported classes, where the class is unknown.
    """
    spec = request.spec
    if spec.kind not in LAYERS:
        reason = " holds Python code, which is never run" if spec.kind == "Lambda" else " is of a class not supported"
        raise ClassifierError(
            f"{request.where}: layer {spec.name!r} ({spec.kind}){reason}; supported: " + ", ".join(sorted(LAYERS))
        )
    if request.get("data_format", "channels_last") != "channels_last":
        raise request.refusal(f"has data_format={request.get('data_format')!r}")
    if len(spec.sources) != 1 and not (spec.kind in MERGING or spec.kind.startswith("operation")):
        raise request.refusal(f"is fed by {len(spec.sources)} layers")
    module = LAYERS[spec.kind](request)
    request.weights.finish()
    return module


# Activations --------------------------------------------------------------------------------------------------------

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


# Convolution and dense ----------------------------------------------------------------------------------------------


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


# Normalising --------------------------------------------------------------------------------------------------------


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


# Grids --------------------------------------------------------------------------------------------------------------


def _pool(how: Literal["max", "mean"], request: Request) -> nn.Module:
    window = request.pair("pool_size", (2, 2))
    return km.Pool2d(how, window, request.pair("strides", window), request.same)


layer("MaxPooling2D", "MaxPool2D")(partial(_pool, "max"))
layer("AveragePooling2D", "AvgPool2D")(partial(_pool, "mean"))
layer("GlobalMaxPooling2D", "GlobalMaxPool2D")(lambda r: km.GlobalPool2d("max", r.flag("keepdims")))
layer("GlobalAveragePooling2D", "GlobalAvgPool2D")(lambda r: km.GlobalPool2d("mean", r.flag("keepdims")))


def _sides(request: Request, key: str) -> tuple[int, int, int, int]:
    """(left, right, top, bottom) from Keras' n, (rows, columns) or ((top, bottom), (left, right))."""
    value = request.get(key)
    rows, columns = (value, value) if isinstance(value, int) else value
    top, bottom = (rows, rows) if isinstance(rows, int) else rows
    left, right = (columns, columns) if isinstance(columns, int) else columns
    return left, right, top, bottom


@layer("ZeroPadding2D")
def _zero_padding(request: Request) -> nn.Module:
    return nn.ZeroPad2d(_sides(request, "padding"))


@layer("Cropping2D")
def _cropping(request: Request) -> nn.Module:
    left, right, top, bottom = _sides(request, "cropping")
    return nn.ZeroPad2d((-left, -right, -top, -bottom))


@layer("UpSampling2D")
def _up_sampling(request: Request) -> nn.Module:
    if request.get("interpolation", "nearest") != "nearest":
        raise request.refusal(f"has interpolation={request.get('interpolation')!r}")
    rows, columns = request.pair("size", (2, 2))
    return nn.UpsamplingNearest2d(scale_factor=(float(rows), float(columns)))


@layer("Flatten")
def _flatten(request: Request) -> nn.Module:
    return km.Flatten()


@layer("Reshape")
def _reshape(request: Request) -> nn.Module:
    return km.Reshape(request.get("target_shape"))


# Joining ------------------------------------------------------------------------------------------------------------


def _merge(how: str, request: Request) -> nn.Module:
    return km.Merge(how)


for _kind, _how in {
    "Add": "add",
    "Multiply": "multiply",
    "Average": "mean",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Subtract": "subtract",
}.items():
    layer(_kind)(partial(_merge, _how))


@layer("Concatenate")
def _concatenate(request: Request) -> nn.Module:
    return km.Concatenate(int(request.get("axis", -1)))


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "multiply": operator.mul,
    "mul": operator.mul,
    "subtract": operator.sub,
    "sub": operator.sub,
    "truediv": operator.truediv,
    "true_divide": operator.truediv,
    "divide": operator.truediv,
}


def _operation(how: str, function: Callable[[Any, Any], Any], request: Request) -> nn.Module:
    if len(request.spec.constants) != 2:
        raise request.refusal(f"has {len(request.spec.constants)} arguments")
    return km.Operation(how, function, request.spec.constants)


for _how, _function in _ARITHMETIC.items():
    layer(f"operation {_how}")(partial(_operation, _how, _function))
layer("TrueDivide", "Divide")(partial(_operation, "divide", operator.truediv))

layer(
    "InputLayer",
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomContrast",
    "RandomZoom",
    "RandomBrightness",
)(lambda request: nn.Identity())

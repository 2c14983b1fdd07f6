"""Layers without weights: pooling, padding, reshaping, merging."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from torch import nn

from workbench.classifiers.keras import modules as km
from workbench.classifiers.keras.layer_table import Request, layer


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

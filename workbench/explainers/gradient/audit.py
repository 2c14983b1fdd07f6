"""Which operations lie between a network's input and its output, read from autograd's own record of one forward.

A rule that changes what an operation passes back is only right where it meets every such operation; the record is
complete, whatever the network is written in (modules, functions, methods, scripted parts, functions of its own).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import torch

_SUFFIX = re.compile(r"Backward\w*$")
PRODUCTS = ("Mul", "Bmm", "Mm", "Div")  # linear where one operand alone depends on the input

# What moves, joins or selects values without changing them.
_MOVES = (
    "View ReshapeAlias UnsafeView Flatten Unflatten Clone Copy ToCopy Contiguous Cat Stack Permute Transpose T "
    "Squeeze Unsqueeze Select Slice Split SplitWithSizes Unbind Chunk ConstantPadNd Alias AsStrided Unfold Roll "
    "PixelShuffle PixelUnshuffle CopySlices Expand Index IndexSelect Flip Identity"
)
# Affine besides: weights and other constants on one side, the input on the other.
_AFFINE = (
    "Convolution MkldnnConvolution CudnnConvolution Addmm Mm Bmm Linear Addbmm Baddbmm Mul Div Add Sub Rsub Neg Mean "
    "Sum AvgPool2D AdaptiveAvgPool2D MkldnnAdaptiveAvgPool2D NativeBatchNorm CudnnBatchNorm MiopenBatchNorm "
    "UpsampleNearest2D UpsampleBilinear2D Repeat"
)
MOVES = frozenset(_MOVES.split())
AFFINE = MOVES | frozenset(_AFFINE.split())


def operations(output: torch.Tensor) -> Counter[str]:
    """How often each operation stands between the leaves that require a gradient and `output`.

    Names are autograd's without "Backward0" ("Relu", "Convolution", …); "product" counts besides the products of two
    factors that both depend on the input; "own function" stands for a `torch.autograd.Function` of the network's.
    """
    found: Counter[str] = Counter()
    waiting: list[Any] = [output.grad_fn]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [earlier for earlier, _ in node.next_functions]
        name = node.name().rsplit("::", 1)[-1]
        if name == "AccumulateGrad":
            continue
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            found["own function"] += 1
            continue
        name = _SUFFIX.sub("", name)
        found[name] += 1
        if name in PRODUCTS and sum(earlier is not None for earlier, _ in node.next_functions) > 1:
            found["product"] += 1
    return found


def plainly(names: list[str]) -> str:
    """Operations in words: Gelu, NativeLayerNorm, ScaledDotProduct… → "gelu, layer norm, attention"."""
    short = (re.sub("^ScaledDotProduct.*", "Attention", name.removeprefix("Native")) for name in names)
    words = (re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in short)
    return ", ".join(dict.fromkeys(words))

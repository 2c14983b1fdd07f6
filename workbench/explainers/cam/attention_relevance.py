"""Layer-wise relevance at the attention tables of a vision transformer (Chefer, Gur & Wolf, CVPR 2021, section 3).

One more forward, in which each operation behind the first table is replaced by one that gives the same values and
whose backward is the rule of relevance, so that autograd carries relevance from the outputs to the tables:

- linear layers: R_i = Σ_j (x_i w_ji)⁺ / Σ_i' (x_i' w_ji')⁺ R_j, over positive products only, without biases
- products of two activations (Q Kᵀ, A V): R_x = x · ∂z/∂x R / z, half to each factor, as in the authors' code
- sums of two branches: in proportion to their values, then scaled so that each branch gets the share
  |Σ R_branch| / Σ_branches |Σ R_branch| of the relevance, for each image by itself
- normalisation, activation functions, softmax, constant factors: relevance passes unchanged
- means: in proportion to the values; indexing and reshaping: relevance follows the values

No rule is guessed: another operation is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import Function
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from workbench.errors import UnsuitedError

TINY = 1e-9
Tensor = torch.Tensor


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where the whole is 0."""
    safe = torch.where(whole.abs() < TINY, torch.where(whole < 0, -TINY, TINY), whole)
    return torch.where(whole == 0, 0.0, part / safe)


class _Linear(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        positive, negative, up, down = x.clamp(min=0), x.clamp(max=0), weight.clamp(min=0), weight.clamp(max=0)
        share = _ratio(relevance[0], functional.linear(positive, up) + functional.linear(negative, down))
        return positive * (share @ up) + negative * (share @ down), None, None


class _Product(Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        found = left @ right
        ctx.save_for_backward(left, right, found)
        return found

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        left, right, found = ctx.saved_tensors
        share = _ratio(relevance[0], found) / 2
        return left * (share @ right.mT), right * (left.mT @ share)


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return left + right

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        left, right = ctx.saved_tensors
        share = _ratio(relevance[0], left + right)
        parts = left * share, right * share
        totals = [_of_image(part) for part in parts]
        both = totals[0].abs() + totals[1].abs()
        given = _of_image(relevance[0])
        return tuple(
            part * _ratio(_ratio(total.abs(), both) * given, total) for part, total in zip(parts, totals, strict=True)
        )


def _of_image(tensor: Tensor) -> Tensor:
    return tensor.flatten(1).sum(1).reshape(-1, *[1] * (tensor.ndim - 1))


class _Mean(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int, keepdim: bool) -> Tensor:
        found = x.mean(dim, keepdim=True)
        ctx.save_for_backward(x, found)
        ctx.dim, ctx.keepdim = dim, keepdim
        return found if keepdim else found.squeeze(dim)

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        x, found = ctx.saved_tensors
        given = relevance[0] if ctx.keepdim else relevance[0].unsqueeze(ctx.dim)
        return x * _ratio(given, found) / x.shape[ctx.dim], None, None


class _Passing(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *relevance: Tensor) -> Any:
        return relevance[0], None


# fmt: off
ROUTES = frozenset([
    "__get__", "__getitem__", "reshape", "view", "view_as", "permute", "transpose", "movedim", "swapaxes", "unbind",
    "select", "narrow", "index_select", "flatten", "unflatten", "cat", "chunk", "split", "squeeze", "unsqueeze",
    "expand", "contiguous", "clone", "to", "float", "type_as", "dropout", "dropout_", "t", "mT", "repeat_interleave",
])
# fmt: on
PASSING = frozenset(
    ["layer_norm", "rms_norm", "gelu", "relu", "relu_", "silu", "silu_", "tanh", "sigmoid", "softmax", "hardswish"]
)
SUMS = frozenset(["add", "__add__", "__radd__", "add_", "__iadd__"])
FACTORS = frozenset(["mul", "__mul__", "__rmul__", "mul_", "__imul__", "div", "__truediv__", "div_", "true_divide"])
PRODUCTS = frozenset(["matmul", "__matmul__", "bmm"])


class _Relevance(TorchFunctionMode):
    """Replaces what a network computes behind its first attention table by the operations above."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner
        self.tables: list[Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", str(function))
        if function is functional.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        if name == "softmax" and args[0].ndim in (3, 4):
            return self._table(args[0], function(*args, **kwargs))
        if not any(_tracked(one) for one in [*args, *kwargs.values()]):
            return function(*args, **kwargs)
        if name == "linear":
            given = dict(zip(("x", "weight", "bias"), args, strict=False)) | kwargs
            return _Linear.apply(given["x"], given["weight"], given.get("bias"))
        if name in PRODUCTS:
            return _Product.apply(*args)
        if name in SUMS and not kwargs:
            return self._sum(*args)
        if name == "mean":
            return self._mean(function, *args, **kwargs)
        if name in PASSING:
            return _passing(args[0], function(args[0].detach().clone(), *args[1:], **kwargs))
        if name in FACTORS and not all(_tracked(one) for one in args[:2]):
            return self._scaled(function, *args[:2])
        result = function(*args, **kwargs)
        if name in ROUTES or not _tracked(result):
            return result
        raise self._refusal(repr(name))

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if is_causal or enable_gqa or dropout_p:
            raise self._refusal("attention with a causal order, grouped heads or dropout")
        raw: Tensor = _Product.apply(query, key.transpose(-2, -1))
        logits = raw.detach() * (query.shape[-1] ** -0.5 if scale is None else scale)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            logits = logits + attn_mask
        found: Tensor = _Product.apply(self._table(raw, logits.softmax(-1)), value)
        return found

    def _table(self, logits: Tensor, weights: Tensor) -> Tensor:
        table = _passing(logits, weights.detach()) if logits.requires_grad else weights.detach().requires_grad_()
        self.tables.append(table)
        return table

    def _sum(self, left: Any, right: Any) -> Tensor:
        if not isinstance(left, Tensor) or not isinstance(right, Tensor):
            tracked = left if isinstance(left, Tensor) else right
            return _passing(tracked, left + right)
        left, right = torch.broadcast_tensors(left, right)
        found: Tensor = _Sum.apply(left, right)
        return found

    def _scaled(self, function: Callable[..., Any], left: Any, right: Any) -> Tensor:
        tracked = left if _tracked(left) else right
        plain = (one.detach().clone() if isinstance(one, Tensor) else one for one in (left, right))
        value = function(*plain)
        if tracked is right and "div" in getattr(function, "__name__", ""):
            raise self._refusal("a division by activations")
        return _passing(tracked.expand_as(value), value)

    def _refusal(self, what: str) -> UnsuitedError:
        return UnsuitedError(
            f"{self.owner!r} computes {what} behind its attention, for which layer-wise relevance has no rule; take "
            "transformer_attribution with relevance='attention'"
        )

    def _mean(self, function: Callable[..., Any], x: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
        if len(dims) != 1:
            raise self._refusal(f"a mean over {dim}")
        found: Tensor = _Mean.apply(x, dims[0], keepdim)
        return found


def _tracked(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(_tracked(one) for one in value)
    return isinstance(value, Tensor) and value.requires_grad


def _passing(x: Tensor, value: Tensor) -> Tensor:
    found: Tensor = _Passing.apply(x, value.detach())
    return found


def relevance_tables(run: Callable[[], Tensor], owner: str) -> tuple[Tensor, list[Tensor]]:
    """Outputs of `run()`, a forward of a frozen network, and its tables in order of execution; relevance flows from
    the first to the second by `torch.autograd.grad`.

    Raises UnsuitedError for a network with an operation that has no rule.
    """
    mode = _Relevance(owner)
    with torch.inference_mode(False), torch.enable_grad(), mode:
        outputs = run()
    return outputs, mode.tables

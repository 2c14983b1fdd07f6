"""Attention tables of a network, read in one forward. With `_capture` the only place that intervenes in a network.

Attention is found at torch's functions, not at module names: `scaled_dot_product_attention` (timm, torchvision,
Hugging Face), `nn.MultiheadAttention`, and a softmax over the last axis of a three- or four-dimensional tensor
(attention written out). A torch function mode sees them in this thread only, and is gone with its `with` block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier

_SOFTMAX = (torch.softmax, torch.Tensor.softmax, functional.softmax, torch.special.softmax)


@dataclass(eq=False)
class Table:
    """One attention table of a forward of N inputs.

    weights: as computed, (N, heads, queries, keys), or with images and heads in one axis. block: the outermost module
    that holds this attention and no other, and gives tokens ("" where there is none); given and tokens: what it was
    given and gave (N, L, C); in_tuple: whether it gave them as the first of several things. mixed: whether the module
    that computed it computed others too, so that no one table says how its tokens are mixed.
    """

    weights: torch.Tensor
    block: str = ""
    given: torch.Tensor | None = None
    tokens: torch.Tensor | None = None
    in_tuple: bool = False
    mixed: bool = False


@dataclass(eq=False)
class Attended:
    """What one forward showed: its tables in order of execution, and the network's outputs (N, columns)."""

    tables: list[Table] = field(default_factory=list)
    outputs: torch.Tensor = field(default_factory=lambda: torch.empty(0))


class _Recorder(TorchFunctionMode):
    """Writes attention out, so that each table is a tensor of the graph, and keeps it.

    With gradients on, the first table is a leaf: nothing before it is recorded.
    """

    def __init__(self, tables: list[Table]) -> None:
        super().__init__()
        self.tables = tables
        self.computed: list[list[Table]] = [[]]  # by each module that is running, innermost last

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if function is functional.scaled_dot_product_attention:
            return self.attend(*args, **kwargs)
        if function is functional.multi_head_attention_forward:
            return self._multi_head(*args, **kwargs)
        result = function(*args, **kwargs)
        if any(function is one for one in _SOFTMAX) and _is_table(result, args, kwargs):
            return self._keep(result).clone()  # the network may go on in place
        return result

    def _keep(self, weights: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and not weights.requires_grad:
            weights = weights.detach().requires_grad_()
        table = Table(weights)
        self.tables.append(table)
        self.computed[-1].append(table)
        for one in self.computed[-1] if len(self.computed[-1]) > 1 else ():
            one.mixed = True
        return weights

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        """`scaled_dot_product_attention` written out: softmax(Q Kᵀ · scale + mask) V."""
        if enable_gqa:
            key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
            value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
        logits = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-2, -1)
        if is_causal:
            attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            logits = logits + attn_mask
        weights = logits.softmax(-1)
        if attn_mask is not None:  # a query that may look at nothing sees nothing, as in torch
            weights = weights.masked_fill((logits == float("-inf")).all(-1, keepdim=True), 0.0)
        weights = self._keep(weights.to(value.dtype))
        return (functional.dropout(weights, dropout_p) if dropout_p else weights) @ value

    def _multi_head(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`nn.MultiheadAttention`, sent through `attend` whether or not its caller wants the weights."""
        wanted, average = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
        fused = functional.scaled_dot_product_attention
        functional.scaled_dot_product_attention = self.attend  # modes do not see what torch calls within itself
        try:
            output, _ = functional.multi_head_attention_forward(*args, **{**kwargs, "need_weights": False})
        finally:
            functional.scaled_dot_product_attention = fused
        weights = self.tables[-1].weights
        return output, (weights.mean(1) if average else weights) if wanted else None


def _is_table(result: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
    return result.ndim in (3, 4) and dim in (-1, result.ndim - 1) and result.shape[-1] > 1


def attended(classifier: Classifier, module: nn.Module, inputs: torch.Tensor, *, gradients: bool) -> Attended:
    """One forward of `inputs` (N, channels, H, W) through a borrowed module.

    With `gradients`, outputs, tables and tokens hang together in one graph that begins at the first table.
    """
    seen = Attended()
    recorder = _Recorder(seen.tables)
    starts: list[int] = []

    def enter(_module: nn.Module, _inputs: object) -> None:
        starts.append(len(seen.tables))
        recorder.computed.append([])

    def leave(name: str, _module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        first = starts.pop()
        recorder.computed.pop()
        tokens = output[0] if isinstance(output, tuple | list) and output else output
        if len(seen.tables) == first + 1 and isinstance(tokens, torch.Tensor) and tokens.ndim == 3:
            table = seen.tables[first]  # outer modules leave last
            table.block, table.tokens, table.in_tuple = name, tokens, isinstance(output, tuple | list)
            table.given = next((one for one in inputs if isinstance(one, torch.Tensor)), None)

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for name, part in module.named_modules():
            if name:
                stack.callback(part.register_forward_pre_hook(enter).remove)
                stack.callback(part.register_forward_hook(partial(leave, name)).remove)
        stack.enter_context(recorder)
        raw = module(inputs.clone())
    seen.outputs = classifier.outputs_of(raw)
    return seen


def read_out(
    classifier: Classifier, module: nn.Module, tables: Sequence[Table], inputs: torch.Tensor, tokens: torch.Tensor
) -> torch.Tensor:
    """What the network makes of `tokens` (M, L, C) behind its last block: outputs (M, columns).

    The blocks of `tables` are left out: the first gives `tokens`, the others what they are given. `inputs`
    (1, channels, H, W) only carries the network to its first block. Differentiable in `tokens` where gradients are on.
    """
    given = iter([tokens])

    def stand_in(hidden: torch.Tensor, *_: Any, **__: Any) -> Any:
        return next(given, hidden)

    def in_tuple(hidden: torch.Tensor, *_: Any, **__: Any) -> Any:
        return (next(given, hidden),)

    with torch.inference_mode(False), ExitStack() as stack:
        for name, wrapped in {table.block: table.in_tuple for table in tables}.items():
            stack.enter_context(_forward_replaced(module.get_submodule(name), in_tuple if wrapped else stand_in))
        return classifier.outputs_of(module(inputs.clone()))


@contextmanager
def _forward_replaced(part: nn.Module, stand_in: Callable[..., Any]) -> Iterator[None]:
    own, own_attribute = part.forward, "forward" in part.__dict__
    part.forward = stand_in
    try:
        yield
    finally:
        if own_attribute:
            part.forward = own
        else:
            del part.__dict__["forward"]

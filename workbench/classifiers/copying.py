"""A user's module as it is needed here: unwrapped, copied, in single precision, without checkpointing."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import ClassifierError

_CHECKPOINTING = ("grad_checkpointing", "gradient_checkpointing")


def unwrapped(module: nn.Module) -> nn.Module:
    """The module inside DataParallel, DistributedDataParallel and their like, and inside `torch.compile`."""
    while True:
        inner = _inner(module)
        if inner is None:
            return module
        module = inner


def _inner(module: nn.Module) -> nn.Module | None:
    compiled = getattr(module, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return compiled
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return module.module  # type: ignore[no-any-return]
    named = "dataparallel" in type(module).__name__.lower()
    if named and [name for name, _ in module.named_children()] == ["module"]:
        return module.module  # type: ignore[return-value]
    return None


def private_copy(module: nn.Module) -> tuple[nn.Module, str]:
    """A copy of a user's module that can be put into evaluation mode, frozen and moved; and what was changed in it.

    Wrappers are taken off, inside the module too; `module.compile()` is undone; gradient checkpointing, which runs
    layers twice, is off; weights of another precision become float32 (the sentence says which). Later changes to the
    user's module do not reach the copy. Raises ClassifierError for TorchScript, and for what cannot be copied.
    """
    module = unwrapped(module)
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise ClassifierError("a TorchScript module cannot be listened to; give the Python module it was made from")
    memo: dict[int, Any] = {}
    try:
        _prepare(module, memo)
        copied = copy.deepcopy(module, memo)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise ClassifierError(f"the module cannot be copied ({line}); build it anew and load its weights") from None
    for part in copied.modules():
        for flag in _CHECKPOINTING:
            if getattr(part, flag, False) is True:
                setattr(part, flag, False)
    tensors = [*copied.parameters(), *copied.buffers()]
    kinds = sorted({str(t.dtype).removeprefix("torch.") for t in tensors if t.is_floating_point()} - {"float32"})
    return copied.float(), f"weights turned from {' and '.join(kinds)} into float32" if kinds else ""


def _prepare(module: nn.Module, memo: dict[int, Any]) -> None:
    """Enter into `memo` what deepcopy must not copy by itself: wrapped parts, and tensors that hang on a graph, such
    as the weights that `weight_norm` computes before each forward."""
    for part in module.modules():
        for held in vars(part).values():
            for tensor in _tensors(held):
                if tensor.grad_fn is not None:
                    memo[id(tensor)] = tensor.detach().clone()
    for part in list(module.modules()):
        for child in part.children():
            inner = unwrapped(child)
            if inner is not child and id(child) not in memo:
                _prepare(inner, memo)
                memo[id(child)] = copy.deepcopy(inner, memo)


def _tensors(held: object) -> Iterable[Tensor]:
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, dict):
        for one in held.values():
            yield from _tensors(one)
    elif isinstance(held, list | tuple | set):
        for one in held:
            yield from _tensors(one)

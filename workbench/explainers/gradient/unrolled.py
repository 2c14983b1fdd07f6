"""A network whose operations are modules of their own, each called once: what captum's rules can be hung on.

captum finds the places where a rule belongs by the type of a module. An operation that is called as a function escapes
it, a module that is called twice confuses it, one that works in place breaks its hooks, and a subclass of a module is
taken for something else; none of this is reported. Here every call of the operations asked for is answered by a module
of its own, whichever way the network wrote it, and the network itself is neither copied nor changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from workbench.explainers.gradient.parts import Build, Met


@dataclass(eq=False)
class Call:
    """One call of an operation: its name, the module that answers it (None hands the operand on), what it took and
    gave when it was first met."""

    name: str
    part: nn.Module | None
    operands: tuple[Tensor, ...]
    given: Tensor


class Unrolled(nn.Module):
    """`network` (inputs (N, C, H, W) → outputs (N, columns)) with the operations of `builds` answered by modules.

    One forward of `example`, which has to require a gradient, is followed; later ones must make the same calls in the
    same order, as a network in evaluation mode does. counts: how often each operation was met. tidy(calls, uses) may
    put other modules in; uses(tensor) tells how many operations took a tensor.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        example: Tensor,
        builds: Mapping[str, Build],
        tidy: Callable[[list[Call], Callable[[Tensor], int]], None] | None = None,
    ) -> None:
        super().__init__()
        self.__dict__["network"] = network  # no submodule: captum must not meet the network's own modules
        self._builds = builds
        following = _Following(builds)
        with following:
            network(example)
        self.counts = Counter(call.name for call in following.calls)
        if tidy is not None:
            tidy(following.calls, following.uses)
        self.parts = nn.ModuleList(call.part for call in following.calls if call.part is not None)
        self._order = [(call.name, call.part) for call in following.calls]

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (N, columns), as the network gives them."""
        answering = _Answering(self._builds, iter(self._order))
        with answering:
            outputs: Tensor = self.__dict__["network"](inputs)
        if next(answering.order, None) is not None:
            raise RuntimeError("the network made fewer calls than in its first forward")
        return outputs


class _Routing(TorchFunctionMode):
    """Meets every function of torch that is called meanwhile and hands the operations known on to `answer`."""

    def __init__(self, builds: Mapping[str, Build]) -> None:
        super().__init__()
        self._builds = builds

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        spelled = getattr(func, "__name__", "")
        name = spelled.strip("_")
        name = name[1:] if spelled.startswith(("__i", "__r")) else name
        met = None
        # torch.batch_norm has the name, not the arguments, of the function that modules call
        if name in self._builds and func is not torch.batch_norm and any(map(_depends, _tensors(args, kwargs))):
            met = self._builds[name](*args, **kwargs)
        if met is None:
            return self.otherwise(func, args, kwargs)
        found = self.answer(name, met, func, args, kwargs)
        overwrites = met[2] or spelled.startswith("__i") or (spelled.endswith("_") and not spelled.endswith("__"))
        return met[1][0].copy_(found) if overwrites and found is not met[1][0] else found

    def answer(
        self, name: str, met: Met, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        """What this call gives."""
        raise NotImplementedError

    def otherwise(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Any other call, as it is."""
        return func(*args, **kwargs)


class _Following(_Routing):
    """Makes a module for every call, and lets the network's own operation answer it."""

    def __init__(self, builds: Mapping[str, Build]) -> None:
        super().__init__(builds)
        self.calls: list[Call] = []
        self._used: Counter[int] = Counter()
        self._kept: list[Any] = []  # alive, so that no other tensor gets the same id

    def uses(self, tensor: Tensor) -> int:
        """How many operations took this tensor."""
        return self._used[id(tensor)]

    def answer(
        self, name: str, met: Met, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        given: Tensor = self.otherwise(func, args, kwargs)
        self.calls.append(Call(name, met[0](), met[1], given))
        return given

    def otherwise(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = func(*args, **kwargs)
        if any(True for _ in _tensors((given,), {})):  # not the reading of a shape
            taken = list(_tensors(args, kwargs))
            self._used.update(map(id, taken))
            self._kept += [*taken, given]
        return given


class _Answering(_Routing):
    """Lets the modules answer, in the order of the forward that was followed."""

    def __init__(self, builds: Mapping[str, Build], order: Iterator[tuple[str, nn.Module | None]]) -> None:
        super().__init__(builds)
        self.order = order

    def answer(
        self, name: str, met: Met, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        expected, part = next(self.order, ("nothing", None))
        if expected != name:
            raise RuntimeError(f"the network called {name} where it called {expected} in its first forward")
        if part is None:
            return met[1][0]
        found: Tensor = part(*[operand.clone() for operand in met[1]])  # a tensor of its own for each rule's hook
        return found


def _depends(tensor: Tensor) -> bool:
    return tensor.requires_grad


def _tensors(args: tuple[Any, ...] | list[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from _tensors(value, {})

"""The only place that touches hooks: a network is borrowed, read at its layers, and given back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import checkpoint

from workbench.errors import ClassifierError, LayerError
from workbench.explainers.spaces import scores

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier
    from workbench.classifiers.layout import Layout


def plain(module: torch.nn.Module) -> torch.nn.Module:
    """The hookable module inside a compiled or DataParallel wrapper; ClassifierError for TorchScript."""
    while isinstance(module, torch.nn.DataParallel) or hasattr(module, "_orig_mod"):
        module = module.module if isinstance(module, torch.nn.DataParallel) else module._orig_mod  # type: ignore[assignment]
    if isinstance(module, torch.jit.ScriptModule):
        raise ClassifierError("a TorchScript module cannot be read at a layer; load the network's Python class instead")
    return module


@contextmanager
def borrowed(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The network in evaluation mode with frozen parameters; modes, flags and random state return on the way out.

    Gradient checkpointing, which would run layers twice and cut what was read from the score, is off meanwhile.
    """
    module = plain(module)
    parts = list(module.modules())
    modes = [part for part in parts if part.training]
    parameters = [one for part in parts for one in part._parameters.values() if one is not None]
    flags = [parameter for parameter in parameters if parameter.requires_grad]
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices), _without_checkpointing():
        try:
            for part in modes:
                part.training = False
            for parameter in flags:
                parameter.requires_grad_(False)
            yield module
        finally:
            for part in modes:
                part.training = True
            for parameter in flags:
                parameter.requires_grad_(True)


class _Through:
    """Stands in for torch's checkpointing function: simply calls what it is given."""

    @staticmethod
    def apply(function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
        return function(*args)


def _nothing(*_: Any, **__: Any) -> Iterator[None]:
    yield


@contextmanager
def _without_checkpointing() -> Iterator[None]:
    stand_ins = {"CheckpointFunction": _Through, "_checkpoint_without_reentrant_generator": _nothing}
    kept = {name: getattr(checkpoint, name) for name in stand_ins if hasattr(checkpoint, name)}
    try:
        for name in kept:
            setattr(checkpoint, name, stand_ins[name])
        yield
    finally:
        for name, value in kept.items():
            setattr(checkpoint, name, value)


class Forward:
    """One forward of a batch, read at some layers; gradients of any score at all of them by one backward each.

    leaves: layer → what it gave, on its grid (N, C, h, w) float32. outputs: (N, columns), with the graph down to the
    earliest layer and nothing before it. The network goes on with copies, so that an in-place operation after a layer
    cannot change what was read.

    Raises LayerError for a layer that does not run, or runs twice (its two outputs would be two different maps).
    """

    def __init__(
        self, classifier: Classifier, module: torch.nn.Module, layers: Sequence[str], inputs: torch.Tensor
    ) -> None:
        self.classifier, self.module, self.inputs = classifier, module, inputs
        self.leaves: dict[str, torch.Tensor] = {}
        with ExitStack() as stack, torch.inference_mode(False), torch.enable_grad():
            for layer in dict.fromkeys(layers):
                self._listen(stack, layer)
            self.outputs = classifier.outputs_of(module(inputs.clone()))
        for layer in layers:
            if layer not in self.leaves:
                raise LayerError(f"layer {layer!r} of {classifier.name!r} does not run in a forward; choose another")

    def _listen(self, stack: ExitStack, layer: str) -> None:
        layout = self.classifier.layout(layer)

        def hook(_module: torch.nn.Module, _inputs: object, output: Any) -> torch.Tensor:
            if layer in self.leaves:
                raise LayerError(
                    f"layer {layer!r} of {self.classifier.name!r} runs twice in one forward; choose one that runs once"
                )
            grid = layout.to_grid(output)
            leaf = grid.clone() if output.requires_grad else grid.detach().clone().requires_grad_()
            self.leaves[layer] = leaf
            return layout.from_grid(leaf.clone(), output)

        handle = self.module.get_submodule(layer).register_forward_hook(hook)
        stack.callback(handle.remove)

    def gradients(self, weights: torch.Tensor, space: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Scores (N,) under `weights` (N, columns), and their gradients at every layer; zeros where there is none."""
        with torch.inference_mode(False), torch.enable_grad():
            found = scores(self.outputs, weights.clone(), self.classifier, space)
            names = list(self.leaves)
            given: Sequence[torch.Tensor | None] = [None] * len(names)
            if found.requires_grad:
                leaves = [self.leaves[name] for name in names]
                given = torch.autograd.grad(found.sum(), leaves, retain_graph=True, allow_unused=True)
        gradients = {
            name: torch.zeros_like(self.leaves[name]) if one is None else one.detach()
            for name, one in zip(names, given, strict=True)
        }
        return found.detach(), gradients


class Tail:
    """The part of a network behind one layer, run again and again without what lies before it.

    One forward of the batch is recorded; in later ones every module that was through before the layer gives what it
    gave then. That holds for any module tree; where the check on the recorded batch fails (a network that computes
    outside modules with state of its own), the whole network runs each time with the layer's output replaced.
    """

    def __init__(self, classifier: Classifier, module: torch.nn.Module, layer: str, inputs: torch.Tensor) -> None:
        self.classifier, self.module, self.layer = classifier, module, layer
        self.inputs = inputs
        self.layout: Layout = classifier.layout(layer)
        self._target = module.get_submodule(layer)
        self._kept: dict[torch.nn.Module, list[Any]] = {}
        self._own: torch.Tensor | None = None
        self._copy = False
        outputs = self._record()
        assert self._own is not None
        rows = torch.arange(len(inputs), device=inputs.device).flip(0)
        with torch.no_grad():
            try:
                again = self(self.layout.to_grid(self._own).flip(0), rows)
                sound = torch.allclose(again, outputs.flip(0), rtol=1e-3, atol=1e-4 * float(outputs.abs().max()) + 1e-6)
            except RuntimeError:
                sound = False
        if not sound:
            self._kept = {}

    def _record(self) -> torch.Tensor:
        """One forward; the outputs of what is finished before the layer, outermost modules only."""
        parts = self.layer.split(".")
        path = [self.module.get_submodule(".".join(parts[:depth])) for depth in range(len(parts))]
        beside = {child for one in path for child in one.children()} - set(path) - {self._target}
        done = False

        def keep(part: torch.nn.Module, _inputs: object, output: Any) -> None:
            if not done:
                self._kept.setdefault(part, []).append(_copied(output))

        def stop(_part: torch.nn.Module, _inputs: object, output: Any) -> None:
            nonlocal done
            self._own, done = output.detach().clone(), True

        with ExitStack() as stack, torch.no_grad():
            for part in beside:
                stack.callback(part.register_forward_hook(keep).remove)
            stack.callback(self._target.register_forward_hook(stop).remove)
            outputs = self.classifier.outputs_of(self.module(self.inputs))
        if self._own is None:
            raise LayerError(f"layer {self.layer!r} of {self.classifier.name!r} does not run in a forward")
        return outputs

    def __call__(self, grids: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Outputs (M, columns) where for image rows[m] the layer's places are grids[m]; differentiable in `grids`."""
        try:
            return self._run(grids, rows)
        except RuntimeError as error:
            if self._copy or "single memory location" not in str(error):
                raise
            self._copy = True  # the network works in place on what an earlier module gave
            return self._run(grids, rows)

    def _run(self, grids: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        assert self._own is not None
        one = len(rows) > 0 and bool((rows == rows[0]).all())

        def take(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                if value.ndim == 0 or len(value) != len(self.inputs):
                    return value
                if one and not self._copy:
                    return value[int(rows[0]) :][:1].expand(len(rows), *value.shape[1:])
                return value.index_select(0, rows)
            if isinstance(value, tuple | list):
                return type(value)(take(part) for part in value)
            if isinstance(value, dict):
                return {key: take(part) for key, part in value.items()}
            return value

        replaced = self.layout.from_grid(grids, take(self._own))
        with ExitStack() as stack:
            for part, given in self._kept.items():
                stack.enter_context(_forward_replaced(part, [partial(take, value) for value in given]))
            stack.enter_context(_forward_replaced(self._target, [lambda: replaced]))
            inputs = take(self.inputs)  # read by no one where what comes first is kept: not worth a copy
            return self.classifier.outputs_of(self.module(inputs if self._kept else laid_like(inputs, self.inputs)))


def _copied(value: Any) -> Any:
    """What a module gave, safe from what later ones do to it in place."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, tuple | list):
        return type(value)(_copied(part) for part in value)
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return value


@contextmanager
def _forward_replaced(part: torch.nn.Module, given: list[Callable[[], Any]]) -> Iterator[None]:
    """Meanwhile the module's first calls give what `given` makes, one each; later calls run as ever."""
    own, own_attribute = part.forward, "forward" in part.__dict__
    left = iter(given)

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        for make in left:
            return make()
        return own(*args, **kwargs)

    part.forward = stand_in
    try:
        yield
    finally:
        if own_attribute:
            part.forward = own
        else:
            del part.__dict__["forward"]


def laid_like(tensor: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Pictures in the memory order that `Classifier.inputs` gave: channels-last, in which convolutions run up to three
    times as fast on a CPU, unless the network cannot be run so."""
    last = inputs.is_contiguous(memory_format=torch.channels_last) and not inputs.is_contiguous()
    return tensor.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)

"""The only place that touches hooks: a network is borrowed, read at its layers, and given back as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import checkpoint

from workbench.errors import ClassifierError, LayerError
from workbench.explainers.passes import out_of_memory
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


# what a network says of tensors that do not fit each other; any other error is its own
MISFITS = (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError)


class Tail:
    """The part of a network behind one layer, run again and again without what lies before it.

    One forward of the batch is recorded; in later ones every module that was through before the layer gives what it
    gave then. That holds for any module tree; where the check on the recorded batch fails (a network that computes
    outside modules with state of its own, or a module whose output does not hold one image in each place of its first
    axis), the whole network runs each time with the layer's output replaced.
    """

    def __init__(self, classifier: Classifier, module: torch.nn.Module, layer: str, inputs: torch.Tensor) -> None:
        self.classifier, self.module, self.layer = classifier, module, layer
        self.layout: Layout = classifier.layout(layer)
        self._given = inputs
        self._target = module.get_submodule(layer)
        self._copy = self._whole = False
        self._kept: dict[torch.nn.Module, list[Any]] = {}
        self._own: torch.Tensor | None = None
        self._proven: set[bool] = set()  # whether runs of one image, and of several, went through on shared memory
        outputs = self._record()
        if not self._sound(outputs):
            self._whole, self._kept = True, {}

    def _sound(self, outputs: torch.Tensor) -> bool:
        """Whether the replay gives what the recorded forward gave, for other images in other places: one image more
        than were recorded, so that an axis that is no batch is noticed, whatever its length."""
        assert self._own is not None
        count = len(self.inputs)
        rows = torch.tensor([*range(count - 1, -1, -1), 0], device=self.inputs.device)
        with torch.no_grad():
            try:
                again = self(self.layout.to_grid(self._own).index_select(0, rows), rows)
            except MISFITS as error:
                if out_of_memory(error):
                    raise
                return False
            return agree(again, outputs[rows])

    def _record(self) -> torch.Tensor:
        """One forward; the outputs of what is finished before the layer, outermost modules only."""
        parts = self.layer.split(".")
        path = [self.module.get_submodule(".".join(parts[:depth])) for depth in range(len(parts))]
        beside = set() if self._whole else {child for one in path for child in one.children()}
        beside -= {*path, self._target}
        done = False
        self._kept, self._own = {}, None

        def keep(part: torch.nn.Module, _inputs: object, output: Any) -> None:
            if not done:
                self._kept.setdefault(part, []).append(_each(torch.Tensor.clone, output))

        def stop(_part: torch.nn.Module, _inputs: object, output: Any) -> None:
            nonlocal done
            self._own, done = output.detach().clone(), True

        with ExitStack() as stack, torch.inference_mode(False), torch.no_grad():
            for part in beside:
                stack.callback(part.register_forward_hook(keep).remove)
            stack.callback(self._target.register_forward_hook(stop).remove)
            self.inputs = self._given.clone()  # read by the network, which may work on it in place
            outputs = self.classifier.outputs_of(self.module(self._given.clone()))
        if self._own is None:
            raise LayerError(f"layer {self.layer!r} of {self.classifier.name!r} does not run in a forward")
        return outputs

    def __call__(self, grids: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Outputs (M, columns) where for image rows[m] the layer's places are grids[m]; differentiable in `grids`.

        The network may work in place on `grids`.
        """
        if self._copy:
            return self._run(grids, rows)
        one = _one(rows)
        proven = one in self._proven
        shared = self._tensors()
        versions = [tensor._version for tensor in shared]
        found = None
        try:
            found = self._run(grids if proven else grids.clone(), rows)
        except RuntimeError as error:  # such as: in place, or a view, of memory that several images share
            if proven or out_of_memory(error):
                raise
        same = [tensor._version for tensor in shared] == versions
        if found is not None and same:
            if len(rows) > 1:
                self._proven.add(one)
            return found
        self._copy = True  # the network works in place on what an earlier module gave
        if not same:
            self._record()
        return self._run(grids, rows)

    def _run(self, grids: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        assert self._own is not None
        one = _one(rows)

        def taken(value: torch.Tensor) -> torch.Tensor:
            if value.ndim == 0 or len(value) != len(self.inputs):
                return value.clone() if self._copy else value
            if one and not self._copy:
                return value[int(rows[0]) :][:1].expand(len(rows), *value.shape[1:])
            return value.index_select(0, rows)

        replaced = self.layout.from_grid(grids, taken(self._own))
        with ExitStack() as stack:
            for part, given in self._kept.items():
                stack.enter_context(_forward_replaced(part, [partial(_each, taken, value) for value in given]))
            stack.enter_context(_forward_replaced(self._target, [lambda: replaced]))
            inputs = taken(self.inputs)  # read by no one where what comes first is kept: not worth a copy
            return self.classifier.outputs_of(self.module(inputs if self._kept else laid_like(inputs, self.inputs)))

    def _tensors(self) -> list[torch.Tensor]:
        """All that runs share."""
        assert self._own is not None
        found = [self.inputs, self._own]

        def note(tensor: torch.Tensor) -> torch.Tensor:
            found.append(tensor)
            return tensor

        _each(note, list(self._kept.values()))
        return found


def agree(found: torch.Tensor, expected: torch.Tensor, share: float = 1e-3) -> bool:
    """Whether two computations of one thing are equal to `share`; what is not finite must be so in both."""
    finite = torch.isfinite(expected)
    if found.shape != expected.shape or not torch.equal(torch.isfinite(found), finite):
        return False
    found, expected = found[finite], expected[finite]
    size = float(expected.abs().max()) if len(expected) else 0.0
    return torch.allclose(found, expected, rtol=share, atol=share / 10 * size + share / 1000)


def _one(rows: torch.Tensor) -> bool:
    return len(rows) > 0 and bool((rows == rows[0]).all())


def _each(function: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:
    """What a module gave, of the same kind, with `function` of every tensor in it."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, tuple | list):
        parts = [_each(function, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        made = copy.copy(value)  # keeps a class of its own, such as one whose keys are attributes
        for key, part in value.items():
            made[key] = _each(function, part)
        return made
    return value


@contextmanager
def answered(part: torch.nn.Module, value: torch.Tensor) -> Iterator[None]:
    """Meanwhile the module's first call gives `value`, whatever it is asked."""
    with _forward_replaced(part, [lambda: value]):
        yield


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

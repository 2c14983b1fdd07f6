"""A Keras HDF5 file as a true `torch.nn.Module` that returns logits; h5py reads it, nothing in it is evaluated."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import torch
from torch import Tensor, nn

from workbench.classifiers.keras import shaping, weighted  # noqa: F401  (they register their layers)
from workbench.classifiers.keras.activations import activation_name, build_activation
from workbench.classifiers.keras.config import GraphSpec, LayerSpec, read_graph
from workbench.classifiers.keras.layer_table import Request, build_layer
from workbench.classifiers.keras.weights import WeightStore
from workbench.errors import ClassifierError, UnreadableFileError, WorkbenchError

# What h5py and the reading of settings raise on a file with flipped or missing bytes.
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError)
# Layers whose activation is a step of its own in the graph that we build.
_FUSED = ("Conv2D", "Convolution2D", "DepthwiseConv2D", "SeparableConv2D", "SeparableConvolution2D", "Dense")
_SQUASHING: dict[str, Literal["softmax", "sigmoid"]] = {"softmax": "softmax", "sigmoid": "sigmoid"}


class KerasGraph(nn.Module):
    """Layers of a Keras model in the order in which they run, each a sub-module under its Keras name.

    (N, C, H, W) → whatever the last layer gives. An activation fused into a layer is a sub-module of its own:
    `conv2d_1` with `activation="relu"` becomes `conv2d_1` and `conv2d_1_relu`. A full stop in a name becomes `_`.
    """

    whole_model = True

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = self._result = source
        self._plan: list[tuple[str, tuple[str, ...]]] = []
        self._forget: list[tuple[str, ...]] = []

    def append(self, name: str, module: nn.Module, sources: tuple[str, ...]) -> str:
        """Add a step fed by earlier steps; its name as a sub-module is returned."""
        ours = re.sub(r"\.", "_", name) or "_"
        while hasattr(self, ours):
            ours += "_"
        self.add_module(ours, module)
        self._plan.append((ours, sources))
        return ours

    def finish(self, result: str) -> None:
        """State the step that is the output, and drop from memory what no later step needs."""
        self._result = result
        last = {source: index for index, (_, sources) in enumerate(self._plan) for source in sources}
        self._forget = [
            tuple(s for s in dict.fromkeys(sources) if last[s] == index and s != result)
            for index, (_, sources) in enumerate(self._plan)
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Run the steps in order."""
        values = {self._source: x}
        for (name, sources), forget in zip(self._plan, self._forget, strict=True):
            values[name] = self._modules[name](*[values[source] for source in sources])  # type: ignore[misc]
            for source in forget:
                del values[source]
        return values[self._result]


@dataclass(frozen=True)
class KerasModel:
    """What a file holds.

    `module` maps (N, channels, height, width) to logits (N, classes), in evaluation mode. `kind` says which
    function Keras applied to them ("linear": none was found); it is stripped, and `stripped` names the layer.
    `input_shape` is (channels, height, width), None where the file leaves a size open.
    """

    module: KerasGraph
    kind: Literal["softmax", "sigmoid", "linear"]
    stripped: str
    input_shape: tuple[int, int | None, int | None]
    keras_version: str


def read_keras(path: str | Path) -> KerasModel:
    """Read a model saved by `model.save("….h5")` in Keras 2 or 3.

    Raises UnreadableFileError for a file that is no HDF5 file, ClassifierError for one without an architecture,
    with a layer that is not supported (named, with the supported ones), or with weights of another shape.
    """
    path = Path(path)
    where = path.name
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        what = "does not exist" if not path.exists() else f"is no readable HDF5 file ({error})"
        raise UnreadableFileError(f"{path} {what}; a Keras model saved with model.save('….h5') is needed") from None
    try:
        with file:
            return _read(file, where)
    except WorkbenchError:
        raise
    except _DAMAGE as error:
        line = (str(error).splitlines() or [""])[0]
        raise UnreadableFileError(
            f"{path} is damaged, or was not written by Keras ({type(error).__name__}: {line}); save it anew"
        ) from None


def _read(file: h5py.File, where: str) -> KerasModel:
    text = file.attrs.get("model_config")
    if text is None:
        raise ClassifierError(
            f"{where}: the file holds no architecture (model_config), at most weights; "
            "save the whole model with model.save('….h5')"
        )
    try:
        document = json.loads(text)
        graph = read_graph(document, where)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ClassifierError(
            f"{where}: its model_config cannot be understood ({type(error).__name__}: {error})"
        ) from None
    version = _text(file.attrs.get("keras_version", ""))
    major = int(version.split(".")[0]) if version[:1].isdigit() else 2
    builder = _GraphBuilder(WeightStore(file, where), major, where)
    module = builder.build(graph, (), strip=True)
    shape = graph.input_shape or ()
    channels = shape[-1] if len(shape) == 3 else None
    if channels is None:
        raise ClassifierError(f"{where}: the input {shape or 'of unknown shape'} is no image (height, width, channels)")
    module.eval()
    model = KerasModel(module, builder.kind, builder.stripped, (channels, shape[0], shape[1]), version)
    _try_out(model, where)
    return model


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _GraphBuilder:
    def __init__(self, weights: WeightStore, keras: int, where: str) -> None:
        self.weights, self.keras, self.where = weights, keras, where
        self.kind: Literal["softmax", "sigmoid", "linear"] = "linear"
        self.stripped = ""

    def build(self, graph: GraphSpec, path: tuple[str, ...], strip: bool) -> KerasGraph:
        """The module of a graph at `path`; with `strip` the output's softmax or sigmoid is left out."""
        result = KerasGraph(graph.input)
        names = {graph.input: graph.input}  # Keras name → the step that holds its value
        for spec in graph.layers:
            last = strip and spec.name == graph.output
            names[spec.name] = self._step(result, spec, tuple(names[s] for s in spec.sources), path, last)
        result.finish(names[graph.output])
        return result

    def _step(
        self, target: KerasGraph, spec: LayerSpec, sources: tuple[str, ...], path: tuple[str, ...], last: bool
    ) -> str:
        if spec.graph is not None:
            return target.append(spec.name, self.build(spec.graph, (*path, spec.name), last), sources)
        request = Request(spec, self.weights.layer((*path, spec.name)), self.keras, self.where)
        name = activation_name(spec.config)
        squashing = "softmax" if spec.kind == "Softmax" else name
        if last and spec.kind in ("Activation", "Softmax") and squashing in _SQUASHING:
            self._note(squashing, spec.name)
            return sources[0]
        step = target.append(spec.name, build_layer(request), sources)
        if spec.kind not in _FUSED or name == "linear":
            return step
        if last and name in _SQUASHING:
            self._note(name, spec.name)
            return step
        return target.append(f"{spec.name}_{name}", build_activation(request, name), (step,))

    def _note(self, activation: str, layer: str) -> None:
        self.kind, self.stripped = _SQUASHING[activation], f"{activation} of {layer}"


def _try_out(model: KerasModel, where: str) -> None:
    """One forward of zeros, so that a graph that does not fit together fails here, with the layer's name."""
    channels, height, width = model.input_shape
    reached: list[str] = []
    handles = [
        child.register_forward_pre_hook(lambda module, inputs, name=name: reached.append(name))
        for name, child in model.module.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            model.module(torch.zeros(1, channels, height or 96, width or 96))
    except (RuntimeError, ValueError, IndexError) as error:
        line = str(error).splitlines()[0]
        raise ClassifierError(f"{where}: the graph does not fit together at layer {reached[-1]!r} ({line})") from None
    finally:
        for handle in handles:
            handle.remove()

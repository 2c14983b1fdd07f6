"""The architecture inside a Keras HDF5 file, as plain data: layers, their settings, and who feeds whom.

Reads `model_config` as Keras 2 and 3 write it (Sequential as list or mapping; Functional/Model with inbound nodes
as lists or as `__keras_tensor__` records; models nested in models). Nothing of the file is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import ClassifierError

_MODELS = ("Sequential", "Functional", "Model")
Config = Mapping[str, Any]


@dataclass(frozen=True)
class LayerSpec:
    """One layer: `sources` are the names of the layers that feed it, in order.

    `constants` has one entry per argument of the call: a number, or None where the argument is the next source
    (only operations such as `x * (1/6)` have numbers). `graph` is set where the layer is a whole model.
    """

    name: str
    kind: str
    config: Config
    sources: tuple[str, ...]
    constants: tuple[float | None, ...] = ()
    graph: GraphSpec | None = None


@dataclass(frozen=True)
class GraphSpec:
    """One model: its layers in an order in which they can run, one input, one output.

    `input_shape` is (height, width, channels) as the file states it, None where it leaves a size open.
    """

    name: str
    input: str
    output: str
    input_shape: tuple[int | None, ...] | None
    layers: tuple[LayerSpec, ...] = field(default=())


def read_graph(document: Config, where: str) -> GraphSpec:
    """The graph of a decoded `model_config`; `where` (the file's name) begins every message.

    Raises ClassifierError for anything but Sequential and Functional models, for shared layers, and for models
    with several inputs or outputs.
    """
    kind, config = document.get("class_name"), document.get("config")
    if kind not in _MODELS or config is None:
        raise ClassifierError(
            f"{where}: a Keras model of class {kind!r} cannot be read; "
            "save a Sequential or Functional model with model.save()"
        )
    if isinstance(config, list):  # Sequential, before Keras 2.2.3
        config = {"name": "sequential", "layers": config}
    if kind == "Sequential" or "output_layers" not in config:
        return _sequential(config, where)
    return _functional(config, where)


def _kind(entry: Config, constants: tuple[float | None, ...]) -> str:
    """The layer's class; operations on tensors (`x + 3`) are spelled `operation add` in every Keras version.

    Keras 3 gives an operation the class name that a merging layer has (`Multiply`); a number among the arguments,
    which no layer takes, tells them apart.
    """
    kind = str(entry["class_name"])
    if kind == "TFOpLambda":
        return "operation " + str(entry["config"].get("function", "?")).strip("_").split(".")[-1].strip("_")
    if ".ops" in str(entry.get("module", "")) or any(constant is not None for constant in constants):
        return "operation " + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
    return kind


def _spec(
    entry: Config, name: str, sources: tuple[str, ...], constants: tuple[float | None, ...], where: str
) -> LayerSpec:
    kind = _kind(entry, constants)
    config = entry["config"]
    graph = read_graph(entry, f"{where}, model {name!r} in it") if kind in _MODELS else None
    if isinstance(config, list):
        config = {"layers": config}
    return LayerSpec(name, kind, config, sources, constants, graph)


def _shape(config: Config) -> tuple[int | None, ...] | None:
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    return tuple(shape[1:]) if shape else None


def _entry_name(entry: Config) -> str:
    config = entry["config"]
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    return str(name or entry["class_name"].lower())


def _sequential(config: Config, where: str) -> GraphSpec:
    previous, shape, layers = "", None, []
    for position, entry in enumerate(config["layers"]):
        name = _entry_name(entry)
        if position == 0:
            shape = _shape(entry["config"]) if isinstance(entry["config"], Mapping) else None
            if entry["class_name"] == "InputLayer":
                previous = name
                continue
            previous = "input of the model"
        spec = _spec(entry, name, (previous,), (None,), where)
        if position == 0 and shape is None and spec.graph is not None:
            shape = spec.graph.input_shape
        layers.append(spec)
        previous = name
    if not layers:
        raise ClassifierError(f"{where}: the model has no layers")
    if shape is None and config.get("build_input_shape"):
        shape = tuple(config["build_input_shape"][1:])
    return GraphSpec(str(config.get("name", "sequential")), layers[0].sources[0], previous, shape, tuple(layers))


def _functional(config: Config, where: str) -> GraphSpec:
    source = _single(config["input_layers"], "inputs", where)
    result = _single(config["output_layers"], "outputs", where)
    shape, specs = None, {}
    for entry in config["layers"]:
        name = _entry_name(entry)
        nodes = entry.get("inbound_nodes") or []
        if name == source:
            shape = _shape(entry["config"])
            continue
        if len(nodes) != 1:
            problem = f"is shared: it is called {len(nodes)} times" if nodes else "is fed by no other layer"
            raise ClassifierError(
                f"{where}: layer {name!r} ({entry['class_name']}) {problem}; "
                "only graphs that call each layer once can be read"
            )
        sources, constants = _arguments(nodes[0], name, where)
        specs[name] = _spec(entry, name, sources, constants, where)
    return GraphSpec(
        str(config.get("name", "model")), source, result, shape, tuple(_in_order(specs, source, result, where))
    )


def _single(ends: Any, what: str, where: str) -> str:
    if ends and isinstance(ends[0], str):
        ends = [ends]
    if isinstance(ends, Mapping):
        ends = list(ends.values())
    if len(ends) != 1:
        raise ClassifierError(
            f"{where}: the model has {len(ends)} {what}; only models with one input and one output can be read"
        )
    return str(ends[0][0])


def _arguments(node: Any, name: str, where: str) -> tuple[tuple[str, ...], tuple[float | None, ...]]:
    """Sources and constants of one call, from Keras 2's lists or Keras 3's records."""
    sources: list[str] = []
    constants: list[float | None] = []

    def tensor(history: Sequence[Any]) -> None:
        if len(history) > 2 and history[2] != 0:
            raise ClassifierError(
                f"{where}: layer {name!r} uses output {history[2]} of {history[0]!r}; "
                "only layers with one output can be read"
            )
        sources.append(str(history[0]))
        constants.append(None)

    def number(value: Any) -> None:
        constants.append(float(value))

    if isinstance(node, Mapping):  # Keras 3

        def walk(value: Any) -> None:
            if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
                tensor(value["config"]["keras_history"])
            elif isinstance(value, list | tuple):
                for item in value:
                    walk(item)
            elif isinstance(value, int | float) and not isinstance(value, bool):
                number(value)

        walk(node.get("args", []))
        walk([value for key, value in node.get("kwargs", {}).items() if key not in ("training", "mask")])
    else:  # Keras 2: [[layer, node, tensor, {keyword: value}], …]
        for call in [node] if node and isinstance(node[0], str) else node:
            if call[0] == "_CONSTANT_VALUE":
                number(call[2])
            else:
                tensor(call)
            for key, value in (call[3] if len(call) > 3 else {}).items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    number(value)
                elif isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str):
                    tensor(value)
                elif isinstance(value, list | Mapping) and value:
                    raise ClassifierError(
                        f"{where}: layer {name!r} is called with {key}={value!r}, which cannot be read"
                    )
    return tuple(sources), tuple(constants)


def _in_order(specs: Mapping[str, LayerSpec], source: str, result: str, where: str) -> list[LayerSpec]:
    """The layers that the output needs, each after those that feed it."""
    done: dict[str, LayerSpec] = {}
    stack: list[tuple[str, bool]] = [(result, False)]
    while stack:
        name, fed = stack.pop()
        if name in done or name == source:
            continue
        if name not in specs:
            raise ClassifierError(f"{where}: the graph names a layer {name!r} that the file does not hold")
        if fed:
            done[name] = specs[name]
            continue
        if (name, True) in stack:
            raise ClassifierError(f"{where}: the graph runs in a circle at layer {name!r}")
        stack.append((name, True))
        stack.extend((feeder, False) for feeder in reversed(specs[name].sources))
    return list(done.values())

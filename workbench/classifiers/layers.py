"""Which layers a network has, how large their grids are, and which one a CAM looks at by default.

The one place of this room that hooks into a network; the hooks are gone when `probe` returns, also on error.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.classifiers.classifier import Preprocessing
from workbench.errors import ClassifierError, LayerError

Shape = tuple[int, int, int]

_PASSING = re.compile(r"pool(\dd)?$|pad(\dd)?$|dropout|identity|flatten|reshape")


@dataclass(frozen=True)
class Probe:
    """What one forward showed: `shapes` of all outputs (N, C, H, W) in order of execution, a layer that runs twice
    at its first run; `features` those of them that hold features, neither merely pooled ones nor the class scores
    themselves; whether `tokens` (N, places, channels) come after the last of these; the module's `output`."""

    shapes: dict[str, Shape]
    features: tuple[str, ...]
    tokens: bool
    output: Tensor


def probe(module: nn.Module, preprocessing: Preprocessing) -> Probe:
    """One forward of two fixed noise images through `module`, listening to every layer.

    An output counts as a grid where its last two axes about keep the input's proportions (within a factor of 1.5),
    so that a tensor of order (N, H, W, C) is none, nor is a table of attention weights. Raises ClassifierError where
    the forward fails or gives no (2, columns) tensor.
    """
    height, width = preprocessing.size
    shapes: dict[str, Shape] = {}
    outputs: dict[str, Tensor] = {}
    idle: set[int] = set()
    tables: set[int] = set()

    def listen(name: str, part: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if not isinstance(output, Tensor) or name in outputs:
            return
        outputs[name] = output  # held, so that no other tensor takes its id
        if getattr(part, "whole_model", False):  # a model in a model: its last layer is the better name
            return
        if _passes_on(part) and not any(output is one for one in inputs):
            idle.add(id(output))
        if isinstance(part, nn.Softmax):
            tables.add(id(output))
        if output.dim() != 4 or len(output) != 2 or id(output) in tables:
            return
        if 2 / 3 <= (output.shape[2] * width) / (output.shape[3] * height) <= 3 / 2:
            shapes[name] = (output.shape[1], output.shape[2], output.shape[3])

    handles = [
        part.register_forward_hook(lambda part, inputs, output, name=name: listen(name, part, inputs, output))
        for name, part in module.named_modules()
        if name
    ]
    tensors = [*module.parameters(), *module.buffers()][:1]
    noise = torch.rand(2, preprocessing.channels, height, width, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            output = module(noise.to(tensors[0].device) if tensors else noise)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise ClassifierError(
            f"the module fails on an input of {preprocessing.channels}×{height}×{width} ({line}); "
            "state size= and channels= as it was trained"
        ) from None
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != 2:
        what = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ClassifierError(f"the module gives {what} for two images; wrap it so that it gives (images, classes)")
    features = tuple(
        name for name in shapes if id(outputs[name]) not in idle and not _are_scores(outputs[name], output)
    )
    order = list(outputs)
    last = order.index(features[-1]) if features else -1
    tokens = any(outputs[name].dim() == 3 and outputs[name].shape[1] > 1 for name in order[last + 1 :])
    return Probe(shapes, features, tokens, output)


def _passes_on(part: nn.Module) -> bool:
    """Whether a layer only pools, drops or rearranges; recognised by its class's name."""
    return _PASSING.search(type(part).__name__.lower()) is not None


def _are_scores(grid: Tensor, output: Tensor) -> bool:
    """Whether the network's output is the mean or the maximum of this very grid."""
    if grid.shape[:2] != output.shape:
        return False
    pooled = (grid.mean((2, 3)), grid.amax((2, 3)))
    return any(torch.allclose(one, output, rtol=1e-4, atol=1e-5) for one in pooled)


def default_layer(found: Probe) -> str:
    """The last layer with features on a grid larger than 1×1.

    Left out are pooling and the like behind the features, and a last convolution whose mean is the class score
    itself: on it every CAM method gives one and the same map. "" where the network has no grid, or goes on with
    tokens behind it (transformers), so that a layer must be stated.
    """
    spatial = [name for name in found.features if found.shapes[name][1] * found.shapes[name][2] > 1]
    return "" if not spatial or found.tokens else spatial[-1]


def check_layer(layer: str, module: nn.Module, shapes: dict[str, Shape], owner: str) -> None:
    """LayerError, with usable names, where `layer` does not exist in `module` or gives no grid."""
    spatial = [name for name, shape in shapes.items() if shape[1] * shape[2] > 1]
    if layer in spatial:
        return
    near = difflib.get_close_matches(layer, spatial, n=3, cutoff=0.4) or spatial[-3:]
    way_out = f"usable, for example: {', '.join(near)}" if near else "it has no spatial layer"
    if layer not in dict(module.named_modules()) or not layer:
        raise LayerError(f"the network {owner!r} has no layer {layer!r}; {way_out}")
    size = "×".join(map(str, shapes[layer])) if layer in shapes else "no grid"
    raise LayerError(f"the layer {layer!r} of {owner!r} is not spatial (its output is {size}); {way_out}")

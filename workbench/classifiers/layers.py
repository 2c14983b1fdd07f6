"""Which layers of a network hold a grid of places, how it lies in their output, and which of them hold features."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from workbench.classifiers.classifier import Preprocessing
from workbench.classifiers.heads import Head, collate
from workbench.classifiers.layout import Layout
from workbench.classifiers.listening import listening, noise, run
from workbench.classifiers.places import (
    CLEAR,
    Grid,
    Reading,
    answers,
    keeps_proportions,
    last_unmixed,
    movements,
    prefix_of,
)
from workbench.errors import ClassifierError, LayerError

Tokens = tuple[int, int, int]  # prefix, height, width

_PASSING = re.compile(r"pool(\dd)?$|pad(\dd)?$|dropout|identity|flatten|reshape|permute")
_PARTS_OF_ATTENTION = re.compile(r"(?:^|[._])(?:q|k|v|qk|kv|qkv|query|key|value)(?:_?proj)?$")
_CHANNELS_FIRST = (  # what torch itself defines on (N, C, H, W)
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.BatchNorm2d,
    nn.InstanceNorm2d,
    nn.GroupNorm,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.UpsamplingNearest2d,
    nn.UpsamplingBilinear2d,
    nn.PixelShuffle,
)
_FEWEST = 4  # tokens whose order proves anything
_MOST_OTHERS = 16  # tokens that are no places, where no grid is known beforehand


@dataclass(frozen=True)
class Probe:
    """What a network showed of itself.

    layouts: every layer with more than one place, in order of execution; a layer that runs twice at its first run.
    features: those of them that run once and hold features, neither merely pooled ones nor the class scores
    themselves. aliases: layer → all layers that gave the very same tensor. unplaced: whether tokens come after the
    last of these whose places could not be told. outputs: (2, columns).
    """

    layouts: dict[str, Layout]
    features: tuple[str, ...]
    aliases: dict[str, tuple[str, ...]]
    unplaced: bool
    outputs: Tensor


@dataclass
class _Heard:
    """What one forward of two images gave, layer by layer."""

    image: tuple[int, ...]
    outputs: dict[str, Tensor] = field(default_factory=dict)  # held, so that no other tensor takes its id
    parts: dict[str, nn.Module] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    idle: set[int] = field(default_factory=set)
    tables: set[int] = field(default_factory=set)
    blocks: list[str] = field(default_factory=list)  # layers that make a grid of a grid

    def hear(self, name: str, part: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if not isinstance(output, Tensor):
            return
        self.runs[name] = self.runs.get(name, 0) + 1
        if self.runs[name] > 1:
            return
        self.outputs[name], self.parts[name] = output, part
        if passes_on(part) and not any(output is one for one in inputs):
            self.idle.add(id(output))
        if isinstance(part, nn.Softmax):
            self.tables.add(id(output))
        took = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
        if took is not None and took.dim() == output.dim() == 4 and tuple(took.shape) != self.image:
            self.blocks.append(name)

    def candidates(self, axes: int) -> Iterable[tuple[str, tuple[int, ...]]]:
        """Layers whose output for two images has so many axes, and its shape; no tables, no parts of attention."""
        for name, output in self.outputs.items():
            if output.dim() != axes or len(output) != 2 or id(output) in self.tables:
                continue
            whole = getattr(self.parts[name], "whole_model", False)  # a model in a model: its last layer is meant
            if not whole and not _PARTS_OF_ATTENTION.search(name):
                yield name, tuple(output.shape[1:])

    def within(self, name: str) -> bool:
        """Whether a layer lies in one that makes a grid of a grid, where tokens may be windows of it."""
        return any(name.startswith(f"{block}.") for block in self.blocks)


def probe(
    module: nn.Module,
    preprocessing: Preprocessing,
    heads: Mapping[str, Head] | None = None,
    *,
    tokens: Tokens | None = None,
    owner: str = "the module",
) -> Probe:
    """One forward of two fixed noise images, listening to every layer; a few more where a layout is in doubt.

    heads: without them the module must give (images, columns). tokens: (prefix, height, width) as stated by the
    user, who then is believed. Raises ClassifierError where the forward fails or its answer fits no head.
    """
    images = noise(preprocessing, 2)
    heard = _Heard(tuple(images.shape))
    with torch.no_grad(), listening(module, heard.hear):
        raw = run(module, images)
    if heads is None:
        columns = raw.shape[-1] if isinstance(raw, Tensor) and raw.dim() else 1
        heads = {"scores": Head(tuple(map(str, range(columns))))}
    outputs = collate(raw, heads, owner)
    if len(outputs) != 2:
        raise ClassifierError(f"{owner!r} gives {len(outputs)} rows for two images; expected one each")
    grids = _grids(module, preprocessing, heard)
    found = {**grids, **_tokens(module, preprocessing, heard, grids, tokens)}
    layouts = {name: found[name] for name in heard.outputs if name in found}
    columns_of = _columns_of(outputs, heads)
    features = tuple(
        name
        for name, layout in layouts.items()
        if heard.runs[name] == 1
        and id(heard.outputs[name]) not in heard.idle
        and not _are_scores(layout.to_grid(heard.outputs[name]), columns_of)
    )
    same: dict[int, list[str]] = {}
    for name in layouts:
        same.setdefault(id(heard.outputs[name]), []).append(name)
    order = list(heard.outputs)
    last = order.index(features[-1]) if features else -1
    placed = {heard.outputs[name].shape[1] for name, layout in layouts.items() if layout.kind == "tokens"}
    unplaced = any(
        shape[0] >= _FEWEST and shape[0] not in placed and order.index(name) > last
        for name, shape in heard.candidates(3)
    )
    aliases = {name: tuple(same[id(heard.outputs[name])]) for name in features}
    return Probe(layouts, features, aliases, unplaced, outputs)


def passes_on(part: nn.Module) -> bool:
    """Whether a layer only pools, drops or rearranges; recognised by its class's name."""
    return _PASSING.search(type(part).__name__.lower()) is not None


def _columns_of(outputs: Tensor, heads: Mapping[str, Head]) -> list[Tensor]:
    return [outputs, *outputs.split([len(head.labels) for head in heads.values()], 1)]


def _are_scores(grid: Tensor, columns: Iterable[Tensor]) -> bool:
    """Whether a head's scores are the mean or the maximum of this very grid."""
    for scores in columns:
        if grid.shape[:2] == scores.shape:
            pooled = (grid.mean((2, 3)), grid.amax((2, 3)))
            if any(torch.allclose(one.float(), scores, rtol=1e-4, atol=1e-5) for one in pooled):
                return True
    return False


def _grids(module: nn.Module, preprocessing: Preprocessing, heard: _Heard) -> dict[str, Layout]:
    """Layouts of outputs with four axes.

    A layer that torch defines on (N, C, H, W) is believed where its grid keeps the input's proportions, and so is
    another output of a shape that such a layer gave and that cannot be (N, H, W, C). All else is tried out.
    """
    size = preprocessing.size
    readings: dict[str, list[Layout]] = {}
    for name, (a, b, c) in heard.candidates(4):
        possible = [Layout("NCHW", a, (b, c))] if keeps_proportions((b, c), size) and b * c > 1 else []
        if keeps_proportions((a, b), size) and a * b > 1 and not isinstance(heard.parts[name], _CHANNELS_FIRST):
            possible.append(Layout("NHWC", c, (a, b)))
        if possible:
            readings[name] = possible
    sure = {name: ways[0] for name, ways in readings.items() if isinstance(heard.parts[name], _CHANNELS_FIRST)}
    shapes = set(sure.values())
    sure |= {name: ways[0] for name, ways in readings.items() if len(ways) == 1 and ways[0] in shapes}
    doubtful = {name: ways for name, ways in readings.items() if name not in sure}
    moved = movements(module, preprocessing, [Reading(n, way) for n, ways in doubtful.items() for way in ways])
    tokens = [name for name, _ in heard.candidates(3) if not heard.within(name)]
    order = {name: index for index, name in enumerate(heard.outputs)}
    decided: dict[str, Layout] = {}
    for name in heard.outputs:
        if name in sure:
            decided[name] = sure[name]
        elif name in doubtful:
            signs = {way: moved[Reading(name, way)].sign for way in doubtful[name] if Reading(name, way) in moved}
            behind_tokens = any(order[one] < order[name] for one in tokens)
            chosen = _decide(signs, list(decided.values()), behind_tokens)
            if chosen is not None:
                decided[name] = chosen
    return decided


def _decide(signs: Mapping[Layout, float], before: list[Layout], behind_tokens: bool) -> Layout | None:
    """The one reading of which a change in the picture gives a clear sign; else one that lies as a layer before it
    did; else, in a plain convolutional network, the only one there is. None where the sign is against it."""
    ways = sorted(signs, key=lambda way: signs[way], reverse=True)
    if not ways or signs[ways[0]] < -CLEAR:
        return None
    if signs[ways[0]] >= CLEAR and (len(ways) == 1 or signs[ways[1]] < signs[ways[0]] - CLEAR):
        return ways[0]
    for way in reversed(before):
        if way in ways:
            return way
    grids = {way.grid for way in before}
    if len(ways) == 1 and (ways[0].grid in grids or (ways[0].kind == "NCHW" and not behind_tokens)):
        return ways[0]
    return None


def _tokens(
    module: nn.Module, preprocessing: Preprocessing, heard: _Heard, grids: Mapping[str, Layout], stated: Tokens | None
) -> dict[str, Layout]:
    """Layouts of outputs (N, tokens, C): each number of tokens is tried out once."""
    layers = {name: shape for name, shape in heard.candidates(3) if not heard.within(name)}
    alike: dict[int, list[str]] = {}
    for name, (length, _) in layers.items():
        if length >= _FEWEST:
            alike.setdefault(length, []).append(name)
    placed: dict[int, tuple[int, Grid]] = {}
    order = list(heard.outputs)
    for length, names in alike.items():
        if stated is not None:
            prefix, grid = stated[0], (stated[1], stated[2])
            spare = length - grid[0] * grid[1]
            if spare == 0 or spare >= prefix:
                placed[length] = (prefix if spare else 0, grid)
            continue
        before = [grids[name].grid for name in order[: order.index(names[0])] if name in grids][-1:]
        known = before + [grid for _, grid in placed.values()]
        found = _place(module, preprocessing, names, length, known, not placed)
        if found is not None:
            placed[length] = found
    result = {}
    for name, (length, channels) in layers.items():
        if length in placed:
            prefix, grid = placed[length]
            result[name] = Layout("tokens", channels, grid, prefix, length - prefix - grid[0] * grid[1])
    if stated is None:
        _drop_turned(module, preprocessing, result, placed)
    return result


def _place(
    module: nn.Module, preprocessing: Preprocessing, layers: list[str], length: int, known: list[Grid], earliest: bool
) -> tuple[int, Grid] | None:
    """(prefix, grid) of layers with so many tokens: a known grid where it can be shown to be theirs, else any that
    can. It is tried at the last of them before tokens mix, so that an order which changes before that is seen."""
    size = preprocessing.size
    likely = [grid for grid in dict.fromkeys(known) if grid[0] * grid[1] <= length and keeps_proportions(grid, size)]
    spare = min(_MOST_OTHERS, length // 2) if earliest else 0
    others = [
        (height, (length - more) // height)
        for more in range(spare + 1)
        for height in range(1, length - more + 1)
        if (length - more) % height == 0 and keeps_proportions((height, (length - more) // height), size)
    ]
    layer = ""
    for tried in (likely, [grid for grid in others if grid not in likely]):
        tried = [grid for grid in tried if grid[0] * grid[1] >= _FEWEST]
        if not tried:
            continue
        layer = layer or last_unmixed(module, preprocessing, layers)
        heights, widths = (tuple(sorted({grid[axis] for grid in tried})) for axis in (0, 1))
        rows = answers(module, preprocessing, layer, heights, 2)
        columns = answers(module, preprocessing, layer, widths, 3)
        for height, width in tried:
            prefix = prefix_of(rows[height], columns[width])
            if prefix is not None:
                return prefix, (height, width)
    return None


def _drop_turned(
    module: nn.Module, preprocessing: Preprocessing, layouts: dict[str, Layout], placed: Mapping[int, object]
) -> None:
    """Drop (N, C, tokens) that has the shape of (N, tokens, C), and whatever gives no sign of which it is."""
    doubtful = {name: layout for name, layout in layouts.items() if layout.channels in placed}
    lengths = {
        name: layout.prefix + layout.grid[0] * layout.grid[1] + layout.suffix for name, layout in doubtful.items()
    }
    doubtful = {name: layout for name, layout in doubtful.items() if layout.channels == lengths[name]}
    ways = [Reading(name, layout, turned) for name, layout in doubtful.items() for turned in (False, True)]
    moved = movements(module, preprocessing, ways)
    for name, layout in doubtful.items():
        straight, turned = (moved.get(Reading(name, layout, one)) for one in (False, True))
        if straight is None or (turned is not None and straight.sign < turned.sign + CLEAR / 2):
            del layouts[name]


def check_layer(layer: str, module: nn.Module, layouts: Mapping[str, Layout], owner: str) -> None:
    """LayerError, with usable names, where `layer` does not exist in `module` or holds no grid."""
    if layer in layouts:
        return
    spatial = list(layouts)
    near = difflib.get_close_matches(layer, spatial, n=3, cutoff=0.4) or spatial[-3:]
    way_out = f"usable, for example: {', '.join(near)}" if near else "it has no spatial layer"
    if layer not in dict(module.named_modules()) or not layer:
        raise LayerError(f"the network {owner!r} has no layer {layer!r}; {way_out}")
    raise LayerError(
        f"the layer {layer!r} of {owner!r} is not spatial: no grid of places was found in its output; {way_out}; "
        "where its tokens are a grid, state it: load_classifier(…, tokens=(prefix, height, width))"
    )

"""Where the places of a picture lie in a layer's output: read off the network by changing parts of a picture.

Nothing is guessed from a tensor's size. A tensor of four axes holds a grid where a change at the picture's top or
bottom moves along one axis and a change at its left or right along the next. Tokens hold one where the token that
answers most to each band of the picture is the one that stands there, row after row; tokens before and after
(class token, registers) do not answer so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.classifiers.classifier import Preprocessing
from workbench.classifiers.layout import Layout
from workbench.classifiers.listening import Enough, listening, noise, run

Grid = tuple[int, int]

CLEAR = 0.1  # of the way that a change makes across the layer while it crosses the picture
_CHUNK = 16


def keeps_proportions(grid: Grid, size: Grid) -> bool:
    """Whether a grid (height, width) has about the proportions of the input, within a factor of 1.5."""
    return min(grid) > 0 and 2 / 3 <= (grid[0] * size[1]) / (grid[1] * size[0]) <= 3 / 2


@dataclass(frozen=True)
class Reading:
    """One way to read a layer's output: as `layout`, after its axes 1 and 2 were exchanged where `turned`."""

    layer: str
    layout: Layout
    turned: bool = False


@dataclass(frozen=True)
class Movement:
    """How far the answer moves along channels, rows and columns of a reading, as a share of the axis, when a change
    moves down or right across the picture."""

    down: tuple[float, float, float]
    right: tuple[float, float, float]

    @property
    def sign(self) -> float:
        """How clearly rows go down and columns right, and nothing else moves: 1 at best, 0 or less where not so."""
        stray = sum(map(abs, (self.down[0], self.down[2], self.right[0], self.right[1])))
        return min(self.down[1], self.right[2]) - stray / 2


def movements(module: nn.Module, preprocessing: Preprocessing, readings: Iterable[Reading]) -> dict[Reading, Movement]:
    """How some layers' answers move, in one forward of five images: one, and the same with a third of it changed at
    the top, the bottom, the left, the right. A reading that does not fit what the layer gives is left out."""
    images = noise(preprocessing, 1).repeat(5, 1, 1, 1)
    other = noise(preprocessing, 1, seed=1)[0]
    height, width = preprocessing.size
    rows, columns = max(1, height // 3), max(1, width // 3)
    images[1, :, :rows], images[2, :, -rows:] = other[:, :rows], other[:, -rows:]
    images[3, :, :, :columns], images[4, :, :, -columns:] = other[:, :, :columns], other[:, :, -columns:]
    wanted: dict[str, list[Reading]] = {}
    for reading in readings:
        wanted.setdefault(reading.layer, []).append(reading)
    found: dict[Reading, Movement] = {}

    def hear(name: str, _part: nn.Module, _inputs: object, output: object) -> None:
        if not isinstance(output, Tensor) or len(output) != len(images):
            return
        for reading in wanted.pop(name, []):
            turned = output.transpose(1, 2) if reading.turned else output
            if reading.layout.fits(turned.shape):
                grids = reading.layout.to_grid(turned)
                found[reading] = _movement((grids[1:] - grids[:1]).abs().double())

    if wanted:
        with torch.no_grad(), listening(module, hear):
            run(module, images)
    return found


def _movement(change: Tensor) -> Movement:
    """Centres of mass of the change (4, C, h, w): bottom less top, right less left, along each axis."""
    centres = []
    for axis in (1, 2, 3):
        profile = change.sum([a for a in (1, 2, 3) if a != axis])
        steps = torch.linspace(0, 1, profile.shape[1], dtype=profile.dtype, device=profile.device)
        total = profile.sum(1)
        centre = (profile * steps).sum(1) / total.where(total > 0, 1.0)
        centres.append(torch.where(total > 0, centre, 0.5))
    down = tuple(float(one[1] - one[0]) for one in centres)
    right = tuple(float(one[3] - one[2]) for one in centres)
    return Movement(down, right)  # type: ignore[arg-type]


def answers(
    module: nn.Module, preprocessing: Preprocessing, layers: Iterable[str], bands: tuple[int, ...], axis: int
) -> dict[str, dict[int, Tensor]]:
    """How much each token (N, tokens, channels) of some layers answers when one band of the picture changes.

    bands: numbers of equal bands into which the picture is cut along `axis` (2: rows, 3: columns). Returns layer →
    number of bands → (bands, tokens). The forward ends at the last of the layers.
    """
    wanted = set(layers)
    base, other = noise(preprocessing, 1), noise(preprocessing, 1, seed=1)
    size = base.shape[axis]
    cuts = [(count, band) for count in bands for band in range(count)]
    result: dict[str, dict[int, list[Tensor]]] = {name: {count: [] for count in bands} for name in wanted}
    for start in range(0, len(cuts), _CHUNK):
        part = cuts[start : start + _CHUNK]
        images = base.repeat(1 + len(part), 1, 1, 1)
        for row, (count, band) in enumerate(part, 1):
            first, last = round(band * size / count), round((band + 1) * size / count)
            images[row].narrow(axis - 1, first, last - first).copy_(other[0].narrow(axis - 1, first, last - first))
        heard: dict[str, Tensor] = {}

        def hear(
            name: str, _part: nn.Module, _inputs: object, output: object, heard: dict[str, Tensor] = heard
        ) -> None:
            if name in wanted and name not in heard and isinstance(output, Tensor):
                heard[name] = (output[1:] - output[:1]).double().norm(dim=2).cpu()
                if len(heard) == len(wanted):
                    raise Enough

        with torch.no_grad(), listening(module, hear):
            run(module, images)
        for name, values in heard.items():
            for (count, _), value in zip(part, values, strict=True):
                result[name][count].append(value)
    return {name: {count: torch.stack(rows) for count, rows in held.items() if rows} for name, held in result.items()}


def prefix_of(rows: Tensor, columns: Tensor) -> int | None:
    """The number of tokens before the first place, from answers to h bands of rows (h, tokens) and w of columns.

    The places are the only run of h · w tokens of which each answers most to its own row and its own column;
    None where there is no such run, or more than one.
    """
    height, width, tokens = len(rows), len(columns), rows.shape[1]
    places = torch.arange(height * width)
    moved = (rows.amax(0) > 0) & (columns.amax(0) > 0)
    row, column = rows.argmax(0), columns.argmax(0)
    found = [
        first
        for first in range(tokens - height * width + 1)
        if bool(moved[first : first + len(places)].all())
        and torch.equal(row[first : first + len(places)], places // width)
        and torch.equal(column[first : first + len(places)], places % width)
    ]
    return found[0] if len(found) == 1 else None

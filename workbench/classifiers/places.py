"""Where the places of a picture lie in a layer's output: read off the network by changing parts of a picture.

Nothing is guessed from a tensor's size. A tensor of four axes holds a grid where a change at the picture's top or
bottom moves along one axis and a change at its left or right along the next. Tokens hold one where the token that
answers most to each band of the picture is the one that stands there, row after row; tokens before and after
(class token, registers) do not answer so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.classifiers.classifier import Preprocessing
from workbench.classifiers.layout import Layout
from workbench.classifiers.listening import Enough, listening, noise, run

Grid = tuple[int, int]

CLEAR = 0.1  # of the way that a change makes across the layer while it crosses the picture
_CHUNK = 16
_STILL = 1e-7  # of the largest change: rounding


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
                found[reading] = _movement((grids[1:] - grids[:1]).abs())

    if wanted:
        with torch.no_grad(), listening(module, hear):
            run(module, images)
    return found


def _movement(change: Tensor) -> Movement:
    """Centres of mass of the change (4, C, h, w): bottom less top, right less left, along each axis."""
    centres = []
    for axis in (1, 2, 3):
        profile = change.sum([a for a in (1, 2, 3) if a != axis], dtype=torch.float64)
        steps = torch.linspace(0, 1, profile.shape[1], dtype=profile.dtype, device=profile.device)
        total = profile.sum(1)
        centre = (profile * steps).sum(1) / total.where(total > 0, 1.0)
        centres.append(torch.where(total > 0, centre, 0.5))
    down = tuple(float(one[1] - one[0]) for one in centres)
    right = tuple(float(one[3] - one[2]) for one in centres)
    return Movement(down, right)  # type: ignore[arg-type]


def last_unmixed(module: nn.Module, preprocessing: Preprocessing, layers: Sequence[str]) -> str:
    """The last of some layers of tokens, in order of execution, before one at which every token answers to a change
    at the picture's top; the first if that is so there already. The forward ends at the first that mixes."""
    images = noise(preprocessing, 1).repeat(2, 1, 1, 1)
    rows = max(1, preprocessing.size[0] // 4)
    images[1, :, :rows] = noise(preprocessing, 1, seed=1)[0, :, :rows]
    wanted, found = set(layers), [layers[0]]

    def hear(name: str, _part: nn.Module, _inputs: object, output: object) -> None:
        if name in wanted and isinstance(output, Tensor):
            change = (output[1] - output[0]).double().norm(dim=1)
            if float(change.min()) > _STILL * float(change.max()):
                raise Enough
            found[0] = name

    with torch.no_grad(), listening(module, hear):
        run(module, images)
    return found[0]


def answers(
    module: nn.Module, preprocessing: Preprocessing, layer: str, bands: Sequence[int], axis: int
) -> dict[int, Tensor]:
    """How much each token (N, tokens, channels) of a layer answers when one band of the picture changes.

    bands: numbers of equal bands into which the picture is cut along `axis` (2: rows, 3: columns). Returns number of
    bands → (bands, tokens). The forward ends at the layer.
    """
    base, other = noise(preprocessing, 1), noise(preprocessing, 1, seed=1)[0]
    size = base.shape[axis]
    cuts = [(count, band) for count in bands for band in range(count)]
    result: dict[int, list[Tensor]] = {count: [] for count in bands}

    def hear(name: str, _part: nn.Module, _inputs: object, output: object) -> None:
        if name == layer and isinstance(output, Tensor):
            for (count, _), value in zip(part, (output[1:] - output[:1]).double().norm(dim=2).cpu(), strict=True):
                result[count].append(value)
            raise Enough

    for start in range(0, len(cuts), _CHUNK):
        part = cuts[start : start + _CHUNK]
        images = base.repeat(1 + len(part), 1, 1, 1)
        for row, (count, band) in enumerate(part, 1):
            first, last = round(band * size / count), round((band + 1) * size / count)
            images[row].narrow(axis - 1, first, last - first).copy_(other.narrow(axis - 1, first, last - first))
        with torch.no_grad(), listening(module, hear):
            run(module, images)
    return {count: torch.stack(rows) for count, rows in result.items()}


def prefix_of(rows: Tensor, columns: Tensor) -> int | None:
    """The number of tokens before the first place, from answers to h bands of rows (h, tokens) and w of columns.

    The places are the only run of h · w tokens that all answer and stand row after row: each answers most to its own
    band of rows and of columns, or the centres of what each answers to come in that order. None where there is no
    such run, or more than one.
    """
    height, width = len(rows), len(columns)
    count = height * width
    answering = (rows.amax(0) > 0) & (columns.amax(0) > 0)
    found = [
        first
        for first in range(rows.shape[1] - count + 1)
        if bool(answering[first : first + count].all())
        and _in_order(rows[:, first : first + count].unflatten(1, (height, width)))
        and _in_order(columns[:, first : first + count].unflatten(1, (height, width)).transpose(1, 2))
    ]
    return found[0] if len(found) == 1 else None


def _in_order(answers: Tensor) -> bool:
    """Whether answers (n bands, n, m) put the tokens [i, :] before the tokens [i + 1, :]."""
    bands = torch.arange(len(answers), dtype=answers.dtype)
    if torch.equal(answers.argmax(0), torch.arange(len(answers))[:, None].expand(answers.shape[1:])):
        return True
    strength = answers.square()
    centres = (strength * bands[:, None, None]).sum(0) / strength.sum(0)
    return bool((centres[:-1].amax(1) < centres[1:].amin(1)).all()) if len(centres) > 1 else True

"""Designs: which parts of a picture are hidden in which sample.

A design maps (crop resized to the network's input (H, W, 3) uint8, random stream, options) to a `Plan`. It draws all
its random numbers at once, which are few; the masks themselves are made in chunks, so that they are never all there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Plan:
    """`count` masks on a grid of `size` (height, width), 1 = shown, 0 = hidden.

    masks(start, stop): those masks as (stop − start, H, W) float32. expected: mean value of a mask's pixel.
    features: (count, P) 0/1, which of P regions are shown; regions: (H, W) int, the region of each pixel (both only
    where the design has regions).
    """

    size: tuple[int, int]
    count: int
    masks: Callable[[int, int], torch.Tensor]
    expected: float = 0.5
    features: np.ndarray | None = None
    regions: np.ndarray | None = None

    def chunks(self, length: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """The masks in order, `length` at a time, with their places."""
        for start in range(0, self.count, length):
            stop = min(start + length, self.count)
            yield slice(start, stop), self.masks(start, stop)


def superpixels(
    picture: np.ndarray,
    stream: np.random.Generator,
    *,
    segments: int = 30,
    compactness: float = 20.0,
    samples: int = 1000,
) -> Plan:
    """Each SLIC superpixel shown or hidden with probability one half; the first sample shows all.

    Superpixels are those of the colour picture at the network's input size, also for a grey network: the regions then
    belong to the photograph and not to the network.
    """
    import torch
    from skimage.segmentation import slic

    found = slic(picture, n_segments=segments, compactness=compactness, start_label=0, channel_axis=-1)
    regions = np.unique(found, return_inverse=True)[1].reshape(found.shape)
    features = stream.integers(0, 2, (samples, int(regions.max()) + 1), dtype=np.uint8)
    features[0] = 1
    shown, places = torch.from_numpy(features).float(), torch.from_numpy(regions).flatten()

    def masks(start: int, stop: int) -> torch.Tensor:
        return shown[start:stop].index_select(1, places).reshape(-1, *regions.shape)

    return Plan(found.shape, samples, masks, features=features, regions=regions)


def random_grids(
    picture: np.ndarray, stream: np.random.Generator, *, samples: int = 1000, grid: int = 7, keep: float = 0.5
) -> Plan:
    """Coarse random grids, each cell shown with probability `keep`, enlarged bilinearly and shifted at random.

    As in RISE: a cell is ceil(side / grid) pixels, the grid is enlarged to (grid + 1) cells and cropped at an offset
    of less than one cell.
    """
    import torch
    from torch.nn import functional

    if not 0 < keep < 1:
        raise UsageError(f"option keep={keep} must lie between 0 and 1")
    size = (picture.shape[0], picture.shape[1])
    cell = (-(-size[0] // grid), -(-size[1] // grid))
    cells = torch.from_numpy((stream.random((samples, grid, grid)) < keep).astype(np.float32))
    offsets = [torch.from_numpy(stream.integers(0, cell[axis], samples)) for axis in (0, 1)]
    views = []  # of the enlarging matrices, one (side, grid) per possible offset
    for axis in (0, 1):
        enlarge = functional.interpolate(
            torch.eye(grid)[None], size=(grid + 1) * cell[axis], mode="linear", align_corners=False
        )[0].T
        views.append(torch.stack([enlarge[o : o + size[axis]] for o in range(cell[axis])]))
    rows, columns = views[0], views[1].transpose(1, 2).contiguous()

    def draw(start: int, stop: int) -> torch.Tensor:
        return rows[offsets[0][start:stop]] @ (cells[start:stop] @ columns[offsets[1][start:stop]])

    return Plan(size, samples, draw, expected=keep)


def windows(picture: np.ndarray, stream: np.random.Generator, *, window: float = 0.25, stride: float = 0.0625) -> Plan:
    """One square window hidden at a time, on a regular grid; the first sample hides nothing.

    `window` and `stride` are shares of the input's side. The last window of a row ends at the border, so that all
    have the same area. No random numbers.
    """
    import torch

    for name, value in (("window", window), ("stride", stride)):
        if not 0 < value <= 1:
            raise UsageError(f"option {name}={value} is a share of the picture's side; give a number in (0, 1]")
    size = (picture.shape[0], picture.shape[1])
    sides = [max(1, round(window * side)) for side in size]
    starts = []
    for side, wide in zip(size, sides, strict=True):
        step = max(1, round(stride * side))
        starts.append(sorted({*range(0, side - wide + 1, step), side - wide}))
    corners = [(-1, -1), *((top, left) for top in starts[0] for left in starts[1])]

    def masks(start: int, stop: int) -> torch.Tensor:
        shown = torch.ones(stop - start, *size)
        for row, (top, left) in zip(shown, corners[start:stop], strict=True):
            if top >= 0:
                row[top : top + sides[0], left : left + sides[1]] = 0
        return shown

    return Plan(size, len(corners), masks)

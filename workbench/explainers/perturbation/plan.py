"""What a design sees of a picture, and what it answers: a plan of masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Estimate = np.ndarray | tuple[np.ndarray, np.ndarray]
"""Maps (T, h, w) float32, one a target; with them (T, P) values of the named regions, where the plan has names."""


def _nothing(name: str) -> tuple[list[str], np.ndarray]:
    raise LookupError(f"this scene knows no regions and no layers; {name!r} was asked for")


@dataclass(frozen=True)
class Scene:
    """One face as a design sees it.

    picture: (H, W, 3) uint8, the crop at the network's input size, also for a grey network. stream: random numbers of
    this face alone. regions(mask set) → names and (P, H, W) float32 in [0, 1]. activations(layer) → (C, h, w) float32,
    "" being the network's own CAM layer. device: where masks are made.
    """

    picture: np.ndarray
    stream: np.random.Generator
    regions: Callable[[str], tuple[list[str], np.ndarray]] = _nothing
    activations: Callable[[str], np.ndarray] = _nothing  # type: ignore[assignment]
    device: torch.device | str = "cpu"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.picture.shape[0], self.picture.shape[1]


@dataclass(frozen=True)
class Plan:
    """`count` masks on a grid of `size` (height, width), 1 = shown, 0 = hidden.

    masks(start, stop): those masks as (stop − start, H, W) float32. expected: mean value of a mask's pixel.

    Where the design has features: features (count, P), how much of each is shown; regions, where they lie: (H, W) int,
    the feature of each pixel, or (P, H, W) float for soft regions that overlap; names, P of them or none; weights
    (count,), what each sample counts in a Shapley regression (None: samples drawn uniformly); orders (K, P), the
    permutations behind the samples. Where it has cells: cells (rows, columns), the features being the cells of that
    grid, row by row. Where it masks by channels: grids (C, h, w) float32 and repeats, samples per channel.
    """

    size: tuple[int, int]
    count: int
    masks: Callable[[int, int], torch.Tensor]
    expected: float = 0.5
    features: np.ndarray | None = None
    regions: np.ndarray | None = None
    names: Sequence[str] = ()
    weights: np.ndarray | None = None
    orders: np.ndarray | None = None
    cells: tuple[int, int] | None = None
    grids: np.ndarray | None = None
    repeats: int = 1

    def chunks(self, length: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """The masks in order, `length` at a time, with their places."""
        for start in range(0, self.count, length):
            stop = min(start + length, self.count)
            yield slice(start, stop), self.masks(start, stop)

    def spread(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of features (T, P) → maps (T, h, w) float32.

        A pixel gets its region's coefficient; of soft regions the sum, each times how much it covers the pixel. Cells
        stay a map of cells.
        """
        if self.cells is not None:
            return coefficients.reshape(-1, *self.cells).astype(np.float32)
        if self.regions is None:
            raise ValueError("a plan without regions has nowhere to spread coefficients")
        if self.regions.ndim == 2:
            return coefficients[:, self.regions].astype(np.float32)
        return np.einsum("tp,phw->thw", coefficients, self.regions, optimize=True).astype(np.float32)

    def answer(self, coefficients: np.ndarray) -> Estimate:
        """What an estimator returns for coefficients (T, P): maps, and the coefficients themselves where named."""
        maps = self.spread(coefficients)
        return (maps, coefficients.astype(np.float32)) if len(self.names) else maps

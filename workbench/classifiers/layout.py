"""How a layer's output lies: which of its axes are places, which are channels, and how to read it as a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.errors import LayerError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """How one layer's output lies: "NCHW", "NHWC" or "tokens" (N, tokens, C), rows of the grid one after another.

    grid: (height, width) in places. prefix, suffix: tokens before the first and after the last place (class token,
    registers), "tokens" only.
    """

    kind: Literal["NCHW", "NHWC", "tokens"]
    channels: int
    grid: tuple[int, int]
    prefix: int = 0
    suffix: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.channels, *self.grid)

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an output of this shape, batch included, lies so. NCHW and NHWC: on a grid of any size."""
        if self.kind == "tokens":
            height, width = self.grid
            return tuple(shape[1:]) == (self.prefix + height * width + self.suffix, self.channels) and len(shape) == 3
        return len(shape) == 4 and shape[1 if self.kind == "NCHW" else 3] == self.channels

    def _check(self, shape: Sequence[int], what: str) -> None:
        if not self.fits(shape):
            height, width = self.grid
            places = f"{self.prefix}+{height}·{width}+{self.suffix}, {self.channels}"
            channels_last = f"height, width, {self.channels}"
            wanted = {"NCHW": f"{self.channels}, height, width", "NHWC": channels_last, "tokens": places}[self.kind]
            raise LayerError(f"{what} of shape {tuple(shape)} does not lie as {self.kind}: expected (images, {wanted})")

    def to_grid(self, output: Tensor) -> Tensor:
        """The output's places as (N, C, h, w): a differentiable view. Raises LayerError for another shape."""
        self._check(output.shape, "an output")
        if self.kind == "NCHW":
            return output
        if self.kind == "NHWC":
            return output.permute(0, 3, 1, 2)
        places = output[:, self.prefix : output.shape[1] - self.suffix]
        return places.transpose(1, 2).unflatten(2, self.grid)

    def from_grid(self, grid: Tensor, output: Tensor) -> Tensor:
        """`grid` (N, C, h, w) laid out as `output`, whose other tokens are kept; differentiable in both.

        `output` has N images, or one that stands for all. Raises LayerError for shapes that do not fit.
        """
        import torch

        self._check(output.shape, "an output")
        if (
            grid.dim() != 4
            or grid.shape[1] != self.channels
            or (self.kind == "tokens" and tuple(grid.shape[2:]) != self.grid)
        ):
            raise LayerError(f"a grid of shape {tuple(grid.shape)} is none of {'×'.join(map(str, self.shape))}")
        grid = grid.to(output.dtype)
        if self.kind == "NCHW":
            return grid
        if self.kind == "NHWC":
            return grid.permute(0, 2, 3, 1)
        places = grid.flatten(2).transpose(1, 2)
        if not self.prefix and not self.suffix:
            return places
        others = output.expand(len(grid), -1, -1)
        return torch.cat([others[:, : self.prefix], places, others[:, output.shape[1] - self.suffix :]], 1)

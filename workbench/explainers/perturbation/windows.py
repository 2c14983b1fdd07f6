"""Sliding windows: one square hidden, or one square shown, at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation.plan import Plan, Scene

if TYPE_CHECKING:
    import torch


def _check_shares(window: float, stride: float) -> None:
    for name, value in (("window", window), ("stride", stride)):
        if not 0 < value <= 1:
            raise UsageError(f"option {name}={value} is a share of the picture's side; give a number in (0, 1]")


@checked(_check_shares)
def windows(scene: Scene, *, window: float = 0.25, stride: float = 0.0625) -> Plan:
    """One square window hidden at a time, on a regular grid; the first sample hides nothing.

    `window` and `stride` are shares of the input's side in (0, 1]. The last window of a row ends at the border, so
    that all have the same area. No random numbers. Raises UsageError for a share out of range.
    """
    return _sliding(scene, window, stride, shown=False)


@checked(_check_shares)
def openings(scene: Scene, *, window: float = 0.25, stride: float = 0.0625) -> Plan:
    """As `windows`, but only the window is shown; the first sample shows nothing."""
    return _sliding(scene, window, stride, shown=True)


def _sliding(scene: Scene, window: float, stride: float, *, shown: bool) -> Plan:
    import torch

    _check_shares(window, stride)
    size = scene.size
    sides = [max(1, round(window * side)) for side in size]
    starts = []
    for side, wide in zip(size, sides, strict=True):
        step = max(1, round(stride * side))
        starts.append(sorted({*range(0, side - wide + 1, step), side - wide}))
    corners = [(-1, -1), *((top, left) for top in starts[0] for left in starts[1])]

    def masks(start: int, stop: int) -> torch.Tensor:
        result = torch.full((stop - start, *size), float(not shown), device=scene.device)
        for row, (top, left) in zip(result, corners[start:stop], strict=True):
            if top >= 0:
                row[top : top + sides[0], left : left + sides[1]] = float(shown)
        return result

    return Plan(size, len(corners), masks)

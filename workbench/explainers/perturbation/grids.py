"""Coarse grids over the picture: soft and random as in RISE, or with cells of sharp edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation.plan import Plan, Scene

if TYPE_CHECKING:
    import torch


def _check_keep(keep: float) -> None:
    if not 0 < keep < 1:
        raise UsageError(f"option keep={keep} must lie between 0 and 1")


@checked(_check_keep)
def random_grids(scene: Scene, *, samples: int = 1000, grid: int = 7, keep: float = 0.5) -> Plan:
    """Coarse random grids, each cell shown with probability `keep`, enlarged bilinearly and shifted at random.

    Petsiuk et al. 2018, section 3.2: a cell is ceil(side / grid) pixels, the grid is enlarged to (grid + 1) cells and
    cropped at an offset of less than one cell. Raises UsageError unless 0 < keep < 1.
    """
    import torch
    from torch.nn import functional

    _check_keep(keep)
    size, stream = scene.size, scene.stream
    cell = (-(-size[0] // grid), -(-size[1] // grid))
    cells = torch.from_numpy((stream.random((samples, grid, grid)) < keep).astype(np.float32)).to(scene.device)
    offsets = [torch.from_numpy(stream.integers(0, cell[axis], samples)).to(scene.device) for axis in (0, 1)]
    views = []  # of the enlarging matrices, one (side, grid) per possible offset
    for axis in (0, 1):
        enlarge = functional.interpolate(
            torch.eye(grid)[None], size=(grid + 1) * cell[axis], mode="linear", align_corners=False
        )[0].T
        views.append(torch.stack([enlarge[o : o + size[axis]] for o in range(cell[axis])]).to(scene.device))
    rows, columns = views[0], views[1].transpose(1, 2).contiguous()

    def draw(start: int, stop: int) -> torch.Tensor:
        return rows[offsets[0][start:stop]] @ (cells[start:stop] @ columns[offsets[1][start:stop]])

    return Plan(size, samples, draw, expected=keep)


def cell_plan(scene: Scene, features: np.ndarray, cells: tuple[int, int]) -> Plan:
    """The plan that shows every cell of a grid (rows, columns) as much as features (count, rows × columns) say.

    Enlarged to the nearest cell, so that edges are sharp.
    """
    import torch

    grids = torch.from_numpy(features.astype(np.float32)).reshape(-1, *cells).to(scene.device)
    rows, columns = (
        torch.arange(side, device=scene.device) * number // side for side, number in zip(scene.size, cells, strict=True)
    )

    def masks(start: int, stop: int) -> torch.Tensor:
        return grids[start:stop].index_select(1, rows).index_select(2, columns)

    return Plan(scene.size, len(features), masks, features=features, cells=cells)

"""What a network says about one face: a bar for each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workbench.figures import theme


@theme.themed
def probabilities(
    values: Mapping[str, float] | xr.DataArray, *, label: str = "", title: str = "", width: float = 3.4
) -> Figure:
    """Bars of the class probabilities (0–1) of one network for one face, the highest in colour.

    `values` is class → probability, or a DataArray with the one dimension `class`; NaN (a class which this network
    lacks) is said in words. `label`, where known, is marked among the class names.
    """
    if isinstance(values, xr.DataArray):
        values = dict(zip(values["class"].values.tolist(), values.values.tolist(), strict=True))
    names, heights = list(values), np.array([float(v) for v in values.values()])
    rows = len(names)
    figure = theme.new_figure(width, 0.24 * rows + 0.62)
    axes = theme.axes(figure, 1.05, 0.34, width - 1.5, 0.24 * rows)
    best = int(np.nanargmax(heights)) if np.isfinite(heights).any() else -1
    axes.barh(
        range(rows),
        np.nan_to_num(heights),
        height=0.62,
        color=[theme.OWN if i == best else theme.FAINT for i in range(rows)],
    )
    for i, height in enumerate(heights):
        text = theme.number(height) if np.isfinite(height) else "not a class of this network"
        axes.text(np.nan_to_num(height) + 0.015, i, text, va="center", fontsize=theme.SMALL, color=theme.INK)
    axes.set_yticks(range(rows), [f"{name} (label)" if name == label else name for name in names])
    axes.set_xlim(0, 1)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if title:
        axes.set_title(title, color=theme.INK, fontsize=theme.TITLE, loc="left")
    return figure

"""Maps against every mask: does an expression's map overlap its own mask most?"""

from __future__ import annotations

import warnings

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.figures import theme
from workbench.scores import all_masks


@theme.themed
def specificity(table: xr.Dataset, explainer: str | None = None, model: str | None = None) -> Figure:
    """Mean IoU of maps (rows: expression of the map) with masks (columns), of a score table.

    Means over networks, or one `model`; the own mask is outlined, the highest of each row is bold. k is the number
    of networks that have a map for the row. One scale, 0 to the highest value.
    """
    values = all_masks(table)
    if "explainer" in values.dims:
        values = values.sel(explainer=explainer) if explainer is not None else values.isel(explainer=0)
    values = values.sel(model=[model] if model is not None else values["model"].values)
    count = values.notnull().any("mask").sum("model").transpose("expression").values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # mean of a row in which no network has a map
        mean = values.mean("model", skipna=True).transpose("expression", "mask").values
    rows, columns = [str(e) for e in table["expression"].values], [str(m) for m in values["mask"].values]
    top = float(np.nanmax(mean)) if np.isfinite(mean).any() else 1.0
    cell_width, cell = 0.56, 0.36
    figure = theme.new_figure(2.35 + cell_width * len(columns), 1.05 + cell * len(rows))
    axes = theme.axes(figure, 1.65, 0.12, cell_width * len(columns), cell * len(rows))
    colours = matplotlib.colormaps[theme.COUNT]
    for i, row in enumerate(rows):
        best = np.nanmax(mean[i]) if np.isfinite(mean[i]).any() else np.inf
        for j, column in enumerate(columns):
            known = np.isfinite(mean[i, j])
            colour = colours(mean[i, j] / top) if known else None
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor=colour or theme.MISSING, edgecolor="none"))
            axes.text(
                j + 0.5,
                i + 0.5,
                theme.number(mean[i, j]),
                ha="center",
                va="center",
                fontsize=theme.SIZE,
                fontweight="bold" if known and mean[i, j] >= best else "normal",
                color=theme.text_on(colour) if colour else theme.INK,
            )
            if row == column:
                axes.add_patch(
                    Rectangle((j + 0.03, i + 0.04), 0.94, 0.92, fill=False, edgecolor=theme.OTHER, linewidth=2)
                )
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, [f"{r} map (k = {c})" for r, c in zip(rows, count, strict=True)])
    axes.set_xticks(np.arange(len(columns)) + 0.5, [f"{c} mask" for c in columns], rotation=35, ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure

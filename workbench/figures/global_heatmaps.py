"""Networks × expressions on the canonical face, for one explainer."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workbench.canonical import CanonicalFace, load_frame
from workbench.figures import theme
from workbench.figures.outlines import edges, scaled_features
from workbench.figures.placing import resized
from workbench.figures.sheet import Sheet
from workbench.masks import MaskSet


@theme.themed
def global_heatmaps(
    heat: xr.DataArray,
    explainer: str | None = None,
    masks: MaskSet | None = None,
    *,
    unrecognised: Collection[tuple[str, str]] = (),
    frame: CanonicalFace | None = None,
    tile: int = 112,
) -> Figure:
    """Global heatmaps (model, expression, y, x) of one explainer, min–max in [0, 1], one shared scale 0–1.

    A row is a network, a column an expression. The contour is the mask of the column's expression, from a MaskSet
    by expression. Under every tile stands n, the number of maps averaged; where n is 0 the tile says why: all maps
    blank, none computed (another explainer of `heat` has some), or no face predicted. A pair
    (model, expression) of `unrecognised` is marked with a dagger: the network does not recognise that expression
    on these faces, so its map shows something else.
    """
    entered = (heat["n"] + heat["left_out"]).values if {"n", "left_out"} <= set(heat.coords) else np.zeros(0)
    if "explainer" in heat.dims:
        if entered.size:
            entered = (heat["n"] + heat["left_out"]).max("explainer").transpose("model", "expression").values
        heat = heat.sel(explainer=explainer) if explainer is not None else heat.isel(explainer=0)
    frame = frame or load_frame(str(heat.attrs.get("frame", "mediapipe478")))
    size = (heat.sizes["y"], heat.sizes["x"])
    models, expressions = [str(m) for m in heat["model"].values], [str(e) for e in heat["expression"].values]
    tile_size = (float(tile), tile * size[0] / size[1])
    sheet = Sheet(len(models), len(expressions), tile_size, left=108, under=20)
    shown_size = (round(2 * tile_size[1]), 2 * tile) if size[1] > 2 * tile else size
    lines = scaled_features(frame, size)
    contours = _contours(masks, expressions, size)
    for column, expression in enumerate(expressions):
        sheet.column_name(column, expression)
    for row, model in enumerate(models):
        sheet.row_name(row, model)
        for column, expression in enumerate(expressions):
            cell = heat.isel(model=row, expression=column)
            count = int(cell["n"].values) if "n" in cell.coords else -1
            mark = f" {theme.NOT_RECOGNISED}" if (model, expression) in unrecognised else ""
            values = cell.values.astype(float)
            if not np.isfinite(values).any():
                known = bool(entered.size) and int(entered[row, column]) > 0
                blank = count > 0 or ("left_out" in cell.coords and int(cell["left_out"].values) > 0)
                sheet.empty(
                    row, column, "maps are blank" if blank else "not computed" if known else "no face predicted"
                )
            else:
                values = np.where(frame.domain, values, np.nan) if frame.domain.shape == size else values
                shown = np.ma.masked_invalid(resized(values, shown_size))
                sheet.image(row, column, shown, cmap=theme.colour_map(), vmin=0, vmax=1)
                sheet.lines(row, column, lines, size, color=theme.FEATURE, linewidth=0.7, alpha=0.75)
                sheet.lines(
                    row,
                    column,
                    contours.get(expression, []),
                    size,
                    color=theme.CONTOUR,
                    linewidth=1.3,
                    path_effects=theme.halo(2.8),
                )
            if count >= 0:
                sheet.caption(row, column, f"n = {count}{mark}")
    sheet.colour_bar("lowest to highest")
    if contours:
        sheet.key(f"mask of the expression ({masks.name if masks else ''})")
    if any((model, expression) in unrecognised for model in models for expression in expressions):
        sheet.footnote(f"{theme.NOT_RECOGNISED} not recognised on the labelled faces")
    return sheet.figure


def _contours(masks: MaskSet | None, expressions: list[str], size: tuple[int, int]) -> dict[str, list[np.ndarray]]:
    if masks is None or masks.dimension != "expression" or masks.maps.shape[1:] != size:
        return {}
    return {name: edges(masks.maps.sel(expression=name).values >= 0.5) for name in masks.names if name in expressions}

"""Two groups' maps apart, on the canonical face: where they differ, and what the tests let one say of it."""

from __future__ import annotations

import textwrap
from typing import Final

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from workbench.canonical import FRAMES, CanonicalFace, load_frame
from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme
from workbench.figures.outlines import edges, scaled_features
from workbench.figures.placing import resized
from workbench.figures.sheet import Sheet

DIVERGING: Final = "coolwarm"  # Moreland 2009: even steps of lightness either side of a neutral middle
OUTLINE: Final = "An outlined cluster licenses “the maps differ”, not “here”."
_SHOWN: Final = {"difference": "difference of mean maps", "effect": "Hedges’ g"}


@theme.themed
def group_difference(
    found: xr.Dataset,
    explainer: str | None = None,
    contrast: str | None = None,
    *,
    show: str = "difference",
    alpha: float = 0.05,
    limit: float | None = None,
    frame: CanonicalFace | None = None,
    tile: int = 112,
) -> Figure:
    """Difference maps (first group − second) of one explainer and contrast: a row a network, a column an expression.

    found: what `comparison.groups.compare_groups` returned. All tiles share one scale, centred at 0, up to the largest
    |value| or `limit`. show: `difference` or `effect` (Hedges' g). Outlined: clusters with p ≤ alpha, where the maps
    differ by `p_differ_bh` ≤ alpha; hatched: pixels with `p_everywhere` ≤ alpha, corrected for every pixel and test of
    the call, which alone are claims about places. Under each tile stand both groups' units and the corrected p of "the
    maps differ"; a tile without a test says why. Expressions without any test are left out.
    Raises UnknownNameError for unknown names, UsageError where nothing was tested.
    """
    if show not in _SHOWN:
        raise UnknownNameError("variable", show, _SHOWN)
    if not isinstance(found, xr.Dataset) or "p_differ" not in found:
        raise UsageError(
            f"a group difference is drawn of what compare_groups(…) returns, not of {type(found).__name__}"
        )
    found = _chosen(_chosen(found, "explainer", explainer), "contrast", contrast)
    size = (found.sizes["y"], found.sizes["x"])
    if frame is None and str(found.attrs.get("frame", "")) in FRAMES:
        frame = load_frame(str(found.attrs["frame"]))
    tested = np.isfinite(found["p_differ"].transpose("model", "expression").values)
    if not tested.any():
        raise UsageError(f"nothing was tested: {found['reason'].values.ravel()[0]}")
    found = found.isel(expression=np.flatnonzero(tested.any(axis=0)))
    models, expressions = [str(m) for m in found["model"].values], [str(e) for e in found["expression"].values]
    bound = limit if limit is not None else float(np.nanmax(np.abs(found[show].values), initial=0)) or 1.0
    tile_size = (float(tile), tile * size[0] / size[1])
    level, tests = theme.number(alpha), int(found.attrs.get("tests", 1))
    footer = (
        f"p: that the maps differ, corrected over all {tests} tests. Outlined: clusters with p ≤ {level}. {OUTLINE} "
        f"Hatched: pixels with p ≤ {level} by the maximum statistic, corrected over all tests."
    )
    width = max(120 + len(expressions) * (tile + 8), 330)
    footer = footer.replace(" ≤ ", "\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(footer, int((width - 24) / 6))
    sheet = Sheet(len(models), len(expressions), tile_size, left=108, under=36, bottom=66 + 14 * len(lines))
    features = scaled_features(frame, size) if frame is not None else []
    for column, expression in enumerate(expressions):
        sheet.column_name(column, expression)
    for row, model in enumerate(models):
        sheet.row_name(row, model)
        for column in range(len(expressions)):
            cell = found.isel(model=row, expression=column)
            _tile(sheet, row, column, cell, show, bound, alpha, features)
    colours = matplotlib.colormaps[DIVERGING](np.linspace(0, 1, 128))[:, :3]
    edge = theme.number(bound)
    sheet.colour_bar(
        f"{_SHOWN[show]}, {found['first'].item()} − {found['second'].item()}", theme.number(-bound), edge, colours
    )
    for index, line in enumerate(lines):
        sheet.axes.text(
            12, sheet.foot + 60 + 14 * index, line, ha="left", va="top", fontsize=theme.SMALL, color=theme.INK
        )
    return sheet.figure


def _chosen(found: xr.Dataset, dimension: str, name: str | None) -> xr.Dataset:
    names = [str(n) for n in found[dimension].values]
    if name is not None and name not in names:
        raise UnknownNameError(dimension, name, names)
    return found.isel({dimension: names.index(name) if name is not None else 0})


def _tile(
    sheet: Sheet,
    row: int,
    column: int,
    cell: xr.Dataset,
    show: str,
    bound: float,
    alpha: float,
    features: list[np.ndarray],
) -> None:
    p = float(cell["p_differ_bh"])
    if not np.isfinite(p):
        sheet.empty(row, column, str(cell["reason"].item()))
        return
    values = cell[show].values.astype(float)
    size = (values.shape[0], values.shape[1])
    shown_size = (round(2 * sheet.tile[1]), round(2 * sheet.tile[0]))
    shown = np.ma.masked_invalid(resized(values, shown_size) if size[1] < shown_size[1] else values)
    sheet.image(row, column, shown, cmap=theme.colour_map(DIVERGING), vmin=-bound, vmax=bound)
    sheet.lines(row, column, features, size, color=theme.INK, linewidth=0.7, alpha=0.8)
    significant = cell["p_everywhere"].values <= alpha
    x, y = sheet.corner(row, column)
    scale = np.array([sheet.tile[0] / size[1], sheet.tile[1] / size[0]])
    for line in edges(significant):
        sheet.axes.add_patch(
            Polygon(
                np.array([x, y]) + (line + 0.5) * scale,
                closed=True,
                fill=False,
                hatch="/////////",
                edgecolor=theme.HALO,
                linewidth=0.8,
            )
        )
    clusters = (cell["cluster_p"].values <= alpha) & (p <= alpha)
    for number in np.unique(cell["cluster"].values[clusters]):
        sheet.lines(
            row,
            column,
            edges(cell["cluster"].values == number),
            size,
            color="#ffffff",
            linewidth=1.3,
            path_effects=theme.halo(2.8),
        )
    units = f"{int(cell['units_first'])} | {int(cell['units_second'])} {cell.attrs.get('unit', 'unit')}s"
    if str(cell["design"].item()) == "paired":
        units = f"{int(cell['units_first'])} in both"
    sheet.caption(row, column, units)
    least = float(cell["resolution"])
    digits = 3 if least < 0.01 else 2
    sheet.caption(row, column, "p < .001" if p < 0.001 else f"p = {theme.number(p, digits)}", line=1)

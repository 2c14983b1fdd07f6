"""Correlation with the action units against depth: a line means little until one sees where a blank map stands."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme

_CONTROLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "mean_map": ("mean of all expressions’ maps", {"color": theme.OTHER, "linestyle": (0, (6, 2)), "linewidth": 1.3}),
    "centre": ("centred Gaussian", {"color": theme.BLOB, "linestyle": (0, (3, 1.5)), "linewidth": 1.3}),
    "uniform": ("uniform map", {"color": theme.INK, "linestyle": (0, (1, 1.5)), "linewidth": 1.3}),
}
_LINES: Final = ((theme.OWN, "o"), ("#009e73", "s"), ("#b8860b", "^"), ("#7d6bd6", "D"))
_NAMES: Final = {"cosine": "Cosine", "pearson": "Pearson’s correlation"}
_COLUMNS: Final = 2
_MOST_TICKS: Final = 9


@theme.themed
def layer_profile(table: pd.DataFrame, measure: str = "cosine", expression: str = "mean") -> Figure:
    """One panel a network, layers from input (left) to output: its correlation with the action units' maps.

    table: what `cam_cos` or `att_cos` returned for references of expressions, or several of these tables in one
    (`pandas.concat`). Solid: each explainer with the right expression's map, with its interval where the table has one;
    thin: with the other expressions' maps, mean. Broken lines: what a uniform map, a centred Gaussian and the mean of
    all expressions' maps score on the same faces. Under each layer stand its rows × columns (`7²` for 7 × 7), under the
    first and the last one their names. measure: "cosine" or "pearson"; expression: "mean", or one. All panels share one
    axis. A layer without a score is a gap. Raises UsageError for a table without these rows.
    """
    if measure not in _NAMES:
        raise UnknownNameError("measure", measure, _NAMES)
    if "au" in table.columns or "expression" not in table.columns:
        raise UsageError(
            "a layer profile takes a table of expressions: cam_cos(maps, au_heatmap(faces, 'expressions'))"
        )
    table = table[table["expression"] == expression]
    if table.empty:
        raise UsageError(f"the table has no row of the expression {expression!r}")
    models, explainers = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["explainer"]))
    looks = {name: _LINES[i % len(_LINES)] for i, name in enumerate(explainers)}
    low, high = _limits(table, measure)
    columns = min(_COLUMNS, len(models))
    rows = -(-len(models) // columns)
    handles = [
        Line2D([], [], color=colour, marker=mark, markersize=4, linewidth=1.6, label=theme.readable(name))
        for name, (colour, mark) in looks.items()
    ]
    handles.append(Line2D([], [], color=theme.INK, linewidth=0.8, label="the same maps, other expressions’ units"))
    handles += [
        Line2D([], [], label=text, **look) for key, (text, look) in _CONTROLS.items() if _has(table, key, measure)
    ]
    width, height, left, foot = 3.0, 1.75, 0.62, 0.55
    per_row = 3 if columns > 1 else 1
    head = 0.2 + 0.17 * -(-len(handles) // per_row)
    figure = theme.new_figure(left + columns * (width + 0.3), head + rows * (height + foot + 0.3))
    for index, model in enumerate(models):
        row, column = divmod(index, columns)
        bottom = (rows - row - 1) * (height + foot + 0.3) + foot
        axes = theme.axes(figure, left + column * (width + 0.3), bottom, width, height)
        _panel(axes, table[table["model"] == model], measure, looks)
        axes.set_ylim(low, high)
        axes.set_title(str(model), loc="left", fontsize=theme.SIZE, color=theme.INK, fontweight="bold", pad=4)
        step = 0.2
        ticks = np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step
        axes.set_yticks(ticks, ["0" if abs(t) < 1e-9 else theme.number(t, 1) for t in ticks])
        if column == 0:
            axes.set_ylabel(_NAMES[measure], fontsize=theme.SMALL)
        else:
            axes.set_yticklabels([])
    theme.key(figure, handles, per_row)
    return figure


def _panel(axes: Axes, table: pd.DataFrame, measure: str, looks: dict[str, tuple[str, str]]) -> None:
    layers = table.drop_duplicates("layer").sort_values("depth", kind="stable")["layer"].tolist()
    for key, (_, look) in _CONTROLS.items():
        if _has(table, key, measure):
            level = table.groupby("layer", sort=False)[f"{key}_{measure}"].mean().reindex(layers).to_numpy(float)
            axes.plot(range(len(layers)), level, zorder=2, **look)
    for name, (colour, mark) in looks.items():
        part = table[table["explainer"] == name].set_index("layer").reindex(layers)
        if not np.isfinite(part[measure].to_numpy(float)).any():
            continue
        x = np.arange(len(layers))
        axes.plot(x, part[f"other_{measure}"], color=colour, linewidth=0.8, alpha=0.8, zorder=3)
        ends = part[[f"low_{measure}", f"high_{measure}"]].to_numpy(float)
        axes.fill_between(x, ends[:, 0], ends[:, 1], color=colour, alpha=0.16, linewidth=0, zorder=1)
        axes.plot(x, part[measure], color=colour, marker=mark, markersize=4, linewidth=1.6, zorder=4)
    grids = table.drop_duplicates("layer").set_index("layer")["grid"]
    every = -(-len(layers) // _MOST_TICKS)
    shown = list(range(len(layers) - 1, -1, -every))[::-1]
    axes.set_xticks(shown, [_side(str(grids[layers[i]])) for i in shown])
    axes.set_xlim(-0.25, max(len(layers) - 0.75, 0.25))
    for name, place, align in ((layers[0], 0.0, "left"), (layers[-1], 1.0, "right"))[: len(layers)]:
        axes.text(
            place,
            -0.17,
            _short(name),
            transform=axes.transAxes,
            ha=align,
            va="top",
            fontsize=theme.SMALL,
            color=theme.INK,
        )
    axes.axhline(0, color=theme.FAINT, linewidth=0.5, zorder=0)


def _has(table: pd.DataFrame, control: str, measure: str) -> bool:
    name = f"{control}_{measure}"
    return name in table and bool(np.isfinite(table[name].to_numpy(float)).any())


def _side(grid: str) -> str:
    """`7²` for `7×7`; other grids as they are."""
    height, _, width = grid.partition("×")
    return f"{height}²" if height == width else grid


def _short(layer: str) -> str:
    """A layer's name, its end where it is long."""
    return layer if len(layer) <= 22 else "…" + layer[-21:]


def _limits(table: pd.DataFrame, measure: str) -> tuple[float, float]:
    names = [measure, f"low_{measure}", f"high_{measure}", f"other_{measure}", *(f"{c}_{measure}" for c in _CONTROLS)]
    values = np.concatenate([table[name].to_numpy(float) for name in names if name in table])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low = min(0.0, np.floor((values.min() - 0.02) * 10) / 10) if values.min() < 0 else 0.0
    return float(low), float(min(1.02, np.ceil((values.max() + 0.02) * 10) / 10))

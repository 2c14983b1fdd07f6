"""Scores beside their controls: a dot means little until one sees where chance stands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme

_NAMES: Final = {"iou": "IoU", "f1": "F1", "correlation": "Correlation", "precision": "Precision", "recall": "Recall"}
_MARKS: Final[dict[str, dict[str, Any]]] = {
    "own": {"marker": "o", "markersize": 7, "color": theme.OWN, "markeredgecolor": "none", "zorder": 5},
    "chance": {"marker": "|", "markersize": 13, "color": theme.INK, "markeredgewidth": 2, "zorder": 3},
    "other": {"marker": "x", "markersize": 6, "color": theme.OTHER, "markeredgewidth": 1.8, "zorder": 6},
    "blob": {
        "marker": "o",
        "markersize": 8,
        "color": theme.BLOB,
        "markerfacecolor": "none",
        "markeredgewidth": 1.7,
        "zorder": 4,
    },
}


@theme.themed
def scores(
    table: xr.Dataset,
    explainer: str | None = None,
    score: str = "iou",
    *,
    unrecognised: Collection[tuple[str, str]] = (),
) -> Figure:
    """One panel an expression, one row a network: the score with its own mask (dot, with its interval where the
    table has one), chance at the same area (bar), the mean over the other expressions' masks (cross) and a centred
    blob of the same area (ring).

    `table` is what `evaluate` returns; all panels share one axis. A row without a score says so. A pair
    (model, expression) of `unrecognised` is marked with a dagger.
    """
    if not isinstance(table, xr.Dataset) or "verdict" not in table:
        raise UsageError(f"scores are drawn of what evaluate(…) returns, not of {type(table).__name__}")
    if score not in table:
        raise UsageError(f"the table has no score {score!r}; make it with evaluate(…, scores=({score!r},))")
    if explainer is not None and explainer not in table["explainer"].values:
        raise UnknownNameError("explainer", explainer, [str(x) for x in np.atleast_1d(table["explainer"].values)])
    if "explainer" in table.dims:
        table = table.sel(explainer=explainer) if explainer is not None else table.isel(explainer=0)
    models, expressions = [str(m) for m in table["model"].values], [str(e) for e in table["expression"].values]
    series = {
        "own": score,
        "chance": f"chance_{score}",
        "other": f"other_masks_{score}",
        "blob": f"centre_{score}_equal_area",
    }
    if series["blob"] not in table:
        series["blob"] = f"centre_{score}"
    low, high = _limits(table, [*series.values(), f"low_{score}", f"high_{score}"])
    columns = min(3, len(expressions))
    rows = -(-len(expressions) // columns)
    panel_width, panel_height, left = 2.05, 0.27 * len(models) + 0.12, 1.35
    width = left + columns * (panel_width + 0.16) + 0.1
    height = 0.3 + rows * (panel_height + 0.66)
    figure = theme.new_figure(width, height)
    for index, expression in enumerate(expressions):
        row, column = divmod(index, columns)
        axes = theme.axes(
            figure,
            left + column * (panel_width + 0.16),
            height - 0.3 - (row + 1) * (panel_height + 0.66) + 0.38,
            panel_width,
            panel_height,
        )
        _panel(axes, table.sel(expression=expression), models, series, score)
        for position in (i for i, model in enumerate(models) if (model, expression) in unrecognised):
            axes.text(
                0.995,
                position,
                theme.NOT_RECOGNISED,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=theme.SIZE,
                color=theme.INK,
            )
        axes.set_xlim(low, high)
        axes.set_title(expression, loc="left", fontsize=theme.SIZE, color=theme.INK, fontweight="bold", pad=4)
        step = 0.2 if high - low > 0.65 else 0.1
        ticks = np.arange(np.ceil(low / step - 1e-6), np.floor(high / step + 1e-6) + 1) * step
        axes.set_xticks(ticks, ["0" if abs(t) < 1e-9 else theme.number(t, 1) for t in ticks])
        axes.set_yticks(range(len(models)), models if column == 0 else [""] * len(models))
        if index + columns >= len(expressions):
            axes.set_xlabel(_NAMES.get(score, score), fontsize=theme.SMALL, color=theme.INK, labelpad=2)
    handles = [
        Line2D([], [], linestyle="none", label=text, **_MARKS[key])
        for key, text in (
            ("own", "own mask"),
            ("chance", "chance, same area"),
            ("other", "other masks (mean)"),
            ("blob", "centred blob, same area" if "equal" in series["blob"] else "centred blob"),
        )
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        ncols=4,
        bbox_to_anchor=(0, 1),
        labelcolor=theme.INK,
        handletextpad=0.2,
        columnspacing=1.2,
        borderaxespad=0.3,
    )
    return figure


def _limits(table: xr.Dataset, names: list[str]) -> tuple[float, float]:
    values = np.concatenate([table[name].values.ravel().astype(float) for name in names if name in table])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low = min(0.0, np.floor((values.min() - 0.02) * 10) / 10) if values.min() < 0 else 0.0
    return float(low), float(min(1.02, np.ceil((values.max() + 0.02) * 10) / 10))


def _panel(axes: Axes, table: xr.Dataset, models: list[str], series: dict[str, str], score: str) -> None:
    for position, model in enumerate(models):
        row = table.sel(model=model)
        value = float(row[series["own"]].values)
        axes.axhline(position, color=theme.FAINT, linewidth=0.5, alpha=0.55, zorder=1)
        if not np.isfinite(value):
            axes.text(
                0.02,
                position,
                "no map",
                transform=axes.get_yaxis_transform(),
                va="center",
                fontsize=theme.SMALL,
                color=theme.INK,
                fontstyle="italic",
            )
            continue
        if f"low_{score}" in row:
            ends = [float(row[f"low_{score}"].values), float(row[f"high_{score}"].values)]
            if np.isfinite(ends).all():
                axes.plot(
                    ends, [position] * 2, color=theme.OWN, linewidth=2.2, alpha=0.55, solid_capstyle="butt", zorder=2
                )
        for key, name in series.items():
            if name in row:
                axes.plot([float(row[name].values)], [position], linestyle="none", clip_on=False, **_MARKS[key])
    axes.axvline(0, color=theme.FAINT, linewidth=0.5, zorder=1)
    axes.set_ylim(len(models) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)

"""One network's map along its training or its layers: near the end means little until one sees what noise leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme

_MAIN: Final[dict[str, Any]] = {"color": theme.OWN, "linewidth": 1.6, "marker": "o", "markersize": 3.2}
_HALF: Final[dict[str, Any]] = {"color": theme.OWN, "linewidth": 1.0, "linestyle": (0, (1, 1.2))}
_BESIDE: Final[dict[str, Any]] = {"color": theme.BLOB, "linewidth": 1.2, "linestyle": (0, (5, 1.5, 1, 1.5))}
_CONTROLS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "reliability": ("two halves of the faces, same step", {"color": theme.INK, "linestyle": (0, (6, 2))}),
    "between_expressions": (
        "other expressions’ maps, same step",
        {"color": theme.OTHER, "linestyle": (0, (3, 1.5))},
    ),
}
_WORDS: Final = {"last": "the last step", "first": "the first step", "previous": "the step before"}
_COLUMNS: Final = 3
_NARROWEST: Final = 4.0  # inches, for the key
_MOST_TICKS: Final = 7


@theme.themed
def trajectory(
    found: xr.Dataset,
    explainer: str | None = None,
    model: str | None = None,
    *,
    positions: Sequence[float] | None = None,
    axis: str = "",
    beside: tuple[str, xr.DataArray] | None = None,
) -> Figure:
    """One panel an expression: similarity of each step's map with the reference, with its interval and its controls.

    found: what `comparison.trajectory` returned. Solid: similarity, its interval shaded; dotted: one half of the faces
    with the other half at the reference; dashed: two halves at the same step, and other expressions at the same step.
    positions: where the steps stand (such as epochs); None: one after another, under their names. axis: what they are.
    beside: words and a similarity an expression, drawn as a level (such as that of another run of the training).
    Expressions without any map are left out and named. Raises UsageError where none is left, UnknownNameError for
    unknown names.
    """
    if not isinstance(found, xr.Dataset) or "similarity" not in found or "step" not in found.dims:
        raise UsageError(f"a trajectory is drawn of what trajectory(…) returns, not of {type(found).__name__}")
    found = _line(found, "explainer", explainer)
    found = _line(found, "model", model)
    names = [str(s) for s in found["step"].values]
    x = np.arange(len(names), dtype=float) if positions is None else np.asarray(positions, dtype=float)
    if x.shape != (len(names),):
        raise UsageError(f"{len(x)} positions for {len(names)} steps; give one a step")
    known = np.isfinite(found["similarity"].values).any(axis=found["similarity"].dims.index("step"))
    shown = [str(e) for e, there in zip(found["expression"].values, known, strict=True) if there]
    if not shown:
        raise UsageError(f"there is no similarity to draw: {found['reason'].values.ravel()[0]}")
    against = _WORDS.get(str(found.attrs.get("reference", "last")), "the reference")
    handles = _handles(found, against)
    if beside is not None:
        handles.append(Line2D([], [], label=beside[0], **_BESIDE))
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    width, height, left, foot = 2.35, 1.6, 0.62, 0.5
    per_row = 2 if columns == _COLUMNS else 1
    head = 0.3 + 0.17 * -(-len(handles) // per_row)
    missing = [str(e) for e, there in zip(found["expression"].values, known, strict=True) if not there]
    note = f"no map: {', '.join(missing)}" if missing else ""
    under = 0.25 if note else 0.0
    figure = theme.new_figure(
        max(left + columns * (width + 0.3), _NARROWEST), head + rows * (height + foot + 0.3) + under
    )
    low = _lowest(found, beside[1].values if beside is not None else np.zeros(0))
    for index, expression in enumerate(shown):
        row, column = divmod(index, columns)
        bottom = under + (rows - row - 1) * (height + foot + 0.3) + foot
        axes = theme.axes(figure, left + column * (width + 0.3), bottom, width, height)
        _panel(axes, found.sel(expression=expression), x, low)
        if beside is not None:
            axes.axhline(float(beside[1].sel(expression=expression)), zorder=2, **_BESIDE)
        axes.set_title(expression, loc="left", fontsize=theme.SIZE, color=theme.INK, fontweight="bold", pad=4)
        _ticks(axes, names, x, positions is not None)
        if column == 0:
            axes.set_ylabel("Pearson’s correlation", fontsize=theme.SMALL)
        else:
            axes.set_yticklabels([])
        if axis and index + columns >= len(shown):
            axes.set_xlabel(axis, fontsize=theme.SMALL, labelpad=2)
    if note:
        figure.text(0.01, 0.02, note, fontsize=theme.SMALL, color=theme.INK, va="bottom")
    theme.key(figure, handles, per_row)
    return figure


def _line(found: xr.Dataset, dimension: str, name: str | None) -> xr.Dataset:
    if dimension not in found.dims:
        return found
    names = [str(n) for n in found[dimension].values]
    if name is not None and name not in names:
        raise UnknownNameError(dimension, name, names)
    return found.isel({dimension: names.index(name) if name is not None else 0})


def _handles(found: xr.Dataset, against: str) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [Line2D([], [], label=f"with {against}", **_MAIN)]
    if np.isfinite(found["low"].values).any():
        level = round(100 * float(found.attrs.get("level", 0.95)))
        unit = str(found.attrs.get("unit", "")) or "unit"
        handles.append(Patch(facecolor=theme.OWN, alpha=0.2, linewidth=0, label=f"its {level} % interval over {unit}s"))
    if np.isfinite(found["half_similarity"].values).any():
        handles.append(Line2D([], [], label=f"one half of the faces with the other at {against}", **_HALF))
    handles += [
        Line2D([], [], label=text, linewidth=1.2, **look)
        for key, (text, look) in _CONTROLS.items()
        if np.isfinite(found[key].values).any()
    ]
    return handles


def _panel(axes: Axes, found: xr.Dataset, x: np.ndarray, low: float) -> None:
    axes.fill_between(x, found["low"], found["high"], color=theme.OWN, alpha=0.2, linewidth=0, zorder=1)
    for key, (_, look) in _CONTROLS.items():
        axes.plot(x, found[key], linewidth=1.2, zorder=2, **look)
    axes.plot(x, found["half_similarity"], zorder=3, **_HALF)
    axes.plot(x, found["similarity"], zorder=4, **_MAIN)
    if low < 0:
        axes.axhline(0, color=theme.FAINT, linewidth=0.5, zorder=0)
    axes.set_ylim(low, 1.03)
    step = 0.25 if low >= 0 else 0.5
    ticks = np.arange(np.ceil(low / step - 1e-9), round(1 / step) + 1) * step
    axes.set_yticks(ticks, ["0" if abs(t) < 1e-9 else theme.number(t) for t in ticks])
    span = max(float(np.ptp(x)), 1.0)
    axes.set_xlim(float(x.min()) - 0.03 * span, float(x.max()) + 0.03 * span)


def _ticks(axes: Axes, names: list[str], x: np.ndarray, numbers: bool) -> None:
    if numbers:
        axes.locator_params(axis="x", nbins=6)
        return
    every = -(-len(names) // _MOST_TICKS)
    at = list(range(len(names) - 1, -1, -every))[::-1]
    short = [names[i] if len(names[i]) <= 10 else "…" + names[i][-9:] for i in at]
    crowded = sum(map(len, short)) > 36
    axes.set_xticks(x[at], short, rotation=30 if crowded else 0, ha="right" if crowded else "center")


def _lowest(found: xr.Dataset, more: np.ndarray) -> float:
    names = ("similarity", "low", "half_similarity", *_CONTROLS)
    values = np.concatenate([*(found[k].values.ravel() for k in names), more.ravel()])
    lowest = float(values[np.isfinite(values)].min())
    return 0.0 if lowest >= 0 else float(max(-1.03, np.floor((lowest - 0.02) * 4) / 4))

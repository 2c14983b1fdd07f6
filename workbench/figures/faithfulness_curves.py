"""The score while pixels go or come: a curve means little until one sees that of maps that know nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from workbench.errors import UsageError
from workbench.figures import notes, theme
from workbench.figures.curve_means import Mean, Panel, check, details, panels

DRAWS: Final = 2000
_COLOURS: Final = ((theme.OWN, "o"), ("#009e73", "s"), ("#b8860b", "^"), ("#7d6bd6", "D"))
_STYLES: Final[tuple[Any, ...]] = ("-", (0, (2, 1)))
_MOST: Final = len(_COLOURS) * len(_STYLES)
_SHARED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "random": ("random maps", {"color": theme.INK, "linestyle": (0, (1, 1.2)), "linewidth": 1.7}),
    "centre": ("centred Gaussian", {"color": theme.BLOB, "linestyle": (0, (3, 1.5)), "linewidth": 1.5}),
    "edge": ("edges of the picture", {"color": theme.OTHER, "linestyle": (0, (6, 2)), "linewidth": 1.3}),
}
_MEAN_MAP: Final[dict[str, Any]] = {"marker": "_", "markersize": 11, "markeredgewidth": 1.8, "linestyle": "none"}
_ALONG: Final = {
    "deletion": "share of pixels hidden, most relevant first",
    "insertion": "share of pixels shown, most relevant first",
    "road_morf": "share of pixels imputed, most relevant first",
    "road_lerf": "share of pixels imputed, least relevant first",
    "sensitivity_n": "cells hidden at a time",
}
_FILLED: Final = ("deletion", "insertion")
_WRITTEN: Final = {"road_morf": "ROAD, most relevant first", "road_lerf": "ROAD, least relevant first"}
_COLUMNS: Final = 2
_LEFT, _WIDTH, _HEIGHT, _FOOT, _HEAD, _GAP = 0.6, 2.6, 1.9, 0.46, 0.42, 0.28  # inches
_BANDS: Final = 2  # explainers whose bands can be told apart
_NARROWEST: Final = 4.6

Look = tuple[str, str, Any]


@theme.themed
def faithfulness_curves(
    result: xr.Dataset,
    score: str = "deletion",
    explainers: str | Sequence[str] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Figure:
    """One panel a network: the mean score along the share of pixels hidden, shown or imputed, one line an explainer.

    result: what `faithfulness.faithfulness` returned. score: one that has a curve there, such as "deletion",
    "insertion", "road_morf". explainers: which ones, at most eight; None: all. Dotted grey: the mean of random maps,
    with its band: the 95 % bootstrap interval of the mean over subjects (images where unknown), at each place by
    itself; explainers have theirs where there are one or two. The narrow part at the right has the score, which is a
    curve's mean height: a mark an explainer with its interval, a dash for the mean map of its other images, lines
    across for references. References whose `<reference>_<score>_curve` is kept are curves as well. Below stands why
    there is no interval or no curve.

    Raises UsageError for a Dataset that `faithfulness` did not make, a score without a curve, too many explainers or
    nothing to draw, UnknownNameError for unknown names.
    """
    chosen = check(result, score, explainers)
    if len(chosen) > _MOST:
        raise UsageError(
            f"{len(chosen)} explainers cannot be told apart by colour; name up to {_MOST} with explainers=[…]"
        )
    found = panels(result, score, chosen, draws, seed)
    looks: dict[str, Look] = {
        name: (*_COLOURS[k % len(_COLOURS)], _STYLES[k // len(_COLOURS)]) for k, name in enumerate(chosen)
    }
    columns = min(_COLUMNS, len(found))
    rows = -(-len(found) // columns)
    strip = 0.2 * len(chosen) + 0.2
    step = _WIDTH + 0.08 + strip + _GAP
    width = max(_LEFT + columns * step, _NARROWEST)
    handles = _handles(found, looks)
    per_row = notes.key_columns([str(handle.get_label()) for handle in handles], width)
    head = 0.1 + 0.17 * -(-len(handles) // per_row)
    lines = notes.wrapped(_sentences(result, score, found), width)
    under = notes.LINE * len(lines) + 0.12
    figure = theme.new_figure(width, head + rows * (_HEAD + _HEIGHT + _FOOT) + under)
    places = np.asarray(result[_axis(result, score)].values, dtype=np.float64)
    low, high = _limits(found)
    for index, panel in enumerate(found):
        row, column = divmod(index, columns)
        left, bottom = _LEFT + column * step, under + (rows - row - 1) * (_HEAD + _HEIGHT + _FOOT) + _FOOT
        wide = theme.axes(figure, left, bottom, _WIDTH, _HEIGHT)
        narrow = theme.axes(figure, left + _WIDTH + 0.08, bottom, strip, _HEIGHT)
        _curves(wide, panel, places, looks)
        _areas(narrow, panel, looks)
        for axes in (wide, narrow):
            axes.set_ylim(low, high)
            ticks = np.asarray(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
            digits = 2 if np.abs(np.round(ticks, 1) - ticks).max() > 1e-9 else 1
            ticks = ticks[(ticks >= low) & (ticks <= high)]
            axes.set_yticks(ticks, [_tick(t, digits) for t in ticks])
            if ticks.min() < 0:
                axes.axhline(0, color=theme.FAINT, linewidth=0.5, zorder=0)
        _dress(wide, narrow, panel, result, score, first=column == 0)
    theme.key(figure, handles, per_row)
    notes.write(figure, lines)
    return figure


def _axis(result: xr.Dataset, score: str) -> str:
    return str(next(d for d in result[f"{score}_curve"].dims if d not in ("model", "explainer", "image")))


def _shares(places: np.ndarray) -> bool:
    return bool(places.min() >= 0 and places.max() <= 1)


def _curves(axes: Axes, panel: Panel, places: np.ndarray, looks: dict[str, Look]) -> None:
    x = places if _shares(places) else np.arange(len(places), dtype=float)
    for key, line in panel.shared.items():
        if line.curve is not None:
            look = _SHARED[key][1]
            axes.plot(x, line.curve.value, zorder=3, **look)
            _band(axes, x, line.curve, look["color"], 0.28)
    every = max(len(x) // 5, 1)
    for place, (name, line) in enumerate(panel.own.items()):
        colour, mark, style = looks[name]
        if (beside := panel.mean_map.get(name)) is not None and beside.curve is not None:
            axes.plot(x, beside.curve.value, color=colour, linewidth=0.9, linestyle=(0, (1.5, 1.2)), zorder=3)
        if line.curve is None:
            continue
        if len(looks) <= _BANDS:
            _band(axes, x, line.curve, colour, 0.18)
        axes.plot(
            x,
            line.curve.value,
            color=colour,
            linestyle=style,
            linewidth=1.6,
            marker=mark,
            markersize=3.8,
            markerfacecolor=_face(looks[name]),
            markevery=(place % every, every),
            label=name,
            zorder=4,
        )
    if _shares(places):
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".50", ".75", "1"])
    else:
        axes.set_xlim(-0.2, len(x) - 0.8)
        shown = list(range(0, len(x), -(-len(x) // 8)))
        axes.set_xticks(shown, [f"{places[i]:g}" for i in shown])


def _face(look: Look) -> str:
    """Marks of broken lines are hollow."""
    return look[0] if look[2] == "-" else "none"


def _band(axes: Axes, x: np.ndarray, mean: Mean, colour: str, alpha: float) -> None:
    if np.isfinite(mean.low).any():
        axes.fill_between(x, mean.low, mean.high, color=colour, alpha=alpha, linewidth=0, zorder=1)


def _areas(axes: Axes, panel: Panel, looks: dict[str, Look]) -> None:
    for key, line in panel.shared.items():
        axes.axhline(float(line.score.value[0]), zorder=2, **_SHARED[key][1])
    for place, (name, look) in enumerate(looks.items()):
        if name not in panel.own:
            continue
        own, (colour, mark, _) = panel.own[name].score, look
        axes.plot([place] * 2, [own.low[0], own.high[0]], color=colour, linewidth=2.2, alpha=0.55, zorder=3)
        if name in panel.mean_map:
            axes.plot([place], panel.mean_map[name].score.value, color=colour, zorder=4, **_MEAN_MAP)
        axes.plot(
            [place],
            own.value,
            marker=mark,
            markersize=5.5,
            color=colour,
            markerfacecolor=_face(look),
            linestyle="none",
            label=name,
            zorder=5,
        )
    axes.set_xlim(-0.75, len(looks) - 0.25)
    axes.set_xticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=False)


def _dress(wide: Axes, narrow: Axes, panel: Panel, result: xr.Dataset, score: str, *, first: bool) -> None:
    model = notes.fitted(panel.model, _WIDTH + _GAP)
    wide.set_title(model, loc="left", fontsize=theme.SIZE, color=theme.INK, fontweight="bold", pad=16)
    wide.text(0, 1.02, panel.count, transform=wide.transAxes, fontsize=theme.SMALL, color=theme.INK, va="bottom")
    narrow.set_xlabel("area" if score in _FILLED else "mean", fontsize=theme.SMALL, labelpad=2)
    wide.set_xlabel(_ALONG.get(score, _axis(result, score).replace("_", " ")), fontsize=theme.SMALL, labelpad=2)
    if first:
        wide.set_ylabel(_quantity(result, score), fontsize=theme.SMALL)
    else:
        wide.tick_params(labelleft=False)


def _tick(value: float, digits: int) -> str:
    return theme.number(value, 0 if abs(value - round(value)) < 1e-9 else digits)


def _quantity(result: xr.Dataset, score: str) -> str:
    if score == "sensitivity_n":
        return "mean correlation"
    return f"mean {result.attrs.get('space', 'score')}" if score in _ALONG else f"mean {theme.readable(score)}"


def _limits(found: Sequence[Panel]) -> tuple[float, float]:
    means: list[Mean] = []
    for panel in found:
        for line in (*panel.own.values(), *panel.mean_map.values(), *panel.shared.values()):
            means += [line.score] + ([line.curve] if line.curve is not None else [])
    values = np.concatenate([part for one in means for part in (one.value, one.low, one.high)])
    values = values[np.isfinite(values)]
    low, high = min(0.0, float(values.min())), float(values.max())
    room = 0.03 * ((high - low) or 1.0)
    return low - room, high + room


def _handles(found: Sequence[Panel], looks: dict[str, Look]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            color=look[0],
            marker=look[1],
            linestyle=look[2],
            markersize=4.5,
            markerfacecolor=_face(look),
            linewidth=1.6,
            label=_short(name),
        )
        for name, look in looks.items()
    ]
    curves = {key for panel in found for key, line in panel.shared.items() if line.curve is not None}
    for key, (words, look) in _SHARED.items():
        if any(key in panel.shared for panel in found):
            handles.append(Line2D([], [], label=words if key in curves else f"{words} (at the right)", **look))
    if any(panel.mean_map for panel in found):
        kept = any(line.curve is not None for panel in found for line in panel.mean_map.values())
        style = {"linestyle": (0, (1.5, 1.2)), "linewidth": 0.9} if kept else _MEAN_MAP
        words = "mean map of its other images" + ("" if kept else " (at the right)")
        handles.append(Line2D([], [], color=theme.INK, label=words, **style))
    if any(np.isfinite(line.score.low).any() for panel in found for line in panel.own.values()):
        handles.append(Patch(facecolor=theme.INK, alpha=0.28, linewidth=0, label="95 % interval of the mean"))
    return handles


def _short(name: str) -> str:
    words = theme.readable(name)
    return words if len(words) <= 30 else words[:29] + "…"


def _sentences(result: xr.Dataset, score: str, found: Sequence[Panel]) -> list[str]:
    said = details(result, score)
    words = _WRITTEN.get(score, theme.readable(score).capitalize())
    lines = []
    if {"best", "low"} <= set(said):
        lines.append(f"{words}: {'higher' if float(said['best']) > float(said['low']) else 'lower'} is better.")
    if score in _FILLED:
        lines.append(f"In hidden places: {str(result.attrs.get('fill', '')).replace('_', ' ')}.")
    lines.append(f"Target: {result.attrs.get('target', 'unknown')}.")
    if count := int(result.attrs.get("draws", 0)):
        lines.append(f"Random maps: mean of {count} a face.")
    shorts = [line.curve.short for panel in found for line in panel.own.values() if line.curve is not None]
    lines += [f"No interval: {short}." for short in dict.fromkeys(shorts) if short]
    if not all(shorts):
        known = np.asarray(result["subject"].values).astype(str) != ""
        over = "subjects" if known.any() else "images, as subjects are unknown"
        lines.append(f"Intervals over {over}, at each place by itself.")
        if len({name for panel in found for name in panel.own}) > _BANDS:
            lines.append("The explainers’ own are at the right.")
    for panel in found:
        for name, why in panel.missing.items():
            lines.append(f"No curve of {theme.readable(name)}, {panel.model}" + (f": {why}." if why else "."))
    return lines

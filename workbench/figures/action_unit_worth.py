"""What each action unit's region is worth to a network: a large region is worth something wherever it lies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workbench.errors import UnknownNameError, UsageError
from workbench.figures import notes, theme
from workbench.statistics.multiplicity import ALPHA

_NEEDED: Final = ("model", "au", "worth", "control_worth", "above_control", "q", "n", "n_subjects", "reason")
_OWN: Final[dict[str, Any]] = {"marker": "o", "markersize": 6.5, "color": theme.OWN, "zorder": 5}
_CONTROL: Final[dict[str, Any]] = {"marker": "|", "markersize": 9, "color": theme.OTHER, "markeredgewidth": 2}
_RANGE: Final[dict[str, Any]] = {"linewidth": 2.0, "solid_capstyle": "butt"}
_OFFSET: Final = 0.17  # rows between an interval of the unit and that of its control
_ROW, _WIDTH, _HEAD, _FOOT, _GAP = 0.21, 2.6, 0.42, 0.48, 0.2  # inches
_CHARACTER: Final = 0.068  # inches
_COLUMNS: Final = 2
_HEADING: Final = "above control"
_NARROWEST: Final = 5.0
_QUANTITY: Final = {
    "occlude": "fall of the {} without the region",
    "keep": "rise of the {} with the region alone",
}


@theme.themed
def action_unit_worth(table: pd.DataFrame, cell: Mapping[str, object] | None = None, *, alpha: float = ALPHA) -> Figure:
    """One panel a network, one row an action unit by FACS number: what its region is worth beside its control.

    table: what `faithfulness.au_occlusion_table` returned, or several of these in one (`pandas.concat`). cell: which
    values of the columns that the table was made `per`, such as {"label": "fear"}; needed where there are several.
    Dot: worth of the region; bar: mean worth of the same shape elsewhere on the face; each with its interval where the
    table has one. At the right stands worth less control with its interval; "*" and a filled dot: q ≤ alpha, corrected
    by Benjamini–Hochberg over the rows of the table (also over those of other cells). A minus says that the region is
    worth less than its shape elsewhere. A unit without a value is "–". All panels share axes and units; regions without
    a number follow. Below stands why there is no interval or no value.

    Raises UsageError for another table, several cells or nothing to draw, UnknownNameError for a cell it lacks.
    """
    chosen = _chosen(table, cell or {})
    units = sorted(dict.fromkeys(chosen["au"].astype(str)), key=_facs)
    models = list(dict.fromkeys(chosen["model"].astype(str)))
    parts = [chosen[chosen["model"] == model].set_index("au").reindex(units) for model in models]
    digits = 3 if table.attrs.get("space") == "probability" else 2
    words = [[_difference(row, digits, alpha) for _, row in part.iterrows()] for part in parts]
    beside = 0.12 + _CHARACTER * max(len(text) for text in sum(words, [_HEADING]))
    left = 0.16 + _CHARACTER * max(map(len, units))
    columns = min(_COLUMNS, len(models))
    rows = -(-len(models) // columns)
    step = _WIDTH + beside + _GAP
    width, tall = max(left + columns * step, _NARROWEST), _ROW * len(units) + 0.05
    handles = _handles(chosen, alpha, table.attrs)
    per_row = notes.key_columns([str(handle.get_label()) for handle in handles], width)
    head = 0.1 + 0.17 * -(-len(handles) // per_row)
    lines = notes.wrapped(_sentences(table, chosen, models, cell or {}, alpha), width)
    under = notes.LINE * len(lines) + 0.12
    figure = theme.new_figure(width, head + rows * (_HEAD + tall + _FOOT) + under)
    low, high = _limits(chosen)
    for index, (model, part) in enumerate(zip(models, parts, strict=True)):
        row, column = divmod(index, columns)
        bottom = under + (rows - row - 1) * (_HEAD + tall + _FOOT) + _FOOT
        axes = theme.axes(figure, left + column * step, bottom, _WIDTH, tall)
        _panel(axes, part, words[index], alpha)
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ticks = [t for t in axes.get_xticks() if low <= t <= high]
        axes.set_xticks(ticks, [_tick(t) for t in ticks])
        axes.set_yticks(range(len(units)), [u.replace("_", " ") if column == 0 else "" for u in units])
        axes.set_title(
            notes.fitted(model, step), loc="left", fontsize=theme.SIZE, color=theme.INK, fontweight="bold", pad=16
        )
        known = part[part["n"] > 0]
        count = notes.counted(known["n"], known["n_subjects"]) if len(known) else "no value"
        small: dict[str, Any] = {"transform": axes.transAxes, "fontsize": theme.SMALL, "color": theme.INK}
        axes.text(0, 1.0 + 0.05 / tall, count, va="bottom", **small)
        axes.text(1.0 + 0.08 / _WIDTH, 1.0 + 0.05 / tall, _HEADING, va="bottom", **small)
        axes.set_xlabel(_quantity(table.attrs), fontsize=theme.SMALL, labelpad=2)
    theme.key(figure, handles, per_row, length=1.8)
    notes.write(figure, lines)
    return figure


def _chosen(table: pd.DataFrame, cell: Mapping[str, object]) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame) or not set(_NEEDED) <= set(table.columns):
        lacking = [name for name in _NEEDED if name not in getattr(table, "columns", ())]
        raise UsageError(
            f"worth is drawn of what au_occlusion_table(…) returns, not of {type(table).__name__}"
            + (f" without {', '.join(lacking)}" if isinstance(table, pd.DataFrame) else "")
        )
    first = table.columns.tolist().index("worth")
    per = [str(name) for name in table.columns[:first] if name not in ("model", "au")]
    for name, value in cell.items():
        if name not in per:
            raise UnknownNameError("cell of the table:", name, per)
        known = list(dict.fromkeys(table[name]))
        if value not in known:
            raise UnknownNameError(f"value of {name}:", str(value), [str(v) for v in known])
        table = table[table[name] == value]
    if table.duplicated(["model", "au"]).any():
        several = [f"{name} ({notes.listed([str(v) for v in dict.fromkeys(table[name])])})" for name in per]
        raise UsageError(
            f"the table has several rows for a network and unit, by {', '.join(several)}; choose with cell={{…}}"
            if several
            else "the table has several rows for a network and unit; draw one measurement at a time"
        )
    if not np.isfinite(table["worth"].to_numpy(float)).any():
        why = next((str(r) for r in table["reason"].fillna("") if r), "")
        raise UsageError("no action unit has a value" + (f": {why}" if why else ""))
    return table


def _facs(name: str) -> tuple[int, int, str]:
    """AU1, AU2, AU10, AU23/24, …; what has no number last."""
    found = re.match(r"\s*AU\s*(\d+)", name, re.IGNORECASE)
    return (0, int(found[1]), name) if found else (1, 0, "")


def _panel(axes: Axes, part: pd.DataFrame, words: Sequence[str], alpha: float) -> None:
    for place, ((_, row), text) in enumerate(zip(part.iterrows(), words, strict=True)):
        axes.axhline(place, color=theme.FAINT, linewidth=0.5, alpha=0.4, zorder=0)
        significant = bool(row["q"] <= alpha)
        axes.text(
            1.0 + 0.08 / _WIDTH,
            place,
            text,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=theme.SMALL,
            color=theme.INK,
            fontweight="bold" if significant else "normal",
        )
        if not np.isfinite(row["worth"]):
            continue
        for name, look, offset in (("worth", _OWN, -_OFFSET), ("control_worth", _CONTROL, _OFFSET)):
            ends = [row.get(f"low_{name}", np.nan), row.get(f"high_{name}", np.nan)]
            axes.plot(ends, [place + offset] * 2, color=look["color"], alpha=0.5, zorder=2, **_RANGE)
        axes.plot([row["control_worth"]], [place], linestyle="none", zorder=4, label="control", **_CONTROL)
        face = theme.OWN if significant else "none"
        axes.plot([row["worth"]], [place], linestyle="none", label="worth", markerfacecolor=face, **_OWN)
    axes.axvline(0, color=theme.INK, linewidth=0.7, zorder=1)
    axes.set_ylim(len(part) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _difference(row: pd.Series, digits: int, alpha: float) -> str:
    """`+.39 [.11, .67] *`."""
    value, low, high = (row.get(name, np.nan) for name in ("above_control", "low_above_control", "high_above_control"))
    if not np.isfinite(value):
        return "–"
    text = "0" if value == 0 else ("+" if value > 0 else "−") + theme.number(abs(value), digits)
    if np.isfinite(low) and np.isfinite(high):
        text += f" [{theme.number(low, digits)}, {theme.number(high, digits)}]"
    return text + (" *" if row["q"] <= alpha else "")


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    names = [f"{end}{name}" for name in ("worth", "control_worth") for end in ("", "low_", "high_")]
    values = np.concatenate([table[name].to_numpy(float) for name in names if name in table])
    values = values[np.isfinite(values)]
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = 0.05 * ((high - low) or 1.0)
    return low - room, high + room


def _tick(value: float) -> str:
    if abs(value) < 1e-12:
        return "0"
    digits = next(d for d in (0, 1, 2, 3, 6) if d == 6 or abs(round(value, d) - value) < 1e-9)
    return theme.number(value, digits)


def _quantity(attrs: Mapping[Any, Any]) -> str:
    return _QUANTITY.get(str(attrs.get("mode")), "worth of the region ({})").format(attrs.get("space", "score"))


def _tests(table: pd.DataFrame) -> str:
    """Over what q was corrected: tables that were joined keep what they said of themselves, or nothing."""
    said, there = table.attrs.get("tests"), int(np.isfinite(table["q"].to_numpy(float)).sum())
    if said is None:
        return "the tests of each table"
    return f"all {said} tests" if there <= said else f"the {said} tests of each table"


def _intervals(table: pd.DataFrame) -> bool:
    return "low_worth" in table and bool(np.isfinite(table["low_worth"].to_numpy(float)).any())


def _handles(table: pd.DataFrame, alpha: float, attrs: Mapping[Any, Any]) -> list[Line2D]:
    places = f", mean of {attrs['controls']} places" if "controls" in attrs else ""
    tested = np.isfinite(table["q"].to_numpy(float)).any()
    filled = f" (filled: q ≤ {theme.number(alpha)})" if tested else ""
    face = theme.OWN if tested else "none"
    handles = [
        Line2D([], [], linestyle="none", label=f"the unit’s region{filled}", markerfacecolor=face, **_OWN),
        Line2D([], [], linestyle="none", label=f"the same shape elsewhere on the face{places}", **_CONTROL),
    ]
    if _intervals(table):
        handles.append(Line2D([], [], color=theme.INK, alpha=0.6, label="95 % intervals", **_RANGE))
    return handles


def _sentences(
    table: pd.DataFrame, chosen: pd.DataFrame, models: Sequence[str], cell: Mapping[str, object], alpha: float
) -> list[str]:
    attrs, level = table.attrs, theme.number(alpha)
    lines = [f"{name}: {value}." for name, value in cell.items()]
    if "fill" in attrs:
        lines.append(f"In hidden places: {str(attrs['fill']).replace('_', ' ')}.")
    if "target" in attrs:
        lines.append(f"Target: {attrs['target']}.")
    if np.isfinite(chosen["q"].to_numpy(float)).any():
        tests = _tests(table)
        known = np.isfinite(chosen["n_subjects"].to_numpy(float)).any()
        over = "subjects" if known else "images, as subjects are unknown"
        lines.append(
            f"Above control: worth less that of the same shape elsewhere; * q ≤ {level}, signs flipped over {over}, "
            f"corrected over {tests}; a minus: worth less than elsewhere."
        )
        least = chosen["p_resolution"].min() if "p_resolution" in chosen else 0.0
        if least > alpha:
            lines.append(f"So few can give no p below {theme.number(least, 4).rstrip('0')}.")
    whys: dict[tuple[str, str], list[str]] = {}
    for model in models:
        for _, row in chosen[(chosen["model"] == model) & (chosen["reason"].fillna("") != "")].iterrows():
            kind = "No value" if not row["n"] else "No interval and no p"
            units = whys.setdefault((kind, str(row["reason"]).removeprefix("n too small: ")), [])
            units += [str(row["au"])] if str(row["au"]) not in units else []
    for (kind, why), units in whys.items():
        everywhere = len(units) == chosen["au"].nunique()
        lines.append(f"{kind}{'' if everywhere else ' for ' + notes.listed(units)}: {why}.")
    return lines

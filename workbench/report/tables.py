"""Score tables as rows of cells: every number beside its controls, every missing one with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.figures.theme import NOT_RECOGNISED, number
from workbench.scores.verdict import probability
from workbench.statistics.multiplicity import ALPHA
from workbench.vocabulary import ACTION_UNITS

SCORES = ("iou", "precision", "recall", "f1", "correlation")
TITLES = {"iou": "IoU", "precision": "Precision", "recall": "Recall", "f1": "F1", "correlation": "Correlation"}
DIGITS = 3


@dataclass
class Cell:
    """What one table cell shows; `reason` says why a value is missing; `kind` is a CSS class."""

    text: str
    reason: str = ""
    note: str = ""
    kind: str = ""


@dataclass
class Row:
    """One table row: its name, a mark beside it, its cells."""

    name: str
    cells: list[Cell]
    mark: str = ""


@dataclass
class Table:
    """Columns (title, explanation), groups of rows, and the reasons behind the dashes (letter → sentence)."""

    columns: list[tuple[str, str]]
    groups: list[tuple[str, list[Row]]]
    reasons: dict[str, str] = field(default_factory=dict)


def columns_of(score: str) -> list[tuple[str, str, str]]:
    """(variable, title, explanation) of one score's table, the controls right after the score."""
    out = [
        (score, "own mask", "the map against the mask of its own expression"),
        ("interval", "95% interval", "bootstrap over people (over faces where people are not known)"),
        (f"chance_{score}", "chance", "expected for regions of these sizes placed independently of each other"),
        (f"other_masks_{score}", "other masks", "the same map against the other expressions' masks, mean"),
        (f"centre_{score}_equal_area", "blob, same area", "a centred blob, cut to the area of this map"),
        (f"centre_{score}", "blob", "a centred blob with its own Otsu threshold"),
        (f"random_weights_{score}", "random weights", "the same network with random weights"),
        (f"edge_map_{score}", "edge map", "a plain edge map of the same faces"),
        (f"mean_map_{score}", "mean map", "the mean of this explainer's maps over all expressions"),
        (f"bh_toroidal_{score}", "p shifts", "all shifts of the map over the masks; corrected over the table's cells"),
        (f"bh_field_{score}", "p fields", "smooth random maps; corrected over the table's cells"),
        (f"bh_over_centre_{score}", "p blob", "above a blob of the same area? corrected over the table's cells"),
        (f"bh_over_other_masks_{score}", "p others", "above the other masks? corrected over the table's cells"),
    ]
    if score == "correlation":  # the grey map, before any threshold: the blob has one value, whatever the area
        out = [c for c in out if not c[0].endswith("_equal_area")]
        out = [(v, t, "a centred blob; correlation needs no area" if t == "blob" else text) for v, t, text in out]
    if score == "iou":
        out += [
            ("rank_of_own_mask", "own rank", "1 = no other expression's mask has a higher IoU"),
            ("ceiling_iou", "ceiling", "agreement of two experts' masks of this expression"),
            ("spearman_brown", "reliability", "correlation of the maps of two halves of the people, for all of them"),
            ("area", "area", "share of the face in the thresholded map"),
            ("n", "n", "faces averaged"),
        ]
    return out


@dataclass
class UnitTable:
    """IoU by action unit (or region): columns (expression, networks with a map), rows (name, meaning, cells, blob).

    A cell is (IoU, chance), both means over the networks, as printed; the highest IoU of a column is `best`.
    """

    columns: list[tuple[str, int]]
    rows: list[tuple[str, str, list[tuple[str, str, bool]], str]]


def unit_table(table: xr.Dataset, explainer: str) -> UnitTable:
    """The small table of a mask set by action unit or region, for one explainer."""
    part = table.sel(explainer=explainer)
    unit = next(str(d) for d in part["iou"].dims if d not in ("model", "expression"))
    order = ("model", "expression", unit)
    iou = part["iou"].transpose(*order).values.astype(float)
    known = np.isfinite(iou)
    counts = known.any(axis=2).sum(axis=0)

    def mean(name: str, axes: tuple[int, ...]) -> np.ndarray:
        values = part[name].broadcast_like(part["iou"]).transpose(*order).values.astype(float)
        there = known & np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(there, values, 0).sum(axis=axes) / there.sum(axis=axes))

    own, chance, blob = mean("iou", (0,)), mean("chance_iou", (0,)), mean("centre_iou_equal_area", (0, 1))
    top = np.nanmax(np.where(np.isfinite(own), own, -np.inf), axis=1)
    rows = []
    for u, name in enumerate(table[unit].values.astype(str)):
        digits = name.upper().removeprefix("AU")
        meaning = ACTION_UNITS.get(int(digits), "") if unit == "au" and digits.isdigit() else ""
        cells = [
            (number(own[e, u]), number(chance[e, u]), bool(np.isfinite(own[e, u]) and own[e, u] == top[e]))
            for e in range(own.shape[0])
        ]
        rows.append((name, meaning, cells, number(blob[u])))
    columns = [(str(e), int(k)) for e, k in zip(table["expression"].values, counts, strict=True)]
    return UnitTable(columns, rows)


def score_table(table: xr.Dataset, explainer: str, score: str, unrecognised: set[tuple[str, str]]) -> Table:
    """The table of one score and one explainer, a group of rows for each network."""
    columns = [c for c in columns_of(score) if c[0] in table or c[0] == "interval"]
    part = table.sel(explainer=explainer)
    wanted = {c[0] for c in columns} | {f"low_{score}", f"high_{score}", "reason", "interval_reason"}
    values = {
        name: part[name].broadcast_like(part[score]).transpose("model", "expression").values
        for name in wanted
        if name in part
    }
    reasons = json.loads(str(table.attrs.get("reasons", "{}")))
    letters: dict[str, str] = {}
    groups = []
    for m, model in enumerate(table["model"].values.astype(str)):
        rows = []
        for e, expression in enumerate(table["expression"].values.astype(str)):
            cell = {name: array[m, e] for name, array in values.items()}
            cells = [_cell(cell, variable, score, reasons, letters) for variable, _, _ in columns]
            if score == "iou" and "verdict" in part and cells[0].kind == "own":
                cells[0].reason = str(part["verdict"].sel(model=model, expression=expression).values)
            rows.append(Row(expression, cells, NOT_RECOGNISED if (model, expression) in unrecognised else ""))
        groups.append((model, rows))
    return Table([(title, text) for _, title, text in columns], groups, {v: k for k, v in letters.items()})


def verdicts(table: xr.Dataset, explainer: str) -> list[tuple[str, str, str]]:
    """(network, expression, verdict) of every cell of one explainer that has a map."""
    words = table["verdict"].sel(explainer=explainer).transpose("model", "expression")
    return [
        (str(model), str(expression), str(words.values[m, e]))
        for m, model in enumerate(table["model"].values)
        for e, expression in enumerate(table["expression"].values)
        if not str(words.values[m, e]).startswith("not scored: there is no map")
    ]


def _cell(row: dict[str, Any], variable: str, score: str, reasons: dict[str, str], letters: dict[str, str]) -> Cell:
    if variable == "interval":
        low, high = (float(row[f"{end}_{score}"]) if f"{end}_{score}" in row else np.nan for end in ("low", "high"))
        if np.isfinite(low) and np.isfinite(high):
            return Cell(f"{number(low, DIGITS)} to {number(high, DIGITS)}", kind="interval")
        return _missing(row, f"low_{score}", reasons, letters)
    value = float(row[variable])
    if not np.isfinite(value):
        return _missing(row, variable, reasons, letters)
    if variable == "n":
        return Cell(f"{value:.0f}")
    if variable.startswith("bh_"):
        return Cell(probability(value), kind="first" if value <= ALPHA else "")
    if variable == "rank_of_own_mask":
        return Cell(f"{value:.0f}", kind="first" if value == 1 else "")
    return Cell(number(value, DIGITS), kind="own" if variable == score else "")


def _missing(row: dict[str, Any], variable: str, reasons: dict[str, str], letters: dict[str, str]) -> Cell:
    own = str(row["reason"]) if "reason" in row else ""
    if not own and (variable.startswith("low_") or variable == "spearman_brown") and "interval_reason" in row:
        own = str(row["interval_reason"])
    if not own and variable.startswith("bh_"):
        own = reasons.get("p_" + variable.removeprefix("bh_"), "")
        own = own or (str(row["interval_reason"]) if "over_" in variable and "interval_reason" in row else "")
    control = variable.startswith(("random_weights_", "edge_map_"))
    reason = own or reasons.get(variable, "") or ("this control has no usable map here" if control else "no value")
    count = len(letters)
    letter = letters.setdefault(_short(reason), chr(97 + count % 26) * (1 + count // 26))
    return Cell("–", reason, letter, "missing")


def _short(reason: str) -> str:
    """A reason without the counts of its cell, so that cells with the same one share a letter."""
    if reason.startswith("too few to resample"):
        least = reason.rpartition("; ")[2].rstrip(")") if ";" in reason else ""
        return f"too few to resample{f' ({least})' if least else ''}"
    return reason


def tidy(tables: dict[str, xr.Dataset]) -> pd.DataFrame:
    """Every score of every mask set, one row a cell: mask_set, model, explainer, expression, then the variables."""
    from workbench.scores import tidy as tidy_table

    whole = pd.concat([tidy_table(table).assign(mask_set=name) for name, table in tables.items()], ignore_index=True)
    first = ["mask_set", "model", "explainer", "expression"]
    return whole[first + [c for c in whole.columns if c not in first]]

"""Score tables as rows of cells: every number beside its controls, every missing one with its reason."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.figures.theme import number

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
    ]
    if score == "iou":
        out += [
            ("rank_of_own_mask", "own rank", "1 = no other expression's mask has a higher IoU"),
            ("area", "area", "share of the face in the thresholded map"),
            ("n", "n", "faces averaged"),
        ]
    return out


def score_table(table: xr.Dataset, explainer: str, score: str, unrecognised: set[tuple[str, str]]) -> Table:
    """The table of one score and one explainer, a group of rows for each network."""
    columns = [c for c in columns_of(score) if c[0] in table or c[0] == "interval"]
    part = table.sel(explainer=explainer)
    wanted = {c[0] for c in columns} | {f"low_{score}", f"high_{score}", "reason", "interval_reason"}
    values = {name: part[name].transpose("model", "expression").values for name in wanted if name in part}
    reasons = json.loads(str(table.attrs.get("reasons", "{}")))
    letters: dict[str, str] = {}
    groups = []
    for m, model in enumerate(table["model"].values.astype(str)):
        rows = []
        for e, expression in enumerate(table["expression"].values.astype(str)):
            cell = {name: array[m, e] for name, array in values.items()}
            cells = [_cell(cell, variable, score, reasons, letters) for variable, _, _ in columns]
            rows.append(Row(expression, cells, "†" if (model, expression) in unrecognised else ""))
        groups.append((model, rows))
    return Table([(title, text) for _, title, text in columns], groups, {v: k for k, v in letters.items()})


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
    if variable == "rank_of_own_mask":
        return Cell(f"{value:.0f}", kind="first" if value == 1 else "")
    return Cell(number(value, DIGITS), kind="own" if variable == score else "")


def _missing(row: dict[str, Any], variable: str, reasons: dict[str, str], letters: dict[str, str]) -> Cell:
    own = str(row["reason"]) if "reason" in row else ""
    if not own and variable.startswith("low_") and "interval_reason" in row:
        own = str(row["interval_reason"])
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

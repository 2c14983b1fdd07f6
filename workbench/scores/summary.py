"""One table of scores as rows and a summary: what the command line prints and a report quotes."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import UsageError
from workbench.scores.columns import MASK, all_masks
from workbench.scores.verdict import NULL_WORDS, RUNGS, probability
from workbench.scores.verdict import number as short
from workbench.statistics.multiplicity import ALPHA
from workbench.vocabulary import EXPLAINER, EXPRESSION, MODEL

COLUMNS: Final = (
    "iou",
    "precision",
    "recall",
    "f1",
    "correlation",
    "area",
    "chance_iou",
    "other_masks_iou",
    "rank_of_own_mask",
    "centre_iou",
    "centre_iou_equal_area",
    "mean_map_iou",
    "low_iou",
    "high_iou",
)
OF_NULLS: Final = ("{}_iou", "p_{}_iou", "bh_{}_iou", "by_{}_iou")


def tidy(table: xr.Dataset) -> pd.DataFrame:
    """One row a cell: model, explainer, expression (and the AU or region) as columns, then every variable."""
    if not isinstance(table, xr.Dataset) or "verdict" not in table:
        raise UsageError(f"rows are made of what evaluate(…) returns, not of {type(table).__name__}")
    return table.to_dataframe().reset_index()


def number(value: float) -> float | None:
    """A float that JSON can hold: None for NaN."""
    return None if math.isnan(value) else float(value)


def rows(table: xr.Dataset) -> list[dict[str, Any]]:
    """The cells as dictionaries with the keys of `workbench score --json`; NaN is None, explainer None where unnamed.

    Cells for which there never was a map are left out; cells whose map could not be scored are kept.
    """
    cells = tidy(table)
    own = [str(d) for d in table["iou"].dims if d not in (MODEL, EXPLAINER, EXPRESSION)]
    columns = (*COLUMNS, *(form.format(name) for name in _nulls(table) for form in OF_NULLS))
    found = []
    for record in cells.to_dict("records"):
        if record["reason"] == "there is no map":
            continue
        row: dict[str, Any] = {
            MODEL: record[MODEL],
            EXPRESSION: record[EXPRESSION],
            EXPLAINER: record[EXPLAINER] or None,
        }
        row |= {dim: str(record[dim]) for dim in own}
        for name in columns:
            value = number(record.get(name, math.nan))
            row[name] = int(value) if name == "rank_of_own_mask" and value is not None else value
        row["verdict"] = str(record["verdict"])
        found.append(row)
    return found


def summary(table: xr.Dataset) -> dict[str, Any]:
    """Means over the scored cells, with the controls, and how they must be read. Raises UsageError for no cell.

    With masks of action units or regions a cell is a map and one of them: none is the map's own, so that counts of own
    masks are None.
    """
    frame = tidy(table)
    if not len(frame):
        raise UsageError("there is no cell to summarise")
    scored = frame[frame["iou"].notna()]
    masks = all_masks(table).sizes[MASK]
    own = _has_own_masks(table)

    def mean(column: str) -> float | None:
        values = scored[column].dropna() if column in scored else pd.Series(dtype=float)
        return float(values.mean()) if len(values) else None

    by_model = {str(m): number(float(group["iou"].mean())) for m, group in frame.groupby(MODEL, sort=True)}
    left = frame[(frame["reason"] != "") & (frame["reason"] != "there is no map")]
    reasons = [
        {MODEL: r[MODEL], EXPLAINER: r[EXPLAINER] or None, EXPRESSION: r[EXPRESSION], "reason": r["reason"]}
        for r in left.to_dict("records")
    ]
    return {
        "cells": len(scored),
        "models": int(scored[MODEL].nunique()),
        "masks": int(masks),
        **{name: mean(name) for name in COLUMNS if name not in ("rank_of_own_mask",)},
        "mean_rank_of_own_mask": mean("rank_of_own_mask"),
        "chance_iou_face": mean("chance_iou_face"),
        "own_mask_first": int((scored["rank_of_own_mask"] == 1).sum()) if own else None,
        "own_mask_first_expected_by_chance": float(len(scored) / masks) if own else None,
        "nulls": {name: _null(scored, table, name) for name in _nulls(table)},
        "labels": _labels(table),
        "verdicts": _rungs(scored),
        "iou_by_model": by_model,
        "iou_by_expression": {str(e): number(float(g["iou"].mean())) for e, g in frame.groupby(EXPRESSION, sort=False)},
        **{key: table.attrs.get(key) for key in ("frame", "domain", "threshold", "masks_name") if key in table.attrs},
        "mask_set": table.attrs.get("masks"),
        "not_scored": reasons,
        "reasons": json.loads(table.attrs.get("reasons", "{}")),
        "caution": caution(scored, masks, table),
    }


def caution(scored: pd.DataFrame, masks: int, table: xr.Dataset) -> str:
    """How the numbers may be read, in words: what they beat and what they do not, then the standing caution."""
    if not len(scored):
        return "No map could be scored."
    iou, chance = scored["iou"].mean(), scored["chance_iou"].mean()
    parts = [f"Mean IoU {iou:.3f} against {chance:.3f} by chance"]
    face = scored["chance_iou_face"].mean()
    if np.isfinite(face) and abs(face - chance) > 5e-4:
        parts.append(f"{face:.3f} by chance inside the face")
    own = _has_own_masks(table)
    for column, words in (
        *((("other_masks_iou", "with the other expressions' masks"),) if own else ()),
        ("centre_iou", "for a content-free centred blob"),
        ("centre_iou_equal_area", "for that blob at each map's own area"),
    ):
        value = scored[column].mean()
        if np.isfinite(value):
            parts.append(f"{value:.3f} {words}")
    if own:
        first = int((scored["rank_of_own_mask"] == 1).sum())
        parts.append(f"own mask first in {first} of {len(scored)} ({_count(len(scored) / masks)} expected by chance)")
    else:
        parts.append(f"each map against each of {masks} masks, none of which is its own")
    return ". ".join(["; ".join(parts), *_tests(scored, table)]) + ". " + str(table.attrs.get("caution", ""))


def _nulls(table: xr.Dataset) -> dict[str, Any]:
    """Null models of the table: name → what its attrs say of it."""
    return dict(json.loads(str(table.attrs.get("nulls", "{}"))))


def _null(scored: pd.DataFrame, table: xr.Dataset, name: str) -> dict[str, Any]:
    """What a null model says of the table's IoU: its mean and 95th percentile, and how many cells are below .05."""
    p, about = scored[f"p_{name}_iou"], _nulls(table)[name]
    return {
        "mean": number(float(scored[f"{name}_iou"].mean())),
        "percentile_95": number(float(scored[f"{name}_95_iou"].mean())),
        "smallest_p": number(float(p.min())),
        "tested": int(p.notna().sum()),
        "below_05": int((p <= ALPHA).sum()),
        "below_05_bh": int((scored[f"bh_{name}_iou"] <= ALPHA).sum()),
        "below_05_by": int((scored[f"by_{name}_iou"] <= ALPHA).sum()),
        **about,
    }


def _labels(table: xr.Dataset) -> list[dict[str, Any]]:
    """The permutation of labels, one row an explainer; empty where there was none."""
    if "p_labels_iou" not in table:
        return []
    named = {"mean": "labels_iou", "p": "p_labels_iou", "resolution": "resolution_labels_iou"}
    columns = {name: table[column].values for name, column in named.items() if column in table}
    return [
        {EXPLAINER: str(x) or None, **{name: number(float(values[i])) for name, values in columns.items()}}
        for i, x in enumerate(table[EXPLAINER].values)
    ]


def _rungs(scored: pd.DataFrame) -> dict[str, int]:
    """How many cells stand on each step of the verdicts' ladder, those with none left out."""
    counts = {rung: int(scored["verdict"].str.startswith(words).sum()) for rung, words in RUNGS.items()}
    return {rung: count for rung, count in counts.items() if count}


def _tests(scored: pd.DataFrame, table: xr.Dataset) -> list[str]:
    said = []
    for name in _nulls(table):
        found = _null(scored, table, name)
        if found["smallest_p"] is None:
            continue
        central = found.get("passes_central")
        said.append(
            f"By {NULL_WORDS.get(name, name)} the mean is {short(found['mean'])} and the 95th percentile "
            f"{short(found['percentile_95'])}: {found['below_05']} of {found['tested']} cells have p ≤ .05, "
            f"{found['below_05_bh']} after Benjamini–Hochberg, {found['below_05_by']} after Benjamini–Yekutieli"
            + (f" ({central:.0%} of unrelated central maps have p ≤ .05)" if central is not None else "")
            + (f"; {found['says']}" if found.get("says") else "")
        )
    for row in _labels(table):
        if row["p"] is not None:
            of = f" of {row[EXPLAINER]}" if row[EXPLAINER] else ""
            least = row.get("resolution") or 0.0
            said.append(
                f"Exchanging the expressions' labels{of} gives {row['mean']:.3f} on average, p {probability(row['p'])}"
                + (f", which cannot be below {probability(least)}" if least > ALPHA else "")
            )
    return said


def _count(expected: float) -> str:
    """An expected number: one decimal unless it is whole."""
    return f"{expected:.1f}".removesuffix(".0")


def _has_own_masks(table: xr.Dataset) -> bool:
    """Whether each map has one mask of its own, that of its expression."""
    return set(map(str, table["iou"].dims)) <= {MODEL, EXPLAINER, EXPRESSION}

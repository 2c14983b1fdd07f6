"""One table of scores as rows and a summary: what the command line prints and a report quotes."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import UsageError
from workbench.scores.table import MASK, all_masks
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
)


def tidy(table: xr.Dataset) -> pd.DataFrame:
    """One row a cell: model, explainer, expression (and the AU or region) as columns, then every variable."""
    return table.to_dataframe().reset_index()


def number(value: float) -> float | None:
    """A float that JSON can hold: None for NaN."""
    return None if math.isnan(value) else float(value)


def rows(table: xr.Dataset) -> list[dict[str, Any]]:
    """The cells as dictionaries with the keys of `workbench score --json`; NaN is None, explainer None where unnamed.

    Cells for which there never was a map are left out; cells whose map could not be scored are kept.
    """
    own = [str(d) for d in table["iou"].dims if d not in (MODEL, EXPLAINER, EXPRESSION)]
    found = []
    for record in tidy(table).to_dict("records"):
        if record["reason"] == "there is no map":
            continue
        row: dict[str, Any] = {
            MODEL: record[MODEL],
            EXPRESSION: record[EXPRESSION],
            EXPLAINER: record[EXPLAINER] or None,
        }
        row |= {dim: str(record[dim]) for dim in own}
        for name in COLUMNS:
            value = number(record.get(name, math.nan))
            row[name] = int(value) if name == "rank_of_own_mask" and value is not None else value
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
        parts.append(f"own mask first in {first} of {len(scored)} ({len(scored) / masks:.0f} expected by chance)")
    else:
        parts.append(f"each map against each of {masks} masks, none of which is its own")
    return "; ".join(parts) + ". " + str(table.attrs.get("caution", ""))


def _has_own_masks(table: xr.Dataset) -> bool:
    """Whether each map has one mask of its own, that of its expression."""
    return set(map(str, table["iou"].dims)) <= {MODEL, EXPLAINER, EXPRESSION}

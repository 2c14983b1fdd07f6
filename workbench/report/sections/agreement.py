"""What can be believed, and every score beside its controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from workbench import figures
from workbench.figures.theme import readable
from workbench.report import belief, nulls
from workbench.report.sources import Sources, counted, main_table
from workbench.report.svg import inline
from workbench.report.tables import SCORES, TITLES, score_table, unit_table, verdicts
from workbench.scores import all_masks
from workbench.scores.evaluation import COLUMNS_CORRECTED


def beliefs(s: Sources) -> list[belief.Sentence]:
    """What can be believed, in sentences."""
    faces, people = counted(s)
    main = main_table(s)
    comparisons = int(np.isfinite(main[1]["iou"].values).sum()) if main else 0
    if s.per_image:
        out = [belief.significance(faces, people, comparisons)]
    else:
        out = [
            belief.Sentence(
                "These heatmaps were aggregated elsewhere: without per-image maps no interval can be "
                "computed and no number on this page can be called significant.",
                "caution",
            )
        ]
    if main:
        out += belief.agreement(main[1], main[0], testable=out[0].weight != "caution")
        out += nulls.tests(main[1]) + belief.cells(main[1]) + belief.controls(main[1])
    if main:
        out += belief.others({name: t for name, t in s.analysis.tables.items() if name != main[0]})
    expressions = [str(e) for e in s.analysis.heat["expression"].values]
    return out + belief.unrecognised(s.answers, expressions)


def overview(s: Sources) -> dict[str, Any] | None:
    """The overview of the main mask set, None where there is none."""
    main = main_table(s)
    return None if main is None else _shares(s, *main)


def _shares(s: Sources, masks: str, table: xr.Dataset) -> dict[str, Any]:
    """The overview of one mask set: a row an explainer; how many of its maps are marked."""
    rows = [(str(e), belief.shares(table, str(e))) for e in table["explainer"].values]
    iou = table["iou"].transpose("model", "expression", "explainer")
    known = {(str(m), str(e)) for m in iou["model"].values for e in iou["expression"].values}
    marked = sum(int(np.isfinite(iou.sel(model=m, expression=e)).sum()) for m, e in s.marked & known)
    return {
        "masks": masks,
        "rows": rows,
        "count": all_masks(table).sizes["mask"],
        "cells": int(np.isfinite(iou.values).sum()),
        "marked": marked,
        "without_random": int(sum(row["without_random"] for _, row in rows)),
    }


def agreement(s: Sources) -> list[dict[str, Any]]:
    """Scores beside their controls, a part a mask set."""
    out = []
    for place, (name, table) in enumerate(s.analysis.tables.items()):
        rows = []
        for position, explainer in enumerate(table["explainer"].values.astype(str)):
            key = f"{place}-{position}"
            part = table.sel(explainer=[explainer])
            scored = np.isfinite(part["iou"].values).any()
            three = part["iou"].ndim == 3
            dots = figures.scores(part, explainer, unrecognised=s.marked) if scored and three else None
            matrix = figures.specificity(part, explainer) if scored else None
            rows.append(
                {
                    "explainer": explainer,
                    "dots": Markup(
                        inline(dots, f"scores-{key}", f"IoU of {readable(explainer)} beside its controls", least=0.85)
                    )
                    if dots is not None
                    else "",
                    "matrix": Markup(
                        inline(
                            matrix,
                            f"specificity-{key}",
                            f"Maps of {readable(explainer)} against every mask",
                            least=0.85,
                        )
                    )
                    if matrix is not None
                    else "",
                    "verdicts": verdicts(table, explainer) if scored and three else [],
                    "units": unit_table(table, explainer) if scored and not three else None,
                    "tables": [
                        (score, TITLES[score], score_table(table, explainer, score, s.marked))
                        for score in SCORES
                        if score in table and table[score].ndim == 3
                    ],
                }
            )
        mask_set = next((m for m in s.masks if m.name == name), None)
        overview = _shares(s, name, table) if table["iou"].ndim == 3 and place > 0 else None
        facts = mask_set.attrs if mask_set is not None else {}
        out.append(
            {
                "masks": name,
                "rows": rows,
                "overview": overview,
                "authority": ". ".join(str(facts[k]).rstrip(".") for k in ("authority", "caveat") if facts.get(k)),
                "notes": str(table.attrs.get("caution", "")).partition(COLUMNS_CORRECTED)[0].strip(),
                "dimension": mask_set.dimension if mask_set is not None else "expression",
            }
        )
    return out

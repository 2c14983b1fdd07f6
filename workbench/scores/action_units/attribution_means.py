"""Means of what lies in every action unit or area, per network, expression and group, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps.checks import OK
from workbench.scores.intervals import DRAWS
from workbench.scores.unit_means import mean, resampling
from workbench.statistics.bootstrap import ends

MEASURES: Final = {"mass": (0.0, 1.0), "density": (0.0, 1.0), "enrichment": (0.0, float("inf"))}
_FIXED: Final = ("area", "centre_mass", "centre_enrichment")


def attribution_table(
    rows: pd.DataFrame, per: str | Sequence[str] = ("expression",), *, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """The rows of `attributions` or `region_attributions` as means: one row a network, explainer, layer, cell, region.

    per: columns whose values make the cells, such as ("expression", "group_age"); () for all images together. Images
    that enter no expression are left out where `per` holds "expression". Means over images: `area`, `mass`, `density`,
    `enrichment` (and `value` of region_attributions), `low_` and `high_` before them: 95 % bootstrap interval over
    subjects (images where unknown), NaN where `reason` says why; `centre_mass` and `centre_enrichment` on the same
    images. `n`: images; `n_subjects` (NaN unknown); `n_blank`: images whose map is blank, left out. Nothing here is
    corrected for the number of cells. UnknownNameError for a column that is not there.
    """
    per = [per] if isinstance(per, str) else list(per)
    for name in per:
        if name not in rows.columns:
            raise UnknownNameError("column", name, [str(c) for c in rows.columns])
    if draws < 1:
        raise UsageError(f"draws is {draws}; an interval needs at least one")
    names = list(dict.fromkeys(rows["region"]))
    draw = resampling(rows, draws, seed)
    spans: dict[str, tuple[float, float]] = dict(MEASURES)
    if "value" in rows:
        spans["value"] = (-float("inf"), float("inf"))
    if "expression" in per:
        rows = rows[rows["expression"] != ""]
    found: list[dict[str, Any]] = []
    for key, part in rows.groupby(["model", "explainer", "layer", *per], sort=False):
        head: dict[str, Any] = dict(zip(("model", "explainer", "layer", *per), key, strict=True))
        head |= {name: part.iloc[0][name] for name in ("depth", "layers", "role", "overlap")}
        usable = part[part["status"] == OK]
        images = [str(name) for name in dict.fromkeys(usable["image"])]
        head |= {
            "n": len(images),
            "n_subjects": draw.subjects(images) if images else 0.0,
            "n_blank": part["image"].nunique() - len(images),
        }
        why = "; ".join(dict.fromkeys(filter(None, part["why"]))) or "every map is blank"
        reason = draw.shortfall(images) if images else f"no map: {why}"
        columns: dict[str, Any] = {}
        for name in (*spans, *_FIXED):
            wide = usable.pivot(index="image", columns="region", values=name).reindex(index=images, columns=names)
            values = wide.to_numpy(float)
            estimate = mean(values) if images else np.full(len(names), np.nan)
            columns[name] = estimate
            if name in spans:
                low = high = np.full(len(names), np.nan)
                if not reason:
                    drawn, rest = draw.drawn(images, values), draw.left_out(images, values)
                    made = ends(estimate, drawn, rest, draw.count(images), spans[name])
                    low, high = made.low, made.high
                columns |= {f"low_{name}": low, f"high_{name}": high}
        for k, region in enumerate(names):
            numbers = {name: float(row[k]) for name, row in columns.items()}
            found.append(head | {"region": region} | numbers | {"reason": reason})
    table = pd.DataFrame(found)
    table.attrs = {**rows.attrs, "per": per, "draws": draws, "seed": seed}
    return table

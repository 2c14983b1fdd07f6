"""What action units are worth, as means with intervals over subjects, corrected for the number of units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import UsageError
from workbench.faithfulness.cells import cells, named
from workbench.faithfulness.paired import flipped, unit_means
from workbench.faithfulness.table import INTERVAL_DRAWS, interval
from workbench.scores.unit_means import mean, resampling
from workbench.statistics.multiplicity import benjamini_hochberg, benjamini_yekutieli

_SHOWN: Final = ("worth", "control_worth", "above_control")


def au_occlusion_table(
    result: xr.Dataset, per: str | Sequence[str] = (), *, draws: int = INTERVAL_DRAWS, seed: int = 0
) -> pd.DataFrame:
    """What `au_occlusion` found as means over images: one row a network, action unit and cell of `per`.

    per: coordinates whose values make cells, such as "predicted" or "label". Columns: `worth`, `control_worth`,
    `above_control` on images where all three are known, `low_` and `high_` before each: 95 % bootstrap interval over
    subjects (images where unknown). `p`: two-sided sign-flip test of `above_control` over subjects, `p_resolution`:
    the smallest p that so many subjects can give, `q`: adjusted by Benjamini–Hochberg over all rows, `q_by`: by
    Benjamini–Yekutieli, valid under any dependence. `n` images, `n_subjects` (NaN unknown), `reason`: why there is no
    interval and no p ("n too small …") or no value.

    Raises UsageError for a Dataset that `au_occlusion` did not make, UnknownNameError for a coordinate it lacks.
    """
    if not isinstance(result, xr.Dataset) or "above_control" not in result:
        raise UsageError(f"a table is made of what au_occlusion(…) returns, not of {type(result).__name__}")
    per = named(result, per)
    people = pd.DataFrame({"image": result["image"].values.astype(str), "subject": result["subject"].values})
    draw = resampling(people, draws, seed)
    place = {name: k for k, name in enumerate(people["image"])}
    rows: list[dict[str, Any]] = []
    for head, where, images in cells(result, per, ("model",)):
        cell = result.sel(where).isel(image=images)
        for au in result["au"].values:
            one = cell.sel(au=au)
            wide = np.stack([one[name].values for name in _SHOWN], axis=1)
            known = np.isfinite(wide).all(1)
            names = one["image"].values.astype(str)[known].tolist()
            short = f"n too small: {draw.shortfall(names)}" if names and draw.shortfall(names) else ""
            why = "; ".join(dict.fromkeys(str(r) for r in one["reason"].values if r))
            row: dict[str, Any] = {}
            low = high = np.full(len(_SHOWN), np.nan)
            p = least = float("nan")
            estimate = mean(wide[known]) if names else low
            if names and not short:
                low, high = interval(draw, names, wide[known], estimate)
                units = draw.units.of[[place[name] for name in names]]
                p, least = flipped(unit_means(wide[known][:, 2:], units)[:, 0], seed)
            for k, name in enumerate(_SHOWN):
                row |= {name: estimate[k], f"low_{name}": low[k], f"high_{name}": high[k]}
            row |= {"p": p, "p_resolution": least, "n": len(names)}
            row |= {"n_subjects": draw.subjects(names) if names else 0.0, "reason": short or ("" if names else why)}
            rows.append(head | {"au": str(au)} | row)
    table = pd.DataFrame(rows)
    after = table.columns.tolist().index("p_resolution") + 1
    table.insert(after, "q", benjamini_hochberg(table["p"]))
    table.insert(after + 1, "q_by", benjamini_yekutieli(table["p"]))
    table.attrs = {**result.attrs, "per": per, "draws": draws, "tests": int(table["p"].notna().sum())}
    return table

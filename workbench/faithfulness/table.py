"""Faithfulness scores as means over images, with intervals over subjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import UsageError
from workbench.faithfulness.cells import cells, named
from workbench.faithfulness.registry import FAITHFULNESS, Floats
from workbench.scores.unit_means import Resampling, mean, resampling
from workbench.statistics.bootstrap import ends

INTERVAL_DRAWS: Final = 2000
_UNBOUNDED: Final = (-float("inf"), float("inf"))


def faithfulness_table(
    result: xr.Dataset, per: str | Sequence[str] = (), *, draws: int = INTERVAL_DRAWS, seed: int = 0
) -> pd.DataFrame:
    """What `faithfulness` found as means: one row a network, explainer, score and cell of `per`.

    per: coordinates whose values make cells, such as "predicted", "label" or "group_age"; none for all images.
    Columns: `mean` of the score over images, `best` (the ideal value), and for each reference r of random, centre,
    mean_map, edge: `r`, its mean on the same images, and `over_r`, the mean difference, *positive where the map is
    better*. `low_` and `high_` before `mean` and `over_r`: 95 % bootstrap interval over subjects (images where
    unknown). `p`: mean of p_<score> over images, `p_resolution`: its smallest value for one image; a mean of p is no
    p. `n` images, `n_subjects` (NaN where unknown). `reason`: why there is no interval ("n too small …") or no value.

    Raises UsageError for a Dataset that `faithfulness` did not make, UnknownNameError for a coordinate it lacks.
    """
    if not isinstance(result, xr.Dataset) or "scores" not in result.attrs:
        raise UsageError(f"a table is made of what faithfulness(…) returns, not of {type(result).__name__}")
    per = named(result, per)
    references = [str(name) for name in np.atleast_1d(result.attrs["references"]) if name]
    people = pd.DataFrame({"image": result["image"].values.astype(str), "subject": result["subject"].values})
    draw = resampling(people, draws, seed)
    rows: list[dict[str, Any]] = []
    for head, where, images in cells(result, per, ("model", "explainer")):
        for name in np.atleast_1d(result.attrs["scores"]).tolist():
            rows.append(head | {"score": name} | _row(result, name, references, where, images, draw))
    table = pd.DataFrame(rows)
    table.attrs = {**result.attrs, "per": per, "draws": draws}
    return table


def _row(
    result: xr.Dataset,
    name: str,
    references: Sequence[str],
    where: dict[str, Any],
    images: np.ndarray,
    draw: Resampling,
) -> dict[str, Any]:
    score = FAITHFULNESS[name].value

    def of(variable: str) -> np.ndarray:
        values = result[variable].sel({k: v for k, v in where.items() if k in result[variable].dims}).values
        return np.asarray(values, np.float64)[images]

    own = of(name)
    known = np.isfinite(own)
    names = result["image"].values.astype(str)[images][known].tolist()
    shown = {reference: of(f"{reference}_{name}")[known] for reference in references}
    wide = np.stack([own[known], *(score.sign * (own[known] - shown[r]) for r in references)], axis=1)
    estimate = mean(wide) if names else np.full(wide.shape[1], np.nan)
    low = high = np.full(wide.shape[1], np.nan)
    short = draw.shortfall(names) if names else ""
    if names and not short:
        span = _UNBOUNDED if result.attrs["space"] == "logit" else (score.low, score.high)
        low, high = interval(draw, names, wide, estimate)
        low[0], high[0] = max(low[0], span[0]), min(high[0], span[1])
    row: dict[str, Any] = {"mean": estimate[0], "low_mean": low[0], "high_mean": high[0], "best": score.best}
    for place, reference in enumerate(references, start=1):
        row |= {
            reference: float(mean(shown[reference])) if names else float("nan"),
            f"over_{reference}": estimate[place],
            f"low_over_{reference}": low[place],
            f"high_over_{reference}": high[place],
        }
    if references:
        row["p"] = float(mean(of(f"p_{name}")[known])) if names else float("nan")
        row["p_resolution"] = result.attrs["resolution"]
    reasons = result["reason"].sel(where).values[images][~known]
    reason = f"n too small: {short}" if short else "; ".join(dict.fromkeys(str(r) for r in reasons if r))
    subjects = draw.subjects(names) if names else 0.0
    return row | {"n": len(names), "n_subjects": subjects, "reason": reason}


def interval(draw: Resampling, images: Sequence[str], values: Floats, estimate: Floats) -> tuple[Floats, Floats]:
    """Ends of the 95 % intervals (C,) of means of values (N, C) over subjects, or images where they are unknown."""
    made = ends(estimate, draw.drawn(images, values), draw.left_out(images, values), draw.count(images))
    return made.low, made.high

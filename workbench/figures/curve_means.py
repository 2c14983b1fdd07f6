"""Means over images of faithfulness curves and of their references, with intervals: what is drawn of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.figures import notes
from workbench.scores.unit_means import Resampling, mean, resampling
from workbench.statistics.bootstrap import UNBOUNDED, ends

Floats = npt.NDArray[np.float64]

LEVELS: Final = ("centre", "edge")
MEAN_MAP: Final = "mean_map"


@dataclass(frozen=True)
class Mean:
    """Mean (K,) over `images` and the ends of its interval, NaN where there is none, which `short` explains."""

    value: Floats
    low: Floats
    high: Floats
    images: list[str]
    short: str


@dataclass
class Line:
    """One map or reference: its score and, where it is kept, its curve."""

    score: Mean
    curve: Mean | None


@dataclass
class Panel:
    """One network: lines of explainers, of the mean maps of their other images, of what all share.

    missing: why an explainer has no curve.
    """

    model: str
    own: dict[str, Line] = field(default_factory=dict)
    mean_map: dict[str, Line] = field(default_factory=dict)
    shared: dict[str, Line] = field(default_factory=dict)
    count: str = ""
    missing: dict[str, str] = field(default_factory=dict)


def check(result: xr.Dataset, score: str, explainers: str | Sequence[str] | None) -> list[str]:
    """The explainers to draw; UsageError or UnknownNameError for what cannot be drawn."""
    if not isinstance(result, xr.Dataset) or "scores" not in result.attrs or "reason" not in result:
        raise UsageError(f"curves are drawn of what faithfulness(…) returns, not of {type(result).__name__}")
    measured = [str(name) for name in np.atleast_1d(result.attrs["scores"])]
    with_curve = [name for name in measured if f"{name}_curve" in result]
    if score not in measured:
        raise UnknownNameError("score among those measured:", score, measured)
    if score not in with_curve:
        known = f"drawn can be {', '.join(with_curve)}" if with_curve else "measure deletion, insertion or road_morf"
        raise UsageError(f"the score {score!r} has no curve; {known}")
    for dimension in ("model", "explainer", "image"):
        if dimension not in result.dims:
            raise UsageError(f"the dimension {dimension!r} is gone; choose with a list, isel({dimension}=[0])")
    names = [str(name) for name in result["explainer"].values]
    asked = [explainers] if isinstance(explainers, str) else list(explainers if explainers is not None else names)
    for name in asked:
        if name not in names:
            raise UnknownNameError("explainer", name, names)
    if not asked:
        raise UsageError("no explainer was named; give one or more, or None for all")
    return list(dict.fromkeys(asked))


def panels(result: xr.Dataset, score: str, explainers: Sequence[str], draws: int, seed: int) -> list[Panel]:
    """The means of all networks; UsageError where no explainer has a curve."""
    result = result.sel(explainer=list(explainers))
    people = pd.DataFrame({"image": result["image"].values.astype(str), "subject": result["subject"].values})
    draw, span = resampling(people, draws, seed), _span(result, score)
    found = [_panel(result.sel(model=model), score, draw, span) for model in result["model"].values]
    if not any(one.own for one in found):
        why = next((reason for one in found for reason in one.missing.values() if reason), "")
        raise UsageError(f"there is no curve of {score!r} to draw" + (f": {why}" if why else ""))
    return found


def details(result: xr.Dataset, score: str) -> dict[str, Any]:
    """What the registry says of the score, as the measurement kept it."""
    return dict(json.loads(result.attrs.get("summary", "{}")).get(score, {}))


def _panel(result: xr.Dataset, score: str, draw: Resampling, span: tuple[float, float]) -> Panel:
    panel = Panel(str(result["model"].item()))
    for name in result["explainer"].values.astype(str):
        one = result.sel(explainer=name)
        own = _line(one, score, "", draw, span)
        if own is None or own.curve is None or not own.curve.images:
            panel.missing[name] = "; ".join(dict.fromkeys(str(r) for r in one["reason"].values if r))
            continue
        panel.own[name] = own
        beside = _line(one, score, f"{MEAN_MAP}_", draw, span)
        if beside is not None:
            panel.mean_map[name] = beside
    for key in ("random", *LEVELS):
        shared = _line(result, score, f"{key}_", draw, span)
        if shared is not None:
            panel.shared[key] = shared
    curves = [line.curve.images for line in panel.own.values() if line.curve is not None]
    panel.count = notes.counted(map(len, curves), map(draw.subjects, curves)) if curves else "no curve"
    return panel


def _line(result: xr.Dataset, score: str, prefix: str, draw: Resampling, span: tuple[float, float]) -> Line | None:
    if f"{prefix}{score}" not in result:
        return None
    own = _mean(result[f"{prefix}{score}"], draw, span)
    if not own.images:
        return None
    name = f"{prefix}{score}_curve"
    curve = _mean(result[name], draw, span) if name in result else None
    return Line(own, curve if curve is None or curve.images else None)


def _mean(values: xr.DataArray, draw: Resampling, span: tuple[float, float]) -> Mean:
    """Mean over the images that have all values; a reference that explainers share is taken where any has it."""
    if "explainer" in values.dims:
        values = values.mean("explainer")
    wide = values.transpose("image", ...).values.astype(np.float64).reshape(values.sizes["image"], -1)
    known = np.isfinite(wide).all(1)
    images = values["image"].values.astype(str)[known].tolist()
    nothing = np.full(wide.shape[1], np.nan)
    if not images:
        return Mean(nothing, nothing, nothing, images, "")
    shown = wide[known]
    value = mean(shown)
    if short := draw.shortfall(images):
        return Mean(value, nothing, nothing, images, short)
    made = ends(value, draw.drawn(images, shown), draw.left_out(images, shown), draw.count(images))
    return Mean(value, np.clip(made.low, *span), np.clip(made.high, *span), images, "")


def _span(result: xr.Dataset, score: str) -> tuple[float, float]:
    """The range of the score and of its curve's places: known of probabilities alone."""
    said = details(result, score)
    if result.attrs.get("space") != "probability" or not {"low", "high"} <= set(said):
        return UNBOUNDED
    return float(said["low"]), float(said["high"])

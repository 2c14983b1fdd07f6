"""How well two experts agree: what a map could reach against one of them if it were the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import FRAMES
from workbench.errors import FrameMismatchError, UsageError
from workbench.heatmaps import threshold
from workbench.heatmaps.arithmetic import grey
from workbench.masks import MaskSet, load_masks
from workbench.scores.block import Block
from workbench.scores.chance import chance_levels
from workbench.scores.registry import SCORES
from workbench.vocabulary import EXPRESSION

EXPERTS: Final[dict[str, dict[str, Any]]] = {
    "friesen-ekman": {},
    "belharbi-au-published": {"codebook": "martinez-2017", "soft": True},
}
"""The masks of the first paper, and the action-unit maps of the second (arXiv 2402.00281) by its own codebook."""

Pixels = npt.NDArray[np.bool_]


def ceiling(
    masks: MaskSet, second: MaskSet | None = None, scores: Sequence[str] = ("iou", "precision", "recall", "f1")
) -> xr.Dataset:
    """Scores of a second expert's masks, taken as maps, against `masks`, over (expression).

    second: masks of the same expressions on the same frame, binary or soft; None takes of `EXPERTS` the first that says
    something else than `masks`. Its foreground is Otsu's where it is soft, ≥ 0.5 where it is binary. For each score s
    `ceiling_s`, `chance_s` at the same areas, and `other_masks_s`, the mean over the other expressions' masks; all on
    the domain of `masks`. NaN where one of the two has no such expression, and throughout where there is no second
    expert; `attrs["reasons"]` is JSON {expression: why} ("" for all of them), `attrs["second"]` its name.

    A map that scores above this agrees with one expert better than the other expert does. It is a mark, not a bound.
    Raises FrameMismatchError where the two differ in frame or grid, UnknownNameError for an unknown score.
    """
    for given in (masks, *([] if second is None else [second])):
        if not isinstance(given, MaskSet):
            raise UsageError(f"masks are a MaskSet, not {type(given).__name__}; make it with load_masks(…)")
    chosen = {name: SCORES[name].value for name in dict.fromkeys([scores] if isinstance(scores, str) else scores)}
    names = masks.names
    columns = {
        f"{kind}_{name}": np.full(len(names), np.nan)
        for name in chosen
        for kind in ("ceiling", "chance", "other_masks")
    }
    reasons: dict[str, str] = {}
    if masks.dimension != EXPRESSION:
        if second is not None:
            raise UsageError(f"mask set {masks.name!r} has masks of {masks.dimension}s; a ceiling is of expressions")
        reasons[""] = f"{masks.name!r} has masks of {masks.dimension}s; a second expert is known for expressions only"
    elif second is None:
        second = other_expert(masks)
        if second is None:
            reasons[""] = f"no second expert drew masks on the frame {masks.frame!r} of this size"
    if second is not None and not reasons:
        _same_frame(masks, second)
        domain = np.asarray(masks.domain.values, dtype=bool)
        here = np.asarray(masks.maps.values)[:, domain] >= 0.5
        places = np.argwhere(domain) / domain.shape[0]
        for row, name in enumerate(names):
            if name not in second.names:
                reasons[name] = f"{second.name!r} has no mask for {name}"
                continue
            values, bright = _as_map(second, name, domain)
            if not bright.any() or not here[row].any():
                reasons[name] = f"the mask for {name} is empty in the domain"
                continue
            block = Block(values[None], bright[None], here, places)
            for s, score in chosen.items():
                found = block.of(score)[0]
                rest = np.delete(found, row)
                columns[f"ceiling_{s}"][row] = found[row]
                columns[f"chance_{s}"][row] = chance_levels(score, values, bright, here, places)[row]
                columns[f"other_masks_{s}"][row] = np.nanmean(rest) if np.isfinite(rest).any() else np.nan
    return xr.Dataset(
        {name: (masks.dimension, values) for name, values in columns.items()},
        {masks.dimension: names},
        {
            "masks": masks.name,
            "second": "" if second is None else second.name,
            "frame": masks.frame,
            "reasons": json.dumps(reasons),
        },
    )


def other_expert(masks: MaskSet) -> MaskSet | None:
    """The first of `EXPERTS` on the frame of the masks that draws the same expressions otherwise; None without one."""
    if masks.frame not in FRAMES or masks.dimension != EXPRESSION:
        return None
    for name in EXPERTS:
        found = _expert(name, masks.frame)
        shared = [e for e in masks.names if e in found.names]
        if found.maps.shape[1:] != masks.maps.shape[1:] or not shared:
            continue
        mine, theirs = (s.maps.sel({EXPRESSION: shared}).values for s in (masks, found))
        if masks.name.split(" by ")[0] != name and ((mine >= 0.5) != (theirs >= 0.5)).any():
            return found
    return None


@cache
def _expert(name: str, frame: str) -> MaskSet:
    return load_masks(name, frame=frame, **EXPERTS[name])


def _as_map(masks: MaskSet, name: str, domain: Pixels) -> tuple[npt.NDArray[np.float64], Pixels]:
    """Grey values and foreground of one mask, rows over the domain's pixels."""
    values = np.asarray(masks.maps.sel({masks.dimension: name}).values, dtype=np.float64)[domain]
    binary = bool(((values == 0) | (values == 1)).all())
    return grey(values).astype(np.float64), values >= 0.5 if binary else threshold(values, "otsu")


def _same_frame(masks: MaskSet, second: MaskSet) -> None:
    if second.dimension != masks.dimension:
        raise UsageError(f"mask set {second.name!r} has masks of {second.dimension}s, {masks.name!r} of expressions")
    grids = [f"{s.maps.shape[1]}×{s.maps.shape[2]}" for s in (masks, second)]
    if masks.frame != second.frame or grids[0] != grids[1]:
        raise FrameMismatchError(
            f"the masks {masks.name!r} are in frame {masks.frame!r} on {grids[0]} and {second.name!r} in "
            f"{second.frame!r} on {grids[1]}; load both on one frame"
        )

"""One map against every mask of a set, with the controls that need nothing but the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.heatmaps import grey, otsu, threshold
from workbench.heatmaps.checks import OK, status_of
from workbench.scores.centre import centre_blob
from workbench.scores.chance import chance_level
from workbench.scores.registry import Score

LEAST_COVERAGE: Final = 0.5  # of the domain; a map that covers less is not scored

Pixels = npt.NDArray[np.bool_]
Row = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """What every cell is scored on: `masks` (K, y, x), `domain` and perhaps `face` (y, x), all bool; the threshold."""

    masks: Pixels
    domain: Pixels
    face: Pixels | None
    rule: str | float
    scores: Mapping[str, Score]
    centre: dict[bytes, dict[str, Row]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """Scores of one map: rows over the K masks, NaN where undefined; `reason` says why there are none."""

    reason: str
    own: dict[str, Row]
    chance: dict[str, Row]
    centre: dict[str, Row]
    centre_equal_area: dict[str, Row]
    chance_face: Row
    area: float
    covered: float


def _against(ground: Ground, masks: Pixels, values: npt.NDArray[Any], foreground: Pixels) -> dict[str, Row]:
    grey_values = values.astype(np.float64)
    return {
        name: np.array([s.function(grey_values, foreground, m) for m in masks], dtype=np.float64)
        for name, s in ground.scores.items()
    }


def centre_scores(ground: Ground, counted: Pixels) -> dict[str, Row]:
    """The blob at its own Otsu threshold against every mask, on the counted pixels; kept, as most cells share it."""
    key = np.packbits(counted).tobytes()
    if key not in ground.centre:
        pixels = centre_blob((counted.shape[0], counted.shape[1]))[counted]
        ground.centre[key] = _against(ground, ground.masks[:, counted], pixels, pixels > otsu(pixels))
    return ground.centre[key]


def nothing(ground: Ground, reason: str, area: float = float("nan"), covered: float = 0.0) -> Cell:
    """A cell without scores, and why; the centre blob, which needs no map, is given all the same."""
    none = {name: np.full(len(ground.masks), np.nan) for name in ground.scores}
    return Cell(
        reason,
        none,
        none,
        centre_scores(ground, ground.domain),
        none,
        np.full(len(ground.masks), np.nan),
        area,
        covered,
    )


def measure(ground: Ground, values: npt.NDArray[np.floating[Any]]) -> Cell:
    """Score one map (y, x) on the domain pixels that it has data for."""
    counted = ground.domain & ~np.isnan(values)
    covered = float(counted.sum() / ground.domain.sum())
    state = status_of(values, ground.domain)
    if state != OK:
        return nothing(
            ground,
            {
                "constant": "the map is constant in the domain",
                "non-finite": "the map holds infinite values",
            }.get(state, "there is no map"),
            covered=covered,
        )
    if covered < LEAST_COVERAGE:
        return nothing(ground, f"the map has data for {covered:.0%} of the domain only", covered=covered)
    pixels = grey(values[counted])
    raw = np.asarray(values[counted], dtype=np.float64)
    foreground = pixels > otsu(pixels) if ground.rule == "otsu" else threshold(raw, ground.rule)
    masks = ground.masks[:, counted]
    area = float(foreground.mean())
    if area in (0.0, 1.0):
        return nothing(ground, f"the foreground is {'empty' if area == 0 else 'the whole domain'}", area, covered)
    blob = centre_blob((counted.shape[0], counted.shape[1]))[counted]
    grey_values = pixels.astype(np.float64)
    chance = {
        name: np.array([chance_level(s, grey_values, foreground, m) for m in masks])
        for name, s in ground.scores.items()
    }
    face = np.full(len(masks), np.nan)
    if ground.face is not None and "iou" in ground.scores:
        on_face = ground.face[counted]
        face = (
            np.array(
                [
                    chance_level(ground.scores["iou"], grey_values[on_face], foreground[on_face], m[on_face])
                    for m in masks
                ]
            )
            if on_face.any()
            else face
        )
    return Cell(
        "",
        _against(ground, masks, pixels, foreground),
        chance,
        centre_scores(ground, counted),
        _against(ground, masks, blob, threshold(blob, area)),
        face,
        area,
        covered,
    )

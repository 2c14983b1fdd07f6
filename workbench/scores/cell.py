"""One map against every mask of a set, with the controls that need nothing but the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.heatmaps import otsu, threshold
from workbench.heatmaps.arithmetic import eight_bit
from workbench.heatmaps.checks import OK, status_of
from workbench.scores.block import Block
from workbench.scores.centre import centre_blob
from workbench.scores.chance import chance_levels
from workbench.scores.registry import Score

LEAST_COVERAGE: Final = 0.5  # of the domain; a map that covers less is not scored

Pixels = npt.NDArray[np.bool_]
Row = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """What every cell is scored on, all bool: `masks` (K, y, x); `domain` (y, x), where scores, areas and chance are
    taken; `cut` (y, x), where the threshold is set, which holds the domain; `face` (y, x) or None; and the threshold.
    """

    masks: Pixels
    domain: Pixels
    cut: Pixels
    face: Pixels | None
    rule: str | float
    scores: Mapping[str, Score]
    centre: dict[bytes, dict[str, Row]] = field(default_factory=dict)

    def at(self, counted: Pixels) -> tuple[Pixels, Row]:
        """Masks (K, P) and places (P, 2), rows and columns in units of the grid's height, of these pixels (y, x)."""
        return self.masks[:, counted], np.argwhere(counted) / counted.shape[0]


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


def against(ground: Ground, counted: Pixels, values: npt.NDArray[Any], foreground: Pixels) -> dict[str, Row]:
    """Every score of one map, a row of the pixels `counted` (y, x), with every mask."""
    masks, places = ground.at(counted)
    block = Block(values[None].astype(np.float64), foreground[None], masks, places)
    return {name: block.of(score)[0] for name, score in ground.scores.items()}


def split(ground: Ground, row: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], Pixels]:
    """8-bit grey and foreground of a map's pixels in a row, those that the threshold is set on."""
    pixels = eight_bit(row)
    if ground.rule == "otsu":
        return pixels, pixels > otsu(pixels)
    return pixels, threshold(np.asarray(row, dtype=np.float64), ground.rule)


def centre_scores(ground: Ground, data: Pixels) -> dict[str, Row]:
    """The blob at its own Otsu threshold against every mask, where there are data; kept, as most cells share it."""
    key = np.packbits(data).tobytes()
    if key not in ground.centre:
        cut, counted = ground.cut & data, ground.domain & data
        pixels = centre_blob((data.shape[0], data.shape[1]))[cut]
        foreground = (pixels > otsu(pixels))[counted[cut]]
        ground.centre[key] = against(ground, counted, pixels[counted[cut]], foreground)
    return ground.centre[key]


def nothing(ground: Ground, reason: str, area: float = float("nan"), covered: float = 0.0) -> Cell:
    """A cell without scores, and why; the centre blob, which needs no map, is given all the same."""
    row = np.full(len(ground.masks), np.nan)
    none = dict.fromkeys(ground.scores, row)
    centre = centre_scores(ground, np.ones_like(ground.domain))
    return Cell(reason, none, none, centre, none, row, area, covered)


def measure(ground: Ground, values: npt.NDArray[np.floating[Any]], *, controls: bool = True) -> Cell:
    """Score one map (y, x) on the domain pixels that it has data for; a map that is a control needs no `controls`."""
    data = ~np.isnan(values)
    cut, counted = ground.cut & data, ground.domain & data
    covered = float(counted.sum() / ground.domain.sum())
    state = status_of(values, ground.cut)
    if state != OK:
        says = {"constant": "the map is constant in the domain", "non-finite": "the map holds infinite values"}
        return nothing(ground, says.get(state, "there is no map"), covered=covered)
    if covered < LEAST_COVERAGE:
        return nothing(ground, f"the map has data for {covered:.0%} of the domain only", covered=covered)
    whole, above = split(ground, values[cut])
    inside = counted[cut]
    pixels, foreground = whole[inside].astype(np.float64), above[inside]
    masks, places = ground.at(counted)
    area = float(foreground.mean())
    if area in (0.0, 1.0):
        return nothing(ground, f"the foreground is {'empty' if area == 0 else 'the whole domain'}", area, covered)
    own, centre = against(ground, counted, pixels, foreground), centre_scores(ground, data)
    row = np.full(len(masks), np.nan)
    if not controls:
        none = dict.fromkeys(ground.scores, row)
        return Cell("", own, none, centre, none, row, area, covered)
    chance = {name: chance_levels(s, pixels, foreground, masks, places) for name, s in ground.scores.items()}
    blob = centre_blob((values.shape[0], values.shape[1]))[cut]
    equal = against(ground, counted, blob[inside], threshold(blob, float(above.mean()))[inside])
    face = _chance_face(ground, pixels, foreground, masks, counted)
    return Cell("", own, chance, centre, equal, face, area, covered)


def _chance_face(ground: Ground, values: Row, foreground: Pixels, masks: Pixels, counted: Pixels) -> Row:
    on_face = None if ground.face is None else ground.face[counted]
    if on_face is None or not on_face.any():
        return np.full(len(masks), np.nan)
    return chance_levels(ground.scores["iou"], values[on_face], foreground[on_face], masks[:, on_face])

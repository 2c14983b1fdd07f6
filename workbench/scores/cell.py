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
from workbench.scores.undefined import why_undefined

LEAST_COVERAGE: Final = 0.5  # of the domain; a map that covers less is not scored

Pixels = npt.NDArray[np.bool_]
Row = npt.NDArray[np.float64]
Rows = dict[str, Row]


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
    centre: dict[bytes, Rows] = field(default_factory=dict)

    def at(self, counted: Pixels) -> tuple[Pixels, Row]:
        """Masks (K, P) and places (P, 2), rows and columns in units of the grid's height, of these pixels (y, x)."""
        return self.masks[:, counted], np.argwhere(counted) / counted.shape[0]

    @property
    def nothing(self) -> Rows:
        """A row of NaN for every score."""
        return dict.fromkeys(self.scores, np.full(len(self.masks), np.nan))


@dataclass(frozen=True)
class Seen:
    """One map as it is scored, or the `reason` why it is not.

    cut, counted (y, x): pixels that the threshold is set on and that are scored, of those with data. grey, foreground:
    rows over the pixels of `cut`. area: foreground as a share of the counted pixels; covered: these as a share of the
    domain.
    """

    cut: Pixels
    counted: Pixels
    grey: npt.NDArray[np.uint8]
    foreground: Pixels
    area: float
    covered: float
    reason: str = ""

    @property
    def rows(self) -> tuple[Row, Pixels]:
        """Grey values (float64) and foreground of the counted pixels."""
        inside = self.counted[self.cut]
        return self.grey[inside].astype(np.float64), self.foreground[inside]


@dataclass(frozen=True)
class Cell:
    """Scores of one map: rows over the K masks, NaN where undefined; `reason` says why there are none.

    why: score and mask → why this one score is NaN.
    """

    reason: str
    own: Rows
    chance: Rows
    uniform: Rows
    centre: Rows
    centre_equal_area: Rows
    chance_face: Row
    area: float
    covered: float
    why: Mapping[tuple[str, int], str] = field(default_factory=dict)


def see(ground: Ground, values: npt.NDArray[np.floating[Any]]) -> Seen:
    """Grey levels and foreground of one map (y, x) on the pixels that it has data for."""
    data = ~np.isnan(values)
    cut, counted = ground.cut & data, ground.domain & data
    covered = float(counted.sum() / ground.domain.sum())
    if why := unusable(values, ground.cut, covered):
        return Seen(cut, counted, np.zeros(0, np.uint8), np.zeros(0, bool), float("nan"), covered, why)
    grey, foreground = split(ground, values[cut])
    area = float(foreground[counted[cut]].mean())
    empty = {0.0: "the foreground is empty", 1.0: "the foreground is the whole domain"}
    return Seen(cut, counted, grey, foreground, area, covered, empty.get(area, ""))


def unusable(values: npt.NDArray[np.floating[Any]], cut: Pixels, covered: float) -> str:
    """Why a map (y, x) is not scored, "" where it is: what its values in `cut` (y, x) are, or the share of the domain
    that it has data for."""
    state = status_of(values, cut)
    if state != OK:
        says = {"constant": "the map is constant in the domain", "non-finite": "the map holds infinite values"}
        return says.get(state, "there is no map")
    return f"the map has data for {covered:.0%} of the domain only" if covered < LEAST_COVERAGE else ""


def measure(ground: Ground, values: npt.NDArray[np.floating[Any]], *, controls: bool = True) -> Cell:
    """Score one map (y, x) on the domain pixels that it has data for; a map that is a control needs no `controls`."""
    seen = see(ground, values)
    if seen.reason:
        return nothing(ground, seen.reason, seen.area, seen.covered)
    pixels, foreground = seen.rows
    own, centre = against(ground, seen.counted, pixels, foreground), centre_scores(ground, ~np.isnan(values))
    if not controls:
        none = ground.nothing
        return Cell("", own, none, none, centre, none, none["iou"], seen.area, seen.covered)
    masks, places = ground.at(seen.counted)
    chance = {name: chance_levels(s, pixels, foreground, masks, places) for name, s in ground.scores.items()}
    inside = seen.counted[seen.cut]
    blob = centre_blob((values.shape[0], values.shape[1]))[seen.cut]
    equal = against(ground, seen.counted, blob[inside], threshold(blob, float(seen.foreground.mean()))[inside])
    face = _chance_face(ground, pixels, foreground, masks, seen.counted)
    why = {
        (name, k): why_undefined(ground.scores[name], pixels, foreground, masks[k])
        for name, row in own.items()
        for k in np.flatnonzero(np.isnan(row)).tolist()
    }
    return Cell("", own, chance, _uniform(ground, masks, places), centre, equal, face, seen.area, seen.covered, why)


def nothing(ground: Ground, reason: str, area: float = float("nan"), covered: float = 0.0) -> Cell:
    """A cell without scores, and why; the centre blob, which needs no map, is given all the same."""
    none = ground.nothing
    centre = centre_scores(ground, np.ones_like(ground.domain))
    return Cell(reason, none, none, none, centre, none, none["iou"], area, covered)


def against(ground: Ground, counted: Pixels, values: npt.NDArray[Any], foreground: Pixels) -> Rows:
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


def centre_scores(ground: Ground, data: Pixels) -> Rows:
    """The blob at its own Otsu threshold against every mask, where there are data; kept, as most cells share it."""
    key = np.packbits(data).tobytes()
    if key not in ground.centre:
        cut, counted = ground.cut & data, ground.domain & data
        pixels = centre_blob((data.shape[0], data.shape[1]))[cut]
        foreground = (pixels > otsu(pixels))[counted[cut]]
        ground.centre[key] = against(ground, counted, pixels[counted[cut]], foreground)
    return ground.centre[key]


def _uniform(ground: Ground, masks: Pixels, places: Row) -> Rows:
    """A map that is the same everywhere, all of it foreground; NaN for what ranks or correlates values."""
    whole = np.ones((1, masks.shape[1]), bool)
    block, found = Block(whole.astype(np.float64), whole, masks), ground.nothing
    for name, score in ground.scores.items():
        if score.even is not None:
            found[name] = np.array([score.even(mask, places) for mask in masks], dtype=np.float64)
        elif score.takes == "foreground":
            found[name] = block.of(score)[0]
    return found


def _chance_face(ground: Ground, values: Row, foreground: Pixels, masks: Pixels, counted: Pixels) -> Row:
    on_face = None if ground.face is None else ground.face[counted]
    if on_face is None or not on_face.any():
        return np.full(len(masks), np.nan)
    return chance_levels(ground.scores["iou"], values[on_face], foreground[on_face], masks[:, on_face])

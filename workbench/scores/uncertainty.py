"""What the bootstrap says of one cell: intervals of its scores, and of what they have over the controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.scores.cell import Cell, Row
from workbench.scores.intervals import Resampled
from workbench.scores.registry import Score
from workbench.statistics.bootstrap import Ends, ends, p_above


@dataclass(frozen=True)
class Excess:
    """A score minus a control's, in the score's own direction (positive is better): rows over masks.

    ends: its 95 % interval; p: one-sided, of the hypothesis that there is no excess.
    """

    value: Row
    ends: Ends
    p: Row


@dataclass(frozen=True)
class Bounds:
    """By score: the score's interval, and its excess over the other masks' mean and over the blob of the same area."""

    own: Mapping[str, Ends]
    others: Mapping[str, Excess]
    blob: Mapping[str, Excess]


def bounds(cell: Cell, found: Resampled, scores: Mapping[str, Score]) -> Bounds:
    """Intervals of one cell from its draws; rows over all K masks."""
    own, others, blob, units = {}, {}, {}, found.units
    for name, score in scores.items():
        drawn, left = found.drawn[name], found.left_out[name]
        own[name] = ends(cell.own[name], drawn, left, units, (score.low, score.high))
        others[name] = _excess(score, over_others(cell.own[name]), over_others(drawn), over_others(left), units)
        over = cell.own[name] - cell.centre_equal_area[name]
        blob[name] = _excess(score, over, drawn - found.blob[name], left - found.left_out_blob[name], units)
    return Bounds(own, others, blob)


def over_others(rows: Row) -> Row:
    """Each score (…, K) minus the mean of the other masks' scores; NaN where there is no other."""
    known = np.isfinite(rows)
    total = np.where(known, rows, 0).sum(axis=-1, keepdims=True)
    count = known.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = (total - rows) / (count - 1)
        return np.asarray(np.where(known & (count > 1), rows - rest, np.nan), dtype=np.float64)


def _excess(score: Score, value: Row, drawn: Row, left: Row, units: int) -> Excess:
    span = score.high - score.low
    value, drawn, left = (score.sign * part for part in (value, drawn, left))
    return Excess(value, ends(value, drawn, left, units, (-span, span)), p_above(value, drawn, units, left_out=left))

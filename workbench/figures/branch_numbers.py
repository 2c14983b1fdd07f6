"""Numbers at the branches of a tree: which one a tree has to show, what it is called, and where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from workbench.comparison import Tree
from workbench.figures import theme

CHARACTER: Final = 0.063  # inches, of bold digits in the size used here
HEIGHT: Final = 0.098
GAP: Final = 0.03

Segment = tuple[float, float, float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Numbers:
    """texts: one for each merge, "" for none. note: what they are. colour: blue for support, orange for what is not."""

    texts: tuple[str, ...]
    note: str
    colour: str


def numbers_of(tree: Tree) -> Numbers:
    """What a tree has to show, the best first: multiscale bootstrap, bootstrap, folds, agreement, nothing."""
    units = f"{tree.units} {tree.unit}s" if tree.units else "units unknown"
    if tree.multiscale is not None:
        found = tuple("" if m is None else _text(m.p) for m in tree.multiscale)
        said = "near 1 where the data hold it"
        note = f"blue: p of the branch, {said}, by multiscale bootstrap, approximately unbiased; {units} redrawn"
        return Numbers(found, note, theme.OWN)
    if tree.support is not None:
        trees = f"{tree.draws} trees" if tree.draws else "trees"
        note = f"blue: share of {trees} of redrawn {tree.unit or 'face'}s with the branch; {units}"
        short = f". No multiscale bootstrap: {tree.multiscale_reason}" if tree.multiscale_reason else ""
        return Numbers(tuple(map(_text, tree.support)), note + short, theme.OWN)
    why = f"support unavailable: {tree.reason or 'not computed'}"
    if tree.folds is not None:
        count = len(tree.folds.folds)
        found = (*(f"{kept}/{count}" for kept in tree.folds.kept[:-1]), "")
        return Numbers(found, f"{why}; orange: folds whose removal keeps the branch, of {count}", theme.OTHER)
    if tree.agreement is not None:
        why = "support unavailable: one map a network" if tree.reason == "no per-image maps" else why
        ways = len(tree.agreement.combinations)
        note = f"{why}; orange: share of {ways} distance × linkage combinations with the branch"
        return Numbers(tuple(map(_text, tree.agreement.share)), note, theme.OTHER)
    return Numbers(("",) * len(tree.linkage), why, theme.INK)


def _text(share: float) -> str:
    return theme.number(float(share)) if np.isfinite(share) else ""


def placed(
    texts: Sequence[str], nodes: Sequence[tuple[float, float]], segments: Sequence[Segment], right: float
) -> list[tuple[float, float] | None]:
    """Where each text goes (its lower left corner) so that it crosses no line and no other text, as far as possible.

    Inches, y upwards. nodes: the point of each merge; segments: (x, y, x, y) of all lines; right: where the axes end.
    Nearest to the node first: left of it, above or below the line that leaves it, then further off.
    """
    found: list[tuple[float, float] | None] = [None] * len(texts)
    taken: list[Box] = []
    for k in sorted(range(len(texts)), key=lambda k: -nodes[k][0]):
        if not texts[k]:
            continue
        width = CHARACTER * len(texts[k])
        x, y = nodes[k]
        corners = [(x - GAP - width, y - HEIGHT / 2)]
        for rise in (0.015, -0.015 - HEIGHT):
            corners += [(x + GAP + push, y + rise) for push in (0.0, 0.08)]
        for rise in (0.055, -0.055 - HEIGHT):
            corners += [(x - GAP - width, y + rise), (x + GAP, y + rise)]
        corners += [(x - GAP - width - push, y - HEIGHT / 2) for push in (0.1, 0.2)]
        corners += [(x + GAP, y - HEIGHT / 2)]
        boxes = [(left, low, left + width, low + HEIGHT) for left, low in corners]
        costs = [_cost(box, segments, taken, right) + 0.01 * rank for rank, box in enumerate(boxes)]
        best = boxes[int(np.argmin(costs))]
        taken.append(best)
        found[k] = best[:2]
    return found


def _cost(box: Box, segments: Sequence[Segment], taken: Sequence[Box], right: float) -> float:
    left, low, end, high = box
    crossed = sum(
        max(left, min(x0, x1) - 0.01) < min(end, max(x0, x1) + 0.01)
        and max(low, min(y0, y1) - 0.008) < min(high, max(y0, y1) + 0.008)
        for x0, y0, x1, y1 in segments
    )
    hidden = sum(max(left, b[0] - 0.015) < min(end, b[2] + 0.015) and max(low, b[1]) < min(high, b[3]) for b in taken)
    return crossed + 4 * hidden + 3 * (left < 0.01) + 2 * (end > right)

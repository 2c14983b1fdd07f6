"""What may be said of one cell, in words; says nothing that the number of faces does not carry."""

from __future__ import annotations

import math
from typing import Final

LEVEL: Final = 0.95


def verdict(
    *,
    value: float,
    chance: float,
    centre: float,
    other: float,
    rank: float,
    masks: int,
    low: float,
    high: float,
    interval_reason: str,
    who: str,
    own: bool = True,
) -> str:
    """One sentence for one cell's IoU beside its controls.

    The ladder of a scored cell: too few faces or no maps of single faces to test anything (`interval_reason`,
    with `who` = "n = 3 images, 1 subject"), then description only; else what the interval low … high says against
    chance and the centre blob. `centre` is the better of the blob at its own size and at the map's, so that nothing is
    called above it that one of them reaches. `own` is false where the mask is one of a set of action units or regions,
    none of which is the map's own. Null models and corrections for many cells are not part of it.
    """
    beside = _beside(value, chance, centre, other, rank, masks, own)
    if math.isnan(low):
        if interval_reason.startswith("no per-image maps"):
            return f"one map without replicates, so nothing can be tested; described: {beside}"
        if interval_reason == "intervals=False":
            return f"no interval was asked for, so nothing is tested; described: {beside}"
        if not interval_reason:
            return f"no interval, as most draws give no score ({who}); described: {beside}"
        return f"n too small to say ({who}); described: {beside}"
    interval = f"{LEVEL:.0%} interval {_number(low)} to {_number(high)}, {who}"
    if math.isnan(chance) or low <= chance <= high:
        return f"not distinguishable from chance ({_number(chance)}; {interval})"
    if high < chance:
        return f"below chance ({_number(chance)}; {interval})"
    if not math.isnan(centre) and low <= centre:
        word = "below" if high < centre else "not above"
        return (
            f"above chance ({_number(chance)}) but {word} the content-free centre blob ({_number(centre)}; {interval})"
        )
    if not own:
        return (
            f"above chance and centre blob, rank {rank:.0f} of {masks} masks ({interval}); uncorrected for their number"
        )
    if rank > 1:
        return (
            f"above chance and centre blob ({interval}), but the own mask ranks {rank:.0f} of {masks}: "
            "the overlap is not specific to this expression"
        )
    return f"above chance and centre blob, own mask first ({interval}); uncorrected for the number of cells"


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}".replace("0.", ".", 1)


def _beside(value: float, chance: float, centre: float, other: float, rank: float, masks: int, own: bool) -> str:
    parts = [f"IoU {_number(value)}"]
    for name, control in (("chance", chance), ("centre blob", centre), ("other masks", other)):
        if not math.isnan(control):
            word = "above" if value > control else "below" if value < control else "equal to"
            parts.append(f"{word} {name} {_number(control)}")
    if not math.isnan(rank):
        parts.append(f"{'own mask' if own else 'rank'} {rank:.0f} of {masks}")
    return ", ".join(parts)

"""What may be said of one cell, in words: a ladder whose every step names its test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from workbench.statistics.multiplicity import ALPHA

NULL_WORDS: Final = {"toroidal": "toroidal shifts", "field": "random fields"}
FEW: Final = "n too small to call anything significant"
UNTESTED: Final = "chance was not tested"
CHANCE: Final = "not distinguishable from chance"
ABOVE: Final = "above chance"
NO_BETTER: Final = "above chance, no better than a blob of the same area"
NOT_SPECIFIC: Final = "better than a blob, not specific to this expression"
SPECIFIC: Final = "better than a blob and specific"
BETTER: Final = "better than a blob of the same area"  # where no mask is the map's own
MOST_UNDEFINED: Final = "most draws of faces have no score"
RUNGS: Final = {  # name of a step → how its verdict begins
    "too few": FEW,
    "not tested": UNTESTED,
    "chance": CHANCE,
    "above chance, rest not testable": f"{ABOVE} (",
    "no better than a blob": NO_BETTER,
    "better than a blob, no own mask": BETTER,
    "not specific": NOT_SPECIFIC,
    "specific": SPECIFIC,
}


@dataclass(frozen=True)
class Step:
    """An excess over a control (positive is better), its 95 % interval, and its p corrected over the table's cells."""

    value: float
    low: float
    high: float
    p: float

    @property
    def known(self) -> bool:
        """Whether there is a test at all: no interval and no p where most draws have no score."""
        return math.isfinite(self.p)

    @property
    def shown(self) -> bool:
        """Whether the excess is above 0 by its interval and by its corrected p."""
        return self.low > 0 and self.p <= ALPHA

    def __str__(self) -> str:
        return (
            f"difference {number(self.value)}, 95% interval {number(self.low)} to {number(self.high)}, "
            f"corrected p {probability(self.p)}"
        )


@dataclass(frozen=True)
class Evidence:
    """What is known of one cell's IoU.

    nulls: null model → (p, p corrected); passes: null model → share of unrelated central maps that it lets pass at .05.
    rank of `masks`, those that the map has a score with. tests: cells that p was corrected over. over_blob,
    over_others: None where not testable, and `untestable` says why.
    too_few: why nothing may be called significant, "" where it may. own: false where no mask is the map's own.
    """

    value: float
    chance: float
    blob: float
    other: float
    rank: float
    masks: int
    nulls: Mapping[str, tuple[float, float]]
    tests: int
    passes: Mapping[str, float] = field(default_factory=dict)
    over_blob: Step | None = None
    over_others: Step | None = None
    untestable: str = ""
    too_few: str = ""
    own: bool = True


def verdict(e: Evidence) -> str:
    """One sentence for one cell.

    The ladder: every null model that was asked for and could test must reject, corrected over all cells of the table,
    before a map is above chance; then its excess over a centred blob of its own area must be above 0, by interval and
    corrected p; then that over the other masks' mean, with the own mask first. Without maps of single faces the last
    two steps cannot be tested; with too few faces nothing can.
    """
    if e.too_few:
        return f"{FEW} ({e.too_few}); described: {_described(e)}"
    known = {name: p for name, p in e.nulls.items() if math.isfinite(p[1])}
    if not known:
        return f"{UNTESTED}; described: {_described(e)}"
    by = "; ".join(_test(name, p) for name, p in e.nulls.items())
    tests = f"{by}; {e.tests} test{'s' if e.tests != 1 else ''}"
    if not all(corrected <= ALPHA for _, corrected in known.values()):
        return f"{CHANCE} (IoU {number(e.value)}, chance {number(e.chance)}; {tests})"
    tests += _passing(e, known)
    if e.over_blob is None or not e.over_blob.known:
        rest = "better than a blob of the same area" + (" and specific" if e.own else "")
        return f"{ABOVE} ({tests}); {rest}: not testable ({e.untestable or MOST_UNDEFINED}); described: {_described(e)}"
    if not e.over_blob.shown:
        return f"{NO_BETTER} ({e.over_blob}; chance by {tests})"
    if not e.own:
        return f"{BETTER} ({e.over_blob}; chance by {tests}); rank {e.rank:.0f} of {e.masks} masks"
    if e.over_others is None or not e.over_others.known:
        why = "no other mask has a score" if e.masks < 2 else MOST_UNDEFINED
        return f"{BETTER} ({e.over_blob}; chance by {tests}); specific: not testable ({why})"
    specific = e.over_others.shown and e.rank == 1
    words = f"own mask against the others: {e.over_others}, rank {e.rank:.0f} of {e.masks}"
    return f"{SPECIFIC if specific else NOT_SPECIFIC} ({words}; blob: {e.over_blob}; chance by {tests})"


def number(value: float) -> str:
    """Two decimals without a leading zero; "undefined" for NaN."""
    if math.isnan(value):
        return "undefined"
    size = f"{abs(value):.2f}"
    return ("−" if value < 0 and float(size) else "") + size.removeprefix("0" if size.startswith("0.") else "")


def probability(p: float) -> str:
    """Two significant figures without a leading zero; below .001 "< .001"."""
    if math.isnan(p):
        return "undefined"
    if p < 0.001:
        return "< .001"
    return (f"{p:.3f}" if p < 0.1 else f"{p:.2f}").removeprefix("0")


def _test(name: str, p: tuple[float, float]) -> str:
    words = NULL_WORDS.get(name, name)
    if not math.isfinite(p[1]):
        return f"{words} not testable"
    return f"{words} p {probability(p[0])}, corrected {probability(p[1])}"


def _passing(e: Evidence, known: Mapping[str, tuple[float, float]]) -> str:
    said = [f"{NULL_WORDS.get(n, n)} {e.passes[n]:.0%}" for n in known if math.isfinite(e.passes.get(n, math.nan))]
    return f"; unrelated central maps and masks pass, uncorrected: {', '.join(said)}" if said else ""


def _described(e: Evidence) -> str:
    parts = [f"IoU {number(e.value)}"]
    for name, control in (("chance", e.chance), ("a blob of the same area", e.blob), ("other masks", e.other)):
        if not math.isnan(control):
            word = "above" if e.value > control else "below" if e.value < control else "equal to"
            parts.append(f"{word} {name} {number(control)}")
    if not math.isnan(e.rank):
        parts.append(f"{'own mask' if e.own else 'rank'} {e.rank:.0f} of {e.masks}")
    return ", ".join(parts)

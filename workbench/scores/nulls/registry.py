"""What a null model of a map is, and the registry that a newcomer adds one to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from workbench.errors import UsageError
from workbench.registry import Registry
from workbench.scores.registry import Floats, Pixels, Score
from workbench.statistics.permutation import p_value, upper

HOMES: Final = tuple(f"workbench.scores.nulls.{name}" for name in ("toroidal", "fields"))


@dataclass(frozen=True)
class Scored:
    """One map as it was scored.

    values: (y, x) float64, 8-bit grey; NaN where there are no data or outside the region that the threshold is set on.
    foreground: (y, x) bool, False there; counted: (y, x) bool, the pixels that scores are taken on; masks: (K, y, x)
    bool. scores: by name; observed: (K,) by name, as `evaluate` found them.
    """

    values: Floats
    foreground: Pixels
    counted: Pixels
    masks: Pixels
    scores: Mapping[str, Score]
    observed: Mapping[str, Floats]


@dataclass(frozen=True)
class NullResult:
    """What a null says of each score and mask: rows (K,) by score name, NaN where this null cannot test.

    p: share of the null at least as good as what was observed; mean: of the null; upper: its 95th percentile in the
    better direction (the 5th where less is better). draws: arrangements behind each p; enumerated: they are all there
    are. reason: score → why it has no p.
    """

    p: Mapping[str, Floats]
    mean: Mapping[str, Floats]
    upper: Mapping[str, Floats]
    draws: int
    enumerated: bool
    reason: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, scored: Scored, drawn: Mapping[str, Floats], *, enumerated: bool) -> NullResult:
        """From the scores of every draw or arrangement, (draws, K) by score name, as many of each.

        enumerated: they are all there are, what was observed among them. A score that `drawn` lacks has no p.
        """
        none = np.full(len(scored.masks), np.nan)
        p, mean, high = (dict.fromkeys(scored.scores, none) for _ in range(3))
        for name, rows in drawn.items():
            seen, sign = scored.observed[name], scored.scores[name].sign
            known = np.isfinite(rows)
            with np.errstate(invalid="ignore"):
                mean[name] = np.where(known, rows, 0).sum(axis=0) / known.sum(axis=0)
            p[name] = p_value(seen, rows, enumerated=enumerated, sign=sign)
            high[name] = upper(rows, sign=sign)
        draws = {len(rows) for rows in drawn.values()}
        if len(draws) > 1:
            raise UsageError(f"the scores of a null have {sorted(draws)} draws; give as many of each")
        why = dict.fromkeys(scored.scores.keys() - drawn.keys(), "this null does not draw the score")
        return cls(p, mean, high, draws.pop() if draws else 0, enumerated, why)


Null = Callable[..., NullResult]
NULLS: Final[Registry[Null]] = Registry("null model", homes=HOMES)


def null(name: str, *, hypothesis: str, sampled: bool, reference: str = "") -> Callable[[Null], Null]:
    """Register a null model: a function (scored, *, draws, seed) → NullResult.

    hypothesis: what its p-value tests, in one sentence; sampled: `draws` of it are taken, not every arrangement.
    """

    return NULLS.register(name, reference=reference, hypothesis=hypothesis, sampled=sampled)

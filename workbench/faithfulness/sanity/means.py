"""Means over images with intervals over subjects (images where subjects are unknown), none where they are too few."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from scipy import stats

from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity.similarities import Floats
from workbench.scores.unit_means import Resampling, mean, resampling
from workbench.statistics.bootstrap import ends

DRAWS = 2000


@dataclass(frozen=True)
class Mean:
    """A mean of numbers that images have: its 95 % interval (NaN without one) and, in words, why there is none."""

    value: float
    low: float
    high: float
    images: int
    units: int
    kind: str
    reason: str = ""

    def __str__(self) -> str:
        if not self.images:
            return "undefined"
        return f"{self.value:.2f}" + ("" if self.reason else f" [{self.low:.2f}, {self.high:.2f}]")


@dataclass(frozen=True)
class Means:
    """Takes means over the faces of one set."""

    names: tuple[str, ...]
    draws: Resampling

    @classmethod
    def over(cls, faces: FaceSet, seed: int = 0) -> Means:
        """Draws of whole units of these faces."""
        rows = faces.table[["name", "subject"]].rename(columns={"name": "image"})
        return cls(tuple(faces.names), resampling(rows, DRAWS, seed))

    def of(self, values: Floats, span: tuple[float, float] = (-inf, inf)) -> Mean:
        """The mean of (N,) values over the images that have one."""
        known = np.isfinite(values)
        images = [name for name, there in zip(self.names, known, strict=True) if there]
        kind = self.draws.units.kind
        if not images:
            return Mean(np.nan, np.nan, np.nan, 0, 0, kind, "no image has a value")
        units, short = self.draws.count(images), self.draws.shortfall(images)
        estimate = mean(values[known])
        if short:
            return Mean(float(estimate), np.nan, np.nan, len(images), units, kind, short)
        drawn = self.draws.drawn(images, values[known][:, None])
        unit = self.draws.units.of[self.draws.columns(images)]
        left_out = np.array([values[known][unit != one].mean() for one in np.unique(unit)])
        found = ends(estimate.reshape(1), drawn, left_out[:, None], units, span)
        return Mean(float(estimate), float(found.low[0]), float(found.high[0]), len(images), units, kind)

    def rows(self, values: Floats, span: tuple[float, float] = (-inf, inf)) -> tuple[Floats, Floats, Floats]:
        """Mean, low and high of each row of (…, N)."""
        found = [self.of(row, span) for row in values.reshape(-1, values.shape[-1])]
        shape = values.shape[:-1]
        numbers = np.array([(one.value, one.low, one.high) for one in found]).T.reshape(3, *shape)
        return numbers[0], numbers[1], numbers[2]

    def crossed(self, values: Floats, span: tuple[float, float] = (-inf, inf)) -> Mean:
        """The mean of (networks, N) values of images under several random networks.

        Images (or subjects) and networks both vary: the interval's half-widths over images, and by Student's t over
        the networks' own means, add as squares (crossed random effects; Owen, Annals of Applied Statistics 1(2), 2007).
        """
        over_images = self.of(np.asarray(mean(values, 0)), span)
        if not over_images.images or over_images.reason:
            return over_images
        each = mean(values, 1)
        each = each[np.isfinite(each)]
        if len(each) < 2:
            nothing = {"low": np.nan, "high": np.nan, "reason": "one random network carries no interval; ask for more"}
            return replace(over_images, **nothing)  # type: ignore[arg-type]
        half = stats.t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
        middle = over_images.value
        low = max(span[0], middle - float(np.hypot(middle - over_images.low, half)))
        high = min(span[1], middle + float(np.hypot(over_images.high - middle, half)))
        return replace(over_images, low=low, high=high)

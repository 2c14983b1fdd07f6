"""Means of numbers that images have, with bootstrap intervals over subjects (images where subjects are unknown)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.heatmaps.resampling import Units, draw_weights, leave_out_weights
from workbench.statistics.bootstrap import GROUPS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """Draws of whole units from all images of a table, the same for all its cells.

    place: image → its column in `weights` (draws, images).
    """

    units: Units
    weights: npt.NDArray[np.float32]
    place: dict[str, int]

    def columns(self, images: Sequence[str]) -> npt.NDArray[np.intp]:
        """Columns of these images."""
        return np.array([self.place[name] for name in images], dtype=np.intp)

    def drawn(self, images: Sequence[str], values: Floats) -> Floats:
        """Means of values (N, C) under each draw: (draws, C), NaN where a draw holds none of these images."""
        return _weighted(self.weights[:, self.columns(images)], values)

    def left_out(self, images: Sequence[str], values: Floats, among: Sequence[str] | None = None) -> Floats:
        """The same with each unit of the images `among` left out (None: of these images): (groups, C)."""
        leaving = leave_out_weights(self.units, self.columns(images if among is None else among), GROUPS)
        return _weighted(leaving[:, self.columns(images)], values)

    def shortfall(self, images: Sequence[str]) -> str:
        """Why these images carry no interval, "" where they do."""
        return self.units.shortfall(self.columns(images))

    def subjects(self, images: Sequence[str]) -> float:
        """How many subjects, NaN where none is known."""
        named = {s for s in self.units.subject[self.columns(images)] if s}
        return float(len(named)) if any(self.units.subject) else float("nan")

    def count(self, images: Sequence[str]) -> int:
        """How many units these images come from."""
        return len(set(self.units.of[self.columns(images)].tolist()))


def resampling(rows: pd.DataFrame, draws: int, seed: int) -> Resampling:
    """Draws for a table with the columns image and subject."""
    people = rows.drop_duplicates("image")
    subject = people["subject"].astype(str).to_numpy(str) if "subject" in people else np.full(len(people), "")
    images = [str(name) for name in people["image"]]
    if any(subject):
        keys = [s if s else f"\0{i}" for i, s in enumerate(subject)]
        units = Units(np.unique(keys, return_inverse=True)[1].reshape(-1), "subject", subject)
    else:
        units = Units(np.arange(len(images)), "image", subject)
    return Resampling(units, draw_weights(units, draws, seed), {name: i for i, name in enumerate(images)})


def _weighted(weights: npt.NDArray[np.float32], values: Floats) -> Floats:
    weights, known = weights.astype(np.float64), np.isfinite(values)
    total = weights @ np.where(known, values, 0)
    mass = weights @ known.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > 0, total / mass, np.nan)


def mean(values: npt.NDArray[Any], axis: int = 0) -> Floats:
    """Mean of the finite values along an axis, NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), dtype=np.float64)

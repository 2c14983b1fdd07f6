"""Bootstrap replicates of global heatmaps: whole subjects (or images), drawn for all networks at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.heatmaps.aggregate import blocks
from workbench.heatmaps.checks import OK
from workbench.vocabulary import IMAGE

MINIMUM_UNITS: Final = 5  # fewer subjects (or images) than this carry no interval


@dataclass(frozen=True)
class Units:
    """What is drawn: `of` (N,) the number of the unit that each image belongs to; `kind` is `subject` or `image`."""

    of: npt.NDArray[np.intp]
    kind: str
    subject: npt.NDArray[np.str_]

    @property
    def count(self) -> int:
        """How many units there are."""
        return int(self.of.max()) + 1 if self.of.size else 0

    def shortfall(self, images: npt.NDArray[np.intp]) -> str:
        """Why these images carry no interval, in words; "" where they do."""
        n = len(images)
        named = {s for s in self.subject[images] if s}
        units = len(set(self.of[images].tolist()))
        if n < MINIMUM_UNITS or units < MINIMUM_UNITS:
            return f"too few to resample ({describe(n, len(named))}; at least {MINIMUM_UNITS} {self.kind}s are needed)"
        return ""


def describe(n: int, subjects: int) -> str:
    """`n = 3 images, 1 subject`."""
    who = f"{subjects} subject{'s' if subjects != 1 else ''}" if subjects else "subjects unknown"
    return f"n = {n} image{'s' if n != 1 else ''}, {who}"


def units_of(maps: xr.DataArray) -> Units:
    """Subjects where they are known (an image without one counts as its own), else images."""
    n = maps.sizes[IMAGE]
    subject = (
        np.array([str(s) for s in maps.coords["subject"].values])
        if "subject" in maps.coords
        else np.full(n, "", dtype=str)
    )
    if not any(subject):
        return Units(np.arange(n), "image", subject)
    keys = [s if s else f"\0{i}" for i, s in enumerate(subject)]
    return Units(np.unique(keys, return_inverse=True)[1].reshape(-1), "subject", subject)


def draw_weights(units: Units, draws: int, seed: int) -> npt.NDArray[np.float32]:
    """How often each image is drawn, (draws, N): all images of a unit together, units with equal chance."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(units.count, np.full(units.count, 1 / units.count), size=draws)
    return counts[:, units.of].astype(np.float32)


def leave_out_weights(units: Units, images: npt.NDArray[np.intp], groups: int) -> npt.NDArray[np.float32]:
    """One row for each group of units left out, (G, N): 1 for the other images of `images`, 0 elsewhere.

    As many groups as the images have units, at most `groups`; of equal size or one apart, every G-th unit in one.
    """
    present, of = np.unique(units.of[images], return_inverse=True)
    count = min(len(present), groups)
    weights = np.zeros((count, len(units.of)), dtype=np.float32)
    weights[:, images] = of.reshape(-1) % max(count, 1) != np.arange(count)[:, None]
    return weights


def replicates(
    maps: xr.DataArray,
    model: int,
    explainer: int,
    images: npt.NDArray[np.intp],
    normalise: str,
    pixels: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float32],
) -> npt.NDArray[np.floating[Any]]:
    """Mean maps of one cell under each draw, (draws, P) on the given pixels (y, x); NaN where a draw holds no map.

    One matrix product of weights and normalised maps per block of images, so memory does not grow with their number.
    """
    return replicates_of(maps, model, explainer, [images], normalise, pixels, [weights[:, images]])[0]


def replicates_of(
    maps: xr.DataArray,
    model: int,
    explainer: int,
    cells: Sequence[npt.NDArray[np.intp]],
    normalise: str,
    pixels: npt.NDArray[np.bool_],
    weights: Sequence[npt.NDArray[np.float32]],
) -> list[npt.NDArray[np.floating[Any]]]:
    """The same of several cells of one network and explainer, which share no image, in one pass over the images.

    weights: of each cell (draws, its images). Memory is that of all the mean maps.
    """
    images = np.concatenate([*cells, np.zeros(0, np.intp)])
    cell = np.repeat(np.arange(len(cells)), [len(one) for one in cells])
    place = np.concatenate([*(np.arange(len(one)) for one in cells), np.zeros(0, np.intp)])
    order = np.argsort(images, kind="stable")
    totals: list[npt.NDArray[np.floating[Any]]] = [
        np.zeros((len(w), int(pixels.sum())), dtype=np.float32) for w in weights
    ]
    masses: list[npt.NDArray[np.floating[Any]]] = [np.zeros((len(w), 1), dtype=np.float32) for w in weights]
    start = 0
    for chosen, values, status in blocks(maps, model, explainer, images[order], normalise, pixels):
        block = order[start : start + len(chosen)]
        start += len(chosen)
        good = np.array([s == OK for s in status])
        for c in np.unique(cell[block]):
            here = good & (cell[block] == c)
            w, v = weights[c][:, place[block[here]]], values[here]
            missing = np.isnan(v)
            if missing.any():
                v[missing] = 0
                masses[c] = masses[c] + w @ (~missing).astype(np.float32)
            else:
                masses[c] = masses[c] + w.sum(axis=1, keepdims=True)
            totals[c] += w @ v
    with np.errstate(invalid="ignore", divide="ignore"):
        for total, mass in zip(totals, masses, strict=True):
            total /= mass  # 0/0 where a draw holds no map
    return totals

"""A score at every area of the foreground, and what its best is worth, as that is chosen with the mask at hand."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UsageError
from workbench.masks import MaskSet
from workbench.scores.centre import centre_blob
from workbench.scores.domains import Domain
from workbench.scores.levels import down_the_levels
from workbench.scores.pairs import Pair, Pairs
from workbench.scores.registry import SCORES, Counts, Floats, finite
from workbench.statistics.permutation import p_value
from workbench.statistics.toroidal import Spectrum, shifted_sums

AREA: Final = "area"
AREAS: Final = tuple(round(0.05 * i, 2) for i in range(1, 20))
FITTED: Final = (
    "the best over all areas, chosen with the mask at hand: compare it with the best of the blob and of chance over "
    "the same areas, never with a score at a threshold that was set beforehand"
)
HYPOTHESIS: Final = (
    "the map's place on the grid has nothing to do with the mask: at every shift of the map on the torus of its grid "
    "the best over the areas is taken as well; p is too small for a map and a mask that both keep to the middle"
)


def sweep(
    maps: xr.DataArray,
    masks: MaskSet,
    *,
    score: str = "iou",
    areas: npt.ArrayLike = AREAS,
    domain: Domain = None,
    by: str | None = None,
    normalise: str = "max",
    shifts: bool = True,
) -> xr.Dataset:
    """A score of numbers of pixels at each foreground area, for each map and its own masks.

    maps, masks, domain, by, normalise: as `evaluate` takes them; areas are shares of the domain, each giving the
    largest set of brightest pixels that does not exceed it. Dataset over (model, explainer, expression[, au or
    region], area), for a score s: `s`; `chance_s`, in closed form, and `centre_s`, of the centred blob, both at the
    area `reached`. Over all areas: `best_fitted_s` at `best_fitted_area`, with `best_fitted_chance_s` and
    `best_fitted_centre_s`, the same maximum of these; `p_best_fitted_s`, share of all toroidal shifts whose best is as
    good (NaN without `shifts`); and without a threshold `area_under_curve_s`, the mean over the areas, with
    `area_under_curve_chance_s` and `area_under_curve_centre_s`. `reason`: why a cell is NaN. Control maps have rows as
    any other.

    Raises UnknownNameError for an unknown score, UsageError for one that is not of numbers of pixels or for areas
    outside 0 … 1, FrameMismatchError where maps and masks differ in frame or grid.
    """
    kind = SCORES[score].value
    if kind.counts is None:
        counted = ", ".join(entry.name for entry in SCORES if entry.value.counts is not None)
        raise UsageError(f"the score {score!r} has no foreground whose area could vary; sweep one of {counted}")
    shares = np.unique(np.asarray(areas, dtype=np.float64))
    if not shares.size or not ((shares > 0) & (shares < 1)).all():
        raise UsageError(f"areas are shares of the domain between 0 and 1, not {areas!r}; give some, such as 0.05, 0.1")
    pairs = Pairs(maps, masks, domain, by, normalise)
    curves = {name: pairs.empty(len(shares)) for name in (score, f"chance_{score}", f"centre_{score}", "reached")}
    p, sign = pairs.empty(), kind.sign
    shifted = _Shifted(kind.counts, sign)
    for pair in pairs.each(f"{score} at each area"):
        swept = _Swept(pair, shares)
        own, chance, blob = swept.curves(kind.counts)
        for name, values in zip(curves, (own, chance, blob, swept.reached), strict=True):
            curves[name][pair.at] = values
        if shifts:
            p[pair.at] = shifted.p(pair, swept.cuts, np.nanmax(sign * own, axis=1))
    fitted = {"fitted": FITTED}
    data: dict[str, Any] = {name: pairs.column(values, AREA) for name, values in curves.items()}
    known = np.isfinite(curves[score]).any(axis=-1)
    at = np.argmax(np.where(np.isfinite(curves[score]), sign * curves[score], -np.inf), axis=-1)
    data["best_fitted_area"] = (*pairs.column(np.where(known, shares[at], np.nan)), fitted)
    for part in ("", "chance_", "centre_"):
        curve = curves[f"{part}{score}"]
        best = sign * np.max(np.where(np.isfinite(curve), sign * curve, -np.inf), axis=-1)
        data[f"best_fitted_{part}{score}"] = (*pairs.column(np.where(known, best, np.nan)), fitted)
        data[f"area_under_curve_{part}{score}"] = pairs.column(curve.mean(axis=-1))
    data[f"p_best_fitted_{score}"] = (*pairs.column(p), {**fitted, "hypothesis": HYPOTHESIS})
    pixels = int(np.prod(pairs.domain.shape))
    return pairs.dataset(data, {AREA: shares}, {"score": score, "shifts": pixels if shifts else 0, "caution": FITTED})


class _Swept:
    """One map cut at every area: `cuts` (A,), the least value of each foreground; numbers of pixels for the scores."""

    def __init__(self, pair: Pair, shares: Floats) -> None:
        size = pair.values.size
        levels, count, inside = down_the_levels(pair.values, pair.masks)
        at = _not_above(count, np.rint(shares * size))
        self.cuts, self._area, self._both = levels[at], count[at], inside[:, at]
        self.reached = self._area / size
        blob = centre_blob((pair.counted.shape[0], pair.counted.shape[1]))[pair.counted].astype(np.float64)
        _, count, inside = down_the_levels(blob, pair.masks)
        at = _not_above(count, self._area)
        self._blob_area, self._blob_both = count[at], inside[:, at]
        self._masks, self._size = pair.masks.sum(axis=1, keepdims=True), size

    def curves(self, counts: Counts) -> tuple[Floats, Floats, Floats]:
        """The map's, chance's and the blob's score at each area, (K, A) each."""
        masks, size = self._masks, self._size
        by_chance = self._area * masks / size
        return (
            finite(counts, self._both, self._area, masks, size),
            finite(counts, by_chance, self._area, masks, size),
            finite(counts, self._blob_both, self._blob_area, masks, size),
        )


class _Shifted:
    """The best over the areas at every shift of a map; the masks' transforms are kept from map to map."""

    def __init__(self, counts: Counts, sign: int) -> None:
        self.counts, self.sign = counts, sign
        self._kept: dict[tuple[bytes, bytes], Spectrum] = {}

    def p(self, pair: Pair, cuts: Floats, observed: Floats) -> Floats:
        """(K,): share of all shifts, the unmoved map among them, whose best times sign is at least `observed`."""
        everything, where = pair.values.size, pair.counted
        whole, domain = bool(where.all()), self._spectrum(pair, np.ones(everything, dtype=bool))
        areas = pair.masks.sum(axis=1)
        best = np.full((len(areas), *where.shape), -np.inf)
        for cut in np.unique(cuts):
            picture = np.zeros(where.shape, dtype=bool)
            picture[where] = pair.values >= cut
            own = Spectrum.of(picture)
            area = np.asarray(float(picture.sum())) if whole else shifted_sums(own, domain)
            for k, mask in enumerate(pair.masks):
                found = finite(self.counts, shifted_sums(own, self._spectrum(pair, mask)), area, areas[k], everything)
                np.fmax(best[k], self.sign * found, out=best[k])
        null = np.where(np.isfinite(best), best, np.nan).reshape(len(areas), -1).T
        return p_value(observed, null, enumerated=True)

    def _spectrum(self, pair: Pair, mask: npt.NDArray[np.bool_]) -> Spectrum:
        key = (np.packbits(pair.counted).tobytes(), np.packbits(mask).tobytes())
        if key not in self._kept:
            if len(self._kept) >= 64:
                self._kept.clear()
            picture = np.zeros(pair.counted.shape, dtype=bool)
            picture[pair.counted] = mask
            self._kept[key] = Spectrum.of(picture)
        return self._kept[key]


def _not_above(count: Floats, wanted: Floats) -> npt.NDArray[np.intp]:
    """For each wanted number of pixels the last level that does not exceed it; the brightest where every one does."""
    return np.maximum(np.searchsorted(count, wanted, side="right") - 1, 0)

"""Two groups' global maps: their difference, how large it is, and what the tests let one say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import FRAMES, load_frame
from workbench.comparison.comparable import pixels_of
from workbench.comparison.entering import entering, explaining
from workbench.comparison.groups.contrast import Contrast
from workbench.comparison.groups.equal import equal_n as subsampled
from workbench.comparison.groups.levels import levels_of
from workbench.comparison.groups.table import Table
from workbench.comparison.groups.testing import tested, tested_regions
from workbench.comparison.groups.units import Means, grid_of, unit_means
from workbench.errors import FrameMismatchError, UnknownNameError, UsageError, whole_numbers
from workbench.heatmaps.aggregate import domain_of
from workbench.heatmaps.checks import check
from workbench.heatmaps.resampling import MINIMUM_UNITS, units_of
from workbench.masks import MaskSet
from workbench.masks.maskset import ANY_FRAME
from workbench.statistics.multiplicity import PER_TEST
from workbench.vocabulary import BASIC_EXPRESSIONS, EXPLAINER, EXPRESSION, IMAGE, LAYER, MODEL

DESIGNS: Final = ("auto", "between", "paired")
DRAWS: Final = 1_000
ROWS: Final = 64
LICENCE: Final = (
    "A cluster test licenses “the maps differ”, not “here”: outlines of clusters show where the difference that was "
    "tested lies, and no single pixel or edge of them is significant. Pixels are claimed by p_max alone."
)


def compare_groups(
    maps: xr.DataArray,
    by: str | Sequence[str] | npt.NDArray[Any] | xr.DataArray,
    *,
    contrasts: Sequence[tuple[str, str]] | None = None,
    by_expression: str | None = None,
    normalise: str = "max",
    domain: str | npt.ArrayLike | None = None,
    masks: MaskSet | None = None,
    design: str = "auto",
    minimum: int = MINIMUM_UNITS,
    draws: int | None = None,
    cluster_level: float = 0.01,
    equal_n: int = 200,
    rows: int | None = ROWS,
    seed: int = 0,
) -> xr.Dataset:
    """How the maps of two groups differ (first − second), for every network, explainer, expression and pair of groups.

    maps: per-image maps, of one target or of several. by: a column of the faces (`gender`, read from `group_gender`),
    several of them (their intersections, such as `female × old`), or an array (image,), for instance of real and
    generated pictures. Images without a group are counted and left out. contrasts: pairs of groups; None: all pairs.
    by_expression, normalise, domain: as `global_heatmaps` (by_expression may be `all`: every image enters the
    expression that its map explains; domain None: the maps' own, else their frame's). masks: action units or regions.
    minimum: units a group (paired: units in both) below which a cell is named and left out. draws: arrangements behind
    each p (None: 1,000, and at least 20 a test of the call); where there are fewer in all, every one. cluster_level:
    two-sided p of a pixel's t from which it joins a cluster. equal_n: subsamples of equal size (0: none). rows: pixels
    are averaged in boxes so that no more rows are tested (None: as they are).

    A unit is a subject where subjects are known, else an image; the maps of a unit within a group are averaged first.
    design: `between` permutes whole units between groups and leaves out those that are in both; `paired` takes these
    alone and flips the signs of their differences; `auto` pairs where at least half of the units are in both groups.

    Variables (model, explainer, expression, contrast, y, x), NaN outside the domain, in the unit of normalised maps:
    `difference` of the means over units; `effect`, Hedges' g over units; `t` (Welch's, or paired); `p`, each pixel for
    itself; `p_max`, family-wise over the cell's pixels (maximum statistic); `p_everywhere`, times the number of tests
    of the call; `cluster`, numbers from the heaviest, and `cluster_p`; `equal_n_difference`, `equal_n_low`,
    `equal_n_high`, mean and middle 95 % over subsamples with as many units in both groups.

    Variables (model, explainer, expression, contrast): `p_differ`, of the heaviest cluster: do the maps differ;
    `p_differ_bh`, over all cells and contrasts of the call; `rms`, root mean square of the difference, beside
    `null_rms` and `null_rms_upper`, its mean and 95th percentile where groups mean nothing, and `equal_n_rms`, `_low`,
    `_high`; `design`, `units_first`, `units_second`, `images_first`, `images_second`, `units_in_both`, `arrangements`,
    `resolution`, `reason` (why there is no test), `equal_n_reason`.

    Variables (…, contrast, au or region), with masks: `region_difference`, mean of the normalised map in the region;
    `region_effect`; `region_p`; `region_p_max`, over the cell's regions; `region_p_bh`, over all of the call.

    Attributes: `tests`, `region_tests`, `needed` (how many cells must show the smallest p that there is before the
    correction at .05 accepts any; 1: a single one may be significant), `licence` (what a cluster test licenses),
    `left_out` (JSON: groups with too few units), `unknown` (images without a group). Groups may differ in what else
    they hold (age, camera, expression's strength): a difference says that maps differ, not that the group is why.

    Raises UsageError for global maps, unknown or overlapping groups, a single group, and values out of range;
    FrameMismatchError for masks of another frame.
    Sources: Nichols & Holmes 2002, Human Brain Mapping 15; Maris & Oostenveld 2007, Journal of Neuroscience Methods
    164; Hedges 1981, Journal of Educational Statistics 6(2); Sassenhagen & Draschkow 2019, Psychophysiology 56 (what a
    cluster test licenses).
    """
    maps = check(maps, several=True)
    if LAYER in maps.dims:
        raise UsageError("the maps have several layers; select one, maps.sel(layer=…)")
    if IMAGE not in maps.dims:
        raise UsageError("these maps are global already; compare_groups() takes maps of single images")
    _check_options(design, minimum, draws, cluster_level, equal_n, rows, seed)
    levels = levels_of(maps, by, contrasts)
    grid = grid_of(maps, _inside(maps, domain), rows)
    regions = _regions(maps, masks)
    units = units_of(maps)
    parts = [explaining(maps, name) for name in BASIC_EXPRESSIONS]
    entered = [None if part is None else entering(part, by_expression) for part in parts]
    table = Table(maps, levels, grid, masks)
    tests = int(np.prod(table.shape))
    wanted = max(DRAWS, PER_TEST * tests) if draws is None else draws
    region_draws = max(wanted, PER_TEST * tests * len(regions)) if draws is None else draws
    used = sorted({group for pair in levels.contrasts for group in pair})
    left_out = []
    for m, x, e in np.ndindex(table.shape[:3]):
        part, who = parts[e], entered[e]
        if part is None or who is None:
            table.skip((m, x, e, slice(None)), "no map explains this expression")
            continue
        said = who[m] == BASIC_EXPRESSIONS[e]
        means = {
            group: unit_means(
                part, (m, x), np.flatnonzero(said & (levels.of == group)), normalise, units, grid, regions
            )
            for group in used
        }
        where = {MODEL: str(maps[MODEL].values[m]), EXPLAINER: str(maps[EXPLAINER].values[x])}
        where[EXPRESSION] = BASIC_EXPRESSIONS[e]
        left_out += [
            {**where, "group": group, "units": len(found.unit)}
            for group, found in means.items()
            if len(found.unit) < minimum
        ]
        for c, pair in enumerate(levels.contrasts):
            cell = (m, x, e, c)
            first, second, chosen = _sides(means[pair[0]], means[pair[1]], design)
            table.counts(cell, means[pair[0]], means[pair[1]], first, second, chosen)
            if reason := _short(first, second, pair, chosen, minimum, units.kind):
                table.skip(cell, reason)
                continue
            contrast = Contrast(first.maps, second.maps, chosen == "paired")
            arrangements = contrast.arrangements(wanted, [seed, 0, *cell])
            found = tested(contrast, arrangements, grid.inside, cluster_level)
            table.fill(cell, contrast, found, arrangements)
            if len(first.unit) == len(second.unit):
                table.skip_equal(cell, f"both groups have {len(first.unit)} {units.kind}s")
            elif equal_n:
                table.fill_equal(cell, subsampled(contrast, equal_n, [seed, 1, *cell]))
            if len(regions):
                inner = Contrast(first.regions.astype(np.float32), second.regions.astype(np.float32), contrast.paired)
                p, p_max = tested_regions(inner, inner.arrangements(region_draws, [seed, 2, *cell]))
                table.fill_regions(cell, inner.difference, inner.hedges_g(), p, p_max)
    return table.dataset().assign_attrs(
        frame=str(maps.attrs.get("frame", "")),
        by=levels.name,
        by_expression=by_expression or "",
        normalise=normalise,
        unit=units.kind,
        unknown=levels.unknown,
        minimum=minimum,
        draws=wanted,
        cluster_level=cluster_level,
        step=grid.step,
        seed=seed,
        licence=LICENCE,
        left_out=json.dumps(left_out, ensure_ascii=False),
    )


def _check_options(
    design: str, minimum: int, draws: int | None, cluster_level: float, equal_n: int, rows: int | None, seed: int
) -> None:
    if design not in DESIGNS:
        raise UnknownNameError("design", design, DESIGNS)
    whole_numbers(2, minimum=minimum)
    whole_numbers(1, draws=1 if draws is None else draws)
    whole_numbers(equal_n=equal_n, seed=seed)
    whole_numbers(4, rows=4 if rows is None else rows)
    if not 0 < cluster_level < 1:
        raise UsageError(f"the cluster level is {cluster_level!r}; give a number between 0 and 1, such as 0.01")


def _inside(maps: xr.DataArray, domain: str | npt.ArrayLike | None) -> npt.NDArray[np.bool_] | None:
    """The domain given, else the maps' own, else their frame's; None (every pixel) where the frame is unknown."""
    if isinstance(domain, str):
        return pixels_of(maps, domain)[0]
    found = domain_of(maps, domain)
    name = str(maps.attrs.get("frame", ""))
    if found is not None or name not in FRAMES or FRAMES[name] != maps.shape[-2:]:
        return found
    return np.asarray(load_frame(name).domain, dtype=bool)


def _regions(maps: xr.DataArray, masks: MaskSet | None) -> npt.NDArray[np.float32]:
    grid = maps.shape[-2:]
    if masks is None:
        return np.zeros((0, *grid), np.float32)
    if not isinstance(masks, MaskSet):
        raise UsageError(f"masks are a MaskSet, not {type(masks).__name__}; make it with load_masks(…)")
    if masks.dimension == EXPRESSION:
        raise UsageError(f"mask set {masks.name!r} is by expression; give action units or regions")
    frame = str(maps.attrs.get("frame", ""))
    if masks.maps.shape[1:] != grid or (frame and masks.frame not in (frame, ANY_FRAME)):
        raise FrameMismatchError(
            f"the maps are in the frame {frame or 'unknown'!r} on {grid[0]}×{grid[1]}, and the masks of {masks.name!r} "
            f"in {masks.frame!r} on {'×'.join(map(str, masks.maps.shape[1:]))}; load_masks(…, frame={frame!r})"
        )
    return np.asarray(masks.maps.values, np.float32)


def _sides(first: Means, second: Means, design: str) -> tuple[Means, Means, str]:
    """Both groups' units as they are tested, and the design."""
    both = np.intersect1d(first.unit, second.unit)
    either = len(np.union1d(first.unit, second.unit))
    if design == "paired" or (design == "auto" and len(both) and 2 * len(both) >= either):
        return first.take(both), second.take(both), "paired"
    return first.take(np.setdiff1d(first.unit, both)), second.take(np.setdiff1d(second.unit, both)), "between"


def _short(first: Means, second: Means, pair: tuple[str, str], design: str, minimum: int, kind: str) -> str:
    """Why this cell cannot be tested, or ""."""
    if design == "paired":
        n = len(first.unit)
        return "" if n >= minimum else f"{n} {kind}s are in both groups (at least {minimum} are needed)"
    short = [
        f"{len(side.unit)} of {name}"
        for side, name in zip((first, second), pair, strict=True)
        if len(side.unit) < minimum
    ]
    return f"too few {kind}s: {', '.join(short)} (at least {minimum} are needed)" if short else ""

"""Scores of maps against masks, none without its controls."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from workbench.errors import UsageError, whole_numbers
from workbench.heatmaps import check, global_heatmaps
from workbench.heatmaps.aggregate import usable_cells
from workbench.heatmaps.arithmetic import rule
from workbench.heatmaps.checks import NO_DATA, of_explainers, roles
from workbench.heatmaps.grouping import groups
from workbench.heatmaps.resampling import MINIMUM_UNITS, describe, draw_weights, units_of
from workbench.masks import MaskSet, by_class
from workbench.scores.ceiling import ceiling
from workbench.scores.cell import Ground
from workbench.scores.columns import NO_REPLICATES, Columns
from workbench.scores.domains import domain_name, domain_of, face_domain, same_frame
from workbench.scores.intervals import DRAWS, resampled_cells
from workbench.scores.registry import SCORES
from workbench.scores.reliability import reliability
from workbench.scores.significance import DEFAULT_NULLS, chosen_nulls, draws_for
from workbench.scores.table import CELL, Column, Table
from workbench.scores.uncertainty import bounds
from workbench.vocabulary import EDGE_MAP, EXPLAINER, EXPRESSION, IMAGE, MODEL

RELIABILITY: Final = (
    "split_half_correlation",
    "spearman_brown",
    "other_split_half_correlation",
    "split_half_iou",
    "chance_split_half_iou",
    "other_split_half_iou",
)

DEFAULT_SCORES: Final = ("iou", "precision", "recall", "f1", "correlation")
CAUTION: Final = (
    "Smooth maps in the middle of a face overlap any mask of the face: read each score beside its chance level, the "
    "other masks and the centred blob. "
)
OWN_FIRST: Final = "The counts of own mask first are not binomial, as few masks win for most maps. "
COLUMNS_CORRECTED: Final = "Columns bh_ and by_ "
CORRECTED: Final = COLUMNS_CORRECTED + "are corrected over the {tests} cells of this table, p_ are not."


def evaluate(
    maps: xr.DataArray,
    masks: MaskSet,
    *,
    threshold: str | float = "otsu",
    scores: Sequence[str] = DEFAULT_SCORES,
    nulls: Sequence[str] = DEFAULT_NULLS,
    null_draws: int | None = None,
    intervals: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
    domain: str | npt.ArrayLike | None = None,
    by: str | None = None,
    normalise: str = "max",
    second: MaskSet | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Agreement of each network's and explainer's map of each expression with the masks, beside its controls.

    `maps`: of single images (aggregated here by `by` and `normalise`, with intervals) or global. Foreground is the
    8-bit grey map above Otsu's threshold, or the brightest share `threshold`, or "value:0.5"; all taken on the masks'
    own domain (on `domain` where that reaches further). `domain` says where scores, areas and chance are counted: None
    for the masks' own, `"face"`, `"canvas"`, or a boolean (y, x); of it, the pixels that a map has data for. Masks
    count where they are at least 0.5. `nulls`: null models (`scores.nulls`) whose p stands beside every score;
    `null_draws`: of sampled ones, by default 20 for each cell of the table, 2,000 at most. `second`: another expert's
    masks, for the ceiling; None takes the one that ships with the workbench.

    Dataset over (model, explainer, expression), and the masks' own dimension where that is not `expression`; entries
    that location cannot separate stand as one class (`AU23/24`). `docs/scores.md` lists the variables. For each score s
    (IoU always): `s`; `chance_s` at equal areas; `s_with_<mask>` for every mask of a set of expressions
    (`all_masks(table, s)` stacks them), `other_masks_s` their mean without the own one, `rank_of_own_mask_s`
    (`rank_of_own_mask` by IoU; 1 + masks strictly better); `centre_s` and `centre_s_equal_area`, of a centred Gaussian
    at its own threshold and at the map's area, `uniform_s`, `mean_map_s` (of the mean over expressions), `turned_s`,
    `mirrored_s`, `upside_down_s`, `random_weights_s` and `edge_map_s` (maps whose role is `control`; edges: of the same
    faces); `low_s`, `high_s`, 95 % interval over subjects (images where unknown), by the method `interval_s`;
    `over_other_masks_s` and `over_centre_s`, the excess over these controls (positive is better), with `low_`, `high_`,
    `p_`; for each null model m its mean `m_s`, its 95th percentile `m_95_s`, and `p_m_s`; these p also as `bh_` and
    `by_` (Benjamini–Hochberg, –Yekutieli, over all cells of the call); `labels_s` and `p_labels_s` (explainer), from
    all permutations of the expressions' labels. Further `chance_iou_face`, `area` (foreground as a share of the
    domain), `covered`, `n`, `n_subjects` (NaN unknown), the columns of `reliability`, `ceiling_iou` (agreement of two
    experts' masks), `reason` (why a cell is NaN, else ""), `reason_s` (why this score alone is), `verdict`. JSON in
    attrs: `reasons`, {variable: why it is NaN throughout}; `nulls`, {null model: hypothesis, draws, resolution, …}.
    `.to_dataframe()` has one row a cell.

    Raises FrameMismatchError where maps and masks differ in frame or grid, UnknownNameError for an unknown score or
    null model.
    """
    maps = check(maps)
    if not isinstance(masks, MaskSet):
        raise UsageError(f"masks are a MaskSet, not {type(masks).__name__}; make it with load_masks(…)")
    masks = by_class(masks)
    if second is not None and not isinstance(second, MaskSet):
        raise UsageError(f"second is a MaskSet, not {type(second).__name__}; make it with load_masks(…)")
    wanted = list(dict.fromkeys(("iou", *([scores] if isinstance(scores, str) else scores or ()))))
    chosen = {name: SCORES[name].value for name in wanted}
    nulls = chosen_nulls(nulls)
    how = rule(threshold)
    whole_numbers(1, draws=draws)
    whole_numbers(seed=seed)
    draws_for(1, null_draws)
    same_frame(maps, masks)
    own, counted = np.asarray(masks.domain.values, dtype=bool), domain_of(domain, masks)
    cut = counted if (counted & ~own).any() else own
    ground = Ground(np.asarray(masks.maps.values) >= 0.5, counted, cut, face_domain(masks), how, chosen)
    single = IMAGE in maps.dims
    if by is not None and not single:
        raise UsageError(f"by={by!r} groups maps of single images, and these are global already; leave it out")
    heat = global_heatmaps(maps, by, normalise, domain=ground.cut) if single else maps
    if single:
        heat = _with_matched_edges(heat, maps, by, normalise, ground.cut)
    table = Table(heat, masks, ground)
    cells = int(np.prod(table.shape))
    resampling = single and intervals
    with _bar(cells * (bool(nulls) + resampling), progress) as bar:
        if nulls:
            table.add_nulls(nulls, draws_for(table.tests, null_draws), seed, bar.update)
        if resampling:
            _add_bounds(table, maps, by, normalise, draws, seed, bar.update)
        else:
            _note_too_few(table, maps, by)
    reason = NO_REPLICATES if not single else "intervals=False" if not intervals else ""
    columns = Columns(table, nulls, reason)
    more = _reliability(columns, maps, by, normalise, ground, seed) if resampling else _unreliable(columns, reason)
    return columns.dataset(
        more | _ceiling(columns, masks, second),
        {
            "frame": masks.frame,
            "masks": masks.name,
            "domain": domain_name(domain, masks),
            "threshold": str(threshold),
            "domain_pixels": int(ground.domain.sum()),
            "policy": str(heat.attrs.get("policy", "")),
            "seed": seed,
            "draws": draws if resampling else 0,
            "caution": CAUTION
            + (OWN_FIRST if table.by_expression else "")
            + (CORRECTED.format(tests=table.tests) if nulls else "No null model was asked for: nothing is tested."),
        },
    )


def _with_matched_edges(
    heat: xr.DataArray, maps: xr.DataArray, by: str | None, normalise: str, domain: npt.NDArray[np.bool_]
) -> xr.DataArray:
    """Global maps and, for each explainer that ran on fewer faces than the edge map, the edges of those faces alone."""
    names = [str(x) for x in maps[EXPLAINER].values]
    if EDGE_MAP not in names or "status" not in maps.coords:
        return heat
    ran = (maps["status"].transpose(EXPLAINER, MODEL, IMAGE).values != NO_DATA).any(axis=1)
    edges = ran[names.index(EDGE_MAP)]
    parts = [heat]
    for x, role in enumerate(roles(maps)):
        same = ran[x] & edges
        if role == "control" or not same.any() or (same == edges).all():
            continue
        only = of_explainers(maps, [EDGE_MAP])
        status = only["status"].transpose(MODEL, EXPLAINER, IMAGE)
        only = only.assign_coords(status=(status.dims, np.where(same, status.values, NO_DATA)))
        part = global_heatmaps(only, by, normalise, domain=domain)
        parts.append(part.assign_coords({EXPLAINER: [f"{EDGE_MAP}@{names[x]}"]}))
    return xr.concat(parts, EXPLAINER, coords="different", compat="equals") if len(parts) > 1 else heat


def _add_bounds(
    table: Table,
    maps: xr.DataArray,
    by: str | None,
    normalise: str,
    draws: int,
    seed: int,
    progress: Callable[[], object],
) -> None:
    """Intervals of every cell; draws of units are common to all networks and explainers."""
    units, entered = units_of(maps), groups(maps, by)
    weights = draw_weights(units, draws, seed)
    for m, x in np.ndindex(table.shape[:2]):
        numbers = [np.flatnonzero(entered[m] == expression) for expression in table.expressions]
        cells = usable_cells(maps, m, table.methods[x], numbers, normalise)
        drawn = []
        for e, images in enumerate(cells):
            named = {s for s in units.subject[images] if s}
            table.who[m, x, e] = describe(len(images), len(named))
            table.n_subjects[m, x, e] = len(named) if any(units.subject) else np.nan
            why = table.cells[m, table.methods[x], e].reason or units.shortfall(images)
            table.interval_reason[m, x, e] = why
            if why:
                progress()
            else:
                drawn.append(e)
        found = resampled_cells(
            table.ground, maps, m, table.methods[x], [cells[e] for e in drawn], normalise, weights, units
        )
        for e, one in zip(drawn, found, strict=True):
            at = (m, table.methods[x], e)
            table.bounds[at] = bounds(table.cells[at], one, table.ground.scores)
            progress()


def _note_too_few(table: Table, maps: xr.DataArray, by: str | None) -> None:
    """Without intervals, cells of which too few faces (or people) are known to call anything significant."""
    if "n" not in table.heat.coords:
        return
    n = np.asarray(table.heat["n"].transpose(*CELL).values)[:, table.methods]
    single = IMAGE in maps.dims
    units, entered = (units_of(maps), groups(maps, by)) if single else (None, None)
    for m, x, e in np.ndindex(table.shape):
        count, people, few = int(n[m, x, e]), 0, int(n[m, x, e]) < MINIMUM_UNITS
        if units is not None and entered is not None:
            images = np.flatnonzero(entered[m] == table.expressions[e])
            people = min(count, len({s for s in units.subject[images] if s}))
            few = few or bool(units.shortfall(images))
        table.who[m, x, e] = describe(count, people)
        if few and count:
            table.interval_reason[m, x, e] = f"too few to call anything significant ({table.who[m, x, e]})"


def _reliability(
    columns: Columns, maps: xr.DataArray, by: str | None, normalise: str, ground: Ground, seed: int
) -> dict[str, Column]:
    table = columns.table
    methods = [table.all_explainers[x] for x in table.methods]
    found = reliability(
        of_explainers(maps, methods), by=by, normalise=normalise, domain=ground.domain, threshold=ground.rule, seed=seed
    )
    place = found.reindex({EXPRESSION: table.expressions}).transpose(*CELL, ...)
    return {name: (CELL, np.asarray(place[name].values, dtype=np.float64)) for name in RELIABILITY}


def _unreliable(columns: Columns, reason: str) -> dict[str, Column]:
    columns.reasons |= dict.fromkeys(RELIABILITY, reason)
    return {name: (CELL, np.full(columns.table.shape, np.nan)) for name in RELIABILITY}


def _ceiling(columns: Columns, masks: MaskSet, second: MaskSet | None) -> dict[str, Column]:
    """Agreement of two experts' masks of each expression, a mark for a map, not a bound; NaN where there is one."""
    table, none = columns.table, np.full(len(columns.table.expressions), np.nan)
    if not table.by_expression:
        columns.reasons["ceiling_iou"] = "experts are compared by expression"
        return {"ceiling_iou": ((EXPRESSION,), none)}
    found = ceiling(masks, second, ("iou",)).reindex({EXPRESSION: table.expressions})
    if not np.isfinite(found["ceiling_iou"]).any():
        why = json.loads(str(found.attrs.get("reasons", "{}")))
        columns.reasons["ceiling_iou"] = why.get("", "") or "no expression has masks of two experts"
    return {"ceiling_iou": ((EXPRESSION,), np.asarray(found["ceiling_iou"].values, dtype=np.float64))}


def _bar(total: int, progress: bool) -> tqdm[Any]:
    shown = None if progress and total > 20 else True  # no bars for what is quick, nor into files and pipes
    return tqdm(total=total, desc="scores", unit="cell", file=sys.stderr, disable=shown, leave=False)

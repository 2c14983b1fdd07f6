"""Scores of maps against masks, none without its controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.canonical import load_frame
from workbench.errors import FrameMismatchError, UsageError, WorkbenchError
from workbench.heatmaps import check, global_heatmaps
from workbench.heatmaps.aggregate import groups, usable
from workbench.heatmaps.arithmetic import share
from workbench.heatmaps.checks import NO_DATA, roles
from workbench.heatmaps.resampling import describe, draw_weights, units_of
from workbench.masks import MaskSet, by_class
from workbench.scores.cell import Ground
from workbench.scores.intervals import DRAWS, intervals_of
from workbench.scores.registry import SCORES
from workbench.scores.table import NO_REPLICATES, Table
from workbench.vocabulary import EDGE_MAP, EXPLAINER, IMAGE, MODEL, X, Y

DEFAULT_SCORES: Final = ("iou", "precision", "recall", "f1", "correlation")
CAUTION: Final = (
    "Smooth maps in the middle of a face overlap any mask of the face: read each score beside its chance level, the "
    "other masks and the centred blob. "
)
OWN_FIRST: Final = "The counts of own mask first are not binomial, as few masks win for most maps. "
UNCORRECTED: Final = "Nothing here is corrected for the number of cells."


def evaluate(
    maps: xr.DataArray,
    masks: MaskSet,
    *,
    threshold: str | float = "otsu",
    scores: Sequence[str] = DEFAULT_SCORES,
    intervals: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
    domain: str | npt.ArrayLike | None = None,
    by: str | None = None,
    normalise: str = "max",
) -> xr.Dataset:
    """Agreement of each network's and explainer's map of each expression with the masks, beside its controls.

    `maps`: of single images (aggregated here by `by` and `normalise`, with intervals) or global. Foreground is the
    8-bit grey map above Otsu's threshold, or the brightest share `threshold`, both taken on the masks' own domain (on
    `domain` where that reaches further). `domain` says where scores, areas and chance are counted: None for the masks'
    own, `"face"`, `"canvas"`, or a boolean (y, x); of it, the pixels that a map has data for. Masks count where they
    are at least 0.5.

    Dataset over (model, explainer, expression), and the masks' own dimension where that is not `expression`; entries
    that location cannot separate stand as one class (`AU23/24`). For each score s (IoU always): `s`; `chance_s` at
    equal areas; `other_masks_s`, mean over the other masks; `centre_s`, of a
    centred Gaussian at its own Otsu threshold, and `centre_s_equal_area`; `random_weights_s` and `edge_map_s`, of maps
    whose role is `control` (edges: of the same faces); `low_s`, `high_s`, 95 % bootstrap interval over subjects (images
    where unknown; `intervals.ends`). Further `chance_iou_face`, `rank_of_own_mask` by IoU (1 + masks strictly higher),
    `iou_with_<mask>` for every mask of a set of expressions (`scores.all_masks(table)` stacks them), `area` (foreground
    as a share of the domain), `covered`, `n`, `n_subjects` (NaN unknown), `reason` (why a cell is NaN, else ""),
    `verdict`. `attrs["reasons"]` is JSON {variable: why it is NaN throughout}. `.to_dataframe()` has one row a cell.

    Raises FrameMismatchError where maps and masks differ in frame or grid, UnknownNameError for an unknown score.
    """
    maps = check(maps)
    if not isinstance(masks, MaskSet):
        raise UsageError(f"masks are a MaskSet, not {type(masks).__name__}; make it with load_masks(…)")
    masks = by_class(masks)
    wanted = list(dict.fromkeys(("iou", *scores)))
    chosen = {name: SCORES[name].value for name in wanted}
    rule = "otsu" if share(threshold) is None else float(threshold)
    if draws < 1:
        raise UsageError(f"draws is {draws}; an interval needs at least one")
    _same_frame(maps, masks)
    face = _face_domain(masks)
    own, counted = np.asarray(masks.domain.values, dtype=bool), _domain(domain, masks, face)
    cut = counted if (counted & ~own).any() else own
    ground = Ground(np.asarray(masks.maps.values) >= 0.5, counted, cut, face, rule, chosen)
    single = IMAGE in maps.dims
    heat = global_heatmaps(maps, by, normalise, domain=ground.cut) if single else maps
    if single:
        heat = _with_matched_edges(heat, maps, by, normalise, ground.cut)
    table = Table(heat, masks, ground)
    if single and intervals:
        _add_intervals(table, maps, by, normalise, draws, seed)
    reason = NO_REPLICATES if not single else "intervals=False" if not intervals else ""
    return table.dataset(
        reason,
        {
            "frame": masks.frame,
            "masks": masks.name,
            "domain": _domain_name(domain, masks),
            "threshold": str(threshold),
            "domain_pixels": int(ground.domain.sum()),
            "policy": str(heat.attrs.get("policy", "")),
            "seed": seed,
            "draws": draws if single and intervals else 0,
            "caution": CAUTION + (OWN_FIRST if table.by_expression else "") + UNCORRECTED,
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
        only = maps.sel({EXPLAINER: [EDGE_MAP]}).isel({IMAGE: np.flatnonzero(same)})
        part = global_heatmaps(only, by, normalise, domain=domain)
        parts.append(part.assign_coords({EXPLAINER: [f"{EDGE_MAP}@{names[x]}"]}))
    return xr.concat(parts, EXPLAINER, coords="different", compat="equals") if len(parts) > 1 else heat


def _same_frame(maps: xr.DataArray, masks: MaskSet) -> None:
    frame, grid = str(maps.attrs.get("frame", "")), (maps.sizes[Y], maps.sizes[X])
    wanted = (masks.maps.sizes[Y], masks.maps.sizes[X])
    if grid != wanted or (frame and masks.frame and frame != masks.frame):
        raise FrameMismatchError(
            f"the maps are in frame {frame or 'unknown'!r} on {grid[0]}×{grid[1]} and the masks {masks.name!r} in "
            f"frame {masks.frame!r} on {wanted[0]}×{wanted[1]}; load the masks, or make the maps, in the other's frame"
        )


def _face_domain(masks: MaskSet) -> npt.NDArray[np.bool_] | None:
    try:
        face = np.asarray(load_frame(masks.frame).face_domain, dtype=bool)
    except WorkbenchError:
        return None
    return face if face.shape == masks.maps.shape[1:] else None


def _domain(
    domain: str | npt.ArrayLike | None, masks: MaskSet, face: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    grid = masks.maps.shape[1:]
    if domain is None:
        found = np.asarray(masks.domain.values, dtype=bool)
    elif isinstance(domain, str):
        if domain == "canvas":
            found = np.ones(grid, dtype=bool)
        elif domain == "face" and face is not None:
            found = face
        else:
            why = (
                f"the frame {masks.frame!r} has no face domain"
                if domain == "face"
                else f"there is no domain {domain!r}"
            )
            raise UsageError(f"{why}; give None (the masks' own), 'canvas', 'face' or a boolean array (y, x)")
    else:
        found = np.asarray(domain, dtype=bool)
    if found.shape != grid:
        raise FrameMismatchError(f"the domain is {'×'.join(map(str, found.shape))} and the masks {grid[0]}×{grid[1]}")
    if not found.any():
        raise UsageError("the domain is empty; give one with at least a pixel")
    return found


def _domain_name(domain: str | npt.ArrayLike | None, masks: MaskSet) -> str:
    if domain is None:
        return "canvas" if bool(np.all(masks.domain.values)) else "masks"
    return domain if isinstance(domain, str) else "given"


def _add_intervals(table: Table, maps: xr.DataArray, by: str | None, normalise: str, draws: int, seed: int) -> None:
    units, entered = units_of(maps), groups(maps, by)
    weights = draw_weights(units, draws, seed)
    for m, x, e in np.ndindex(table.shape):
        at = (m, table.methods[x], e)
        images = usable(maps, m, table.methods[x], np.flatnonzero(entered[m] == table.expressions[e]), normalise)
        named = {s for s in units.subject[images] if s}
        table.who[m, x, e] = describe(len(images), len(named))
        table.n_subjects[m, x, e] = len(named) if any(units.subject) else np.nan
        table.interval_reason[m, x, e] = table.cells[at].reason or units.shortfall(images)
        if not table.interval_reason[m, x, e]:
            columns = table.columns(e)
            own = {name: row[columns] for name, row in table.cells[at].own.items()}
            drawn_from = len(set(units.of[images].tolist()))
            table.ends[at] = intervals_of(
                table.ground, maps, m, table.methods[x], images, normalise, weights, columns, own, drawn_from
            )

"""From one map a face to one map an expression: who enters, on which scale, and how many there were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps.arithmetic import normalise as normalise_maps
from workbench.heatmaps.checks import CONSTANT, NO_DATA, NON_FINITE, OK, as_domain, check, roles
from workbench.heatmaps.grouping import grouping, groups
from workbench.vocabulary import BASIC_EXPRESSIONS, EXPLAINER, EXPRESSION, IMAGE, MODEL, X, Y

FLAGS: Final = ("folded", "turned")
"""Coordinates (image,) of bool that `canonical.face_flags` makes: faces that the canonical face shows badly."""
_BLOCK_BYTES: Final = 32 * 2**20
_READ_AT_ONCE: Final = 256  # images side by side in a file; single ones cost as much as the chunk that they lie in

Floats = npt.NDArray[np.float32]


def blocks(
    maps: xr.DataArray,
    model: int,
    explainer: int,
    images: npt.NDArray[np.intp],
    normalise: str,
    pixels: npt.NDArray[np.bool_] | None = None,
) -> Iterator[tuple[npt.NDArray[np.intp], Floats, list[str]]]:
    """Normalised maps of one network and explainer, some images at a time: (positions, maps (n, P or y, x), status).

    Only one block is read at a time, so a lazily opened store of any length will do. `pixels` (y, x) flattens each map
    to those pixels after normalising. A map whose status is not `ok` is all NaN.
    """
    size = max(1, _BLOCK_BYTES // (maps.sizes[Y] * maps.sizes[X] * 4))
    known = maps.coords["status"].transpose(MODEL, EXPLAINER, IMAGE).values if "status" in maps.coords else None
    for start in range(0, len(images), size):
        chosen = images[start : start + size]
        values = _read(maps, model, explainer, chosen)
        missing = np.isnan(values)
        high = np.where(missing, -np.inf, values).max(axis=(1, 2))
        low = np.where(missing, np.inf, values).min(axis=(1, 2))
        infinite = np.asarray(np.isinf(values).any(axis=(1, 2)))
        status = []
        for k, position in enumerate(chosen):
            said = OK if known is None else str(known[model, explainer, position])
            if said == OK:
                said = NO_DATA if high[k] < low[k] else CONSTANT if high[k] == low[k] else OK
                said = NON_FINITE if infinite[k] else said
            status.append(said)
        values[[s != OK for s in status]] = np.nan
        scaled = normalise_maps(values, normalise)
        for k, said in enumerate(status):
            if said == OK and np.isnan(scaled[k]).all():
                status[k] = "nothing positive"
        yield chosen, (scaled if pixels is None else scaled[:, pixels]), status


def _read(maps: xr.DataArray, model: int, explainer: int, chosen: npt.NDArray[np.intp]) -> Floats:
    """Maps (n, y, x) of these images, out of pieces of storage as they lie there."""
    stored = maps.variable.isel({MODEL: model, EXPLAINER: explainer}).transpose(IMAGE, Y, X)
    values = np.empty((len(chosen), *stored.shape[1:]), dtype=np.float32)
    piece = chosen // _READ_AT_ONCE
    for number in dict.fromkeys(piece.tolist()):
        rows = np.flatnonzero(piece == number)
        wanted = chosen[rows]
        first = int(wanted.min())
        values[rows] = stored.isel({IMAGE: slice(first, int(wanted.max()) + 1)}).values[wanted - first]
    return values


def usable(
    maps: xr.DataArray, model: int, explainer: int, images: npt.NDArray[np.intp], normalise: str
) -> npt.NDArray[np.intp]:
    """Those of the images whose map enters a mean: status `ok`, by the values too, and on a scale that exists."""
    found = [
        chosen[[s == OK for s in status]] for chosen, _, status in blocks(maps, model, explainer, images, normalise)
    ]
    return np.concatenate(found) if found else images[:0]


def usable_cells(
    maps: xr.DataArray, model: int, explainer: int, cells: Sequence[npt.NDArray[np.intp]], normalise: str
) -> list[npt.NDArray[np.intp]]:
    """The same of several cells of one network and explainer, in one pass over the images."""
    good = np.zeros(maps.sizes[IMAGE], dtype=bool)
    good[usable(maps, model, explainer, np.unique(np.concatenate([*cells, np.zeros(0, np.intp)])), normalise)] = True
    return [images[good[images]] for images in cells]


def stretch(mean: npt.NDArray[np.float64], domain: npt.NDArray[np.bool_] | None) -> Floats:
    """Min–max of one mean map to [0, 1] inside the domain, 0 outside it; NaN stays, a constant map becomes all NaN."""
    counted = ~np.isnan(mean) if domain is None else domain & ~np.isnan(mean)
    if not counted.any():
        return np.full(mean.shape, np.nan, dtype=np.float32)
    low, high = mean[counted].min(), mean[counted].max()
    if not (np.isfinite(high - low) and high > low):
        return np.full(mean.shape, np.nan, dtype=np.float32)
    scaled = (mean - low) / (high - low)
    if domain is not None:
        scaled = np.where(domain, scaled, 0.0)
    return np.asarray(scaled, dtype=np.float32)


def domain_of(maps: xr.DataArray, domain: npt.ArrayLike | None) -> npt.NDArray[np.bool_] | None:
    """The domain (y, x): the argument, else the array's own coordinate `domain`, else None (every pixel with data).

    Raises UsageError where its grid is not the maps'.
    """
    if domain is None and "domain" in maps.coords:
        domain = maps.coords["domain"].transpose(Y, X).values
    if domain is None:
        return None
    if isinstance(domain, str):
        raise UsageError(
            f"the domain {domain!r} is a name; here it is a boolean array (y, x), such as load_frame(…).domain"
        )
    d = as_domain(domain)
    if d.shape != (maps.sizes[Y], maps.sizes[X]):
        raise UsageError(
            f"the domain is {'×'.join(map(str, d.shape))} and the maps are "
            f"{maps.sizes[Y]}×{maps.sizes[X]}; give both on one grid"
        )
    return d


def flagged(maps: xr.DataArray, leave_out: Sequence[str] = ()) -> dict[str, npt.NDArray[np.bool_]]:
    """Which faces carry a flag: name → (image,) bool, for the coordinates of `FLAGS` that the maps have.

    Raises UnknownNameError for another flag in `leave_out`, and UsageError for one that the maps do not have.
    """
    for name in _texts(leave_out):
        if name not in FLAGS:
            raise UnknownNameError("flag", str(name), FLAGS)
        if name not in maps.coords:
            raise UsageError(
                f"the maps do not say which faces are {name} (no coordinate {name!r}), so none can be left out; "
                "add it with .assign_coords(face_flags(…).coordinates())"
            )
    return {name: np.asarray(maps.coords[name].values).astype(bool) for name in FLAGS if name in maps.coords}


def global_heatmaps(
    maps: xr.DataArray,
    by: str | None = None,
    normalise: str = "max",
    *,
    domain: npt.ArrayLike | None = None,
    leave_out: Sequence[str] = (),
) -> xr.DataArray:
    """One map an expression from one map a face: (model, explainer, expression, y, x) float32 in [0, 1].

    An image enters expression e when the network's argmax is e (`by="predicted"`), when its label is
    (`"labelled"`), or when both are (`"correct"`); by default `"labelled"` for maps that explain the label
    (`target="labelled"`), else `"predicted"`. Positive part, normalised per image (`max`, `none` or `sum`), mean
    over images (of each pixel: over the images that have data there), min–max of the mean inside the `domain` (y, x).
    Constant, non-finite and failed maps are left out and counted: coordinates `n`, `left_out`, `coverage` (smallest
    share of the n images that a domain pixel with data rests on). Always the six basic expressions; NaN where n = 0.

    Faces that are `folded` or `turned` (coordinates of `workbench.canonical.face_flags`) are counted among those that
    enter an expression, as `n_folded` and `n_turned`, and enter the mean; with `leave_out=("folded", "turned")` they
    do not, and count as left out.

    Raises UsageError where the maps explain another class than they would be grouped by, or lack a flag to leave out.
    Source: Gaya-Morey et al. 2024 (arXiv 2401.11835), whose released maps are `by="predicted"`, `normalise="none"`.
    """
    maps = check(maps)
    if IMAGE not in maps.dims:
        raise UsageError("these maps are global already; global_heatmaps() takes maps of single images")
    d = domain_of(maps, domain)
    by = grouping(maps, by)
    entered = groups(maps, by)
    shape = (maps.sizes[MODEL], maps.sizes[EXPLAINER], len(BASIC_EXPRESSIONS))
    grid = (maps.sizes[Y], maps.sizes[X])
    heat = np.full((*shape, *grid), np.nan, dtype=np.float32)
    n, left_out = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    flags = flagged(maps, leave_out)
    dropped = np.any([np.zeros(maps.sizes[IMAGE], bool), *(flags[name] for name in _texts(leave_out))], axis=0)
    computed = np.ones((*shape[:2], maps.sizes[IMAGE]), dtype=bool)
    if "status" in maps.coords:
        computed = maps.coords["status"].transpose(MODEL, EXPLAINER, IMAGE).values != NO_DATA
    carried = {name: np.zeros(shape, dtype=np.int64) for name in flags}
    coverage = np.full(shape, np.nan, dtype=np.float32)
    number = {name: e for e, name in enumerate(BASIC_EXPRESSIONS)}
    for m in range(shape[0]):
        expression = np.array([number.get(name, -1) for name in entered[m]], dtype=np.intp)
        for e in range(shape[2]):
            for flag, who in flags.items():
                carried[flag][m, :, e] = who[expression == e].sum()
            left_out[m, :, e] = (dropped & computed[m])[:, expression == e].sum(axis=-1)
        images = np.flatnonzero((expression >= 0) & ~dropped)
        for x in range(shape[1] if len(images) else 0):
            total, count = np.zeros((shape[2], *grid)), np.zeros((shape[2], *grid), dtype=np.int64)
            for chosen, values, status in blocks(maps, m, x, images, normalise):
                state = np.array(status)
                for e in set(expression[chosen].tolist()):
                    here = expression[chosen] == e
                    good = here & (state == OK)
                    n[m, x, e] += int(good.sum())
                    left_out[m, x, e] += int((here & ~np.isin(state, (OK, NO_DATA))).sum())
                    present = ~np.isnan(values[good])
                    total[e] += np.where(present, values[good], 0).sum(axis=0, dtype=np.float64)
                    count[e] += present.sum(axis=0)
            for e in np.flatnonzero(n[m, x]).tolist():
                with np.errstate(invalid="ignore"):
                    mean = np.where(count[e] > 0, total[e] / np.maximum(count[e], 1), np.nan)
                heat[m, x, e] = stretch(mean, d)
                seen = count[e][(count[e] > 0) if d is None else d & (count[e] > 0)]
                coverage[m, x, e] = seen.min() / n[m, x, e] if seen.size else np.nan
    cell = (MODEL, EXPLAINER, EXPRESSION)
    out = xr.DataArray(
        heat,
        dims=(*cell, Y, X),
        name="heatmap",
        coords={
            MODEL: maps[MODEL].values,
            EXPLAINER: maps[EXPLAINER].values,
            EXPRESSION: list(BASIC_EXPRESSIONS),
            "n": (cell, n),
            "left_out": (cell, left_out),
            "coverage": (cell, coverage),
            **{f"n_{flag}": (cell, count) for flag, count in carried.items()},
            "role": (EXPLAINER, np.array(roles(maps))),
        },
        attrs={
            "frame": str(maps.attrs.get("frame", "")),
            "by": by,
            "normalise": normalise,
            "target": str(maps.attrs.get("target", "predicted")),
            "policy": policy(by, normalise, _texts(leave_out)),
            **({"leave_out": ", ".join(_texts(leave_out))} if _texts(leave_out) else {}),
            **{k: maps.attrs[k] for k in ("seed", "package_version", "options", "target_space") if k in maps.attrs},
        },
    )
    if d is not None:
        out = out.assign_coords(domain=((Y, X), d))
    if "layer" in maps.coords and set(maps.coords["layer"].dims) <= {MODEL, EXPLAINER}:
        out = out.assign_coords(layer=maps.coords["layer"].variable)
    return out


def _texts(names: Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def policy(by: str, normalise: str, leave_out: Sequence[str] = ()) -> str:
    """The aggregation in one sentence, as global maps carry it."""
    who = {
        "predicted": "the network predicts it",
        "labelled": "its label says so",
        "correct": "the network predicts it and the label agrees",
    }[by]
    scale = {
        "max": "divided by its maximum",
        "none": "as it is",
        "sum": "divided by its sum",
        "min-max": "(signed, in place of the positive part) stretched to [0, 1]",
    }[normalise]
    return (
        f"An image enters an expression when {who}; the positive part of its map, {scale}, is averaged over images, "
        "and the mean is stretched to [0, 1] inside the domain; constant and failed maps "
        + (f"and maps of {' and '.join(leave_out)} faces " if leave_out else "")
        + "are left out and counted."
    )

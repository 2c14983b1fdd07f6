"""Faces × explainers for one network, on one scale."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workbench.canonical import CanonicalFace, load_frame
from workbench.errors import UnknownNameError, UsageError
from workbench.faces.faceset import FaceSet
from workbench.figures import theme
from workbench.figures.outlines import edges, scaled_features
from workbench.figures.overlay import SCALE, displayed
from workbench.figures.placing import blend, resized, scale_colours
from workbench.figures.sheet import Sheet
from workbench.heatmaps.predictions import said_probability
from workbench.vocabulary import LAYER, TARGET


@theme.themed
def overlay_grid(
    maps: xr.DataArray,
    faces: FaceSet | None = None,
    model: str | None = None,
    *,
    images: Sequence[str] | None = None,
    explainers: Sequence[str] | None = None,
    unrecognised: Collection[tuple[str, str]] = (),
    opacity: float = 0.75,
    threshold: float | None = None,
    frame: CanonicalFace | None = None,
    tile: int = 96,
) -> Figure:
    """One network's heatmaps: a row for each face, a column for each explainer, the photograph first.

    `maps` (model, explainer, image, y, x) are canonical; with `faces` each is drawn back on its photograph, without
    it on the canonical face. Every tile runs from the map's lowest value inside the face, at least 0, to its highest
    (`displayed`), so that one scale from 0 to 1 serves the sheet. Beside each face: what the network says, its
    probability, the label if known, and what the heat explains where that is something else. A pair (model,
    expression) of `unrecognised` puts a dagger behind that answer. `threshold` in [0, 1] draws that level as a contour.
    Raises UnknownNameError for an image that is not in `maps`, UsageError for several layers or targets.
    """
    for dimension in (LAYER, TARGET):
        if dimension in maps.dims:
            first_of = str(maps[dimension].values[0])
            raise UsageError(f"one sheet shows one {dimension}; select it with maps.sel({dimension}={first_of!r})")
    models = [str(m) for m in maps["model"].values]
    if model is not None and model not in models:
        raise UnknownNameError("network", model, models)
    row_of = models.index(model) if model is not None else 0
    said = said_probability(maps)[row_of] if "predicted" in maps.coords else None
    maps = maps.isel(model=row_of)
    known = [str(name) for name in maps["image"].values]
    names = list(images) if images is not None else known[:12]
    for name in names:
        if name not in known:
            raise UnknownNameError("image", name, known)
    chosen = list(explainers) if explainers is not None else [str(e) for e in maps["explainer"].values]
    frame = frame or load_frame(str(maps.attrs.get("frame", "mediapipe478")))
    size = (maps.sizes["y"], maps.sizes["x"])
    domain = frame.domain if frame.domain.shape == size else None
    doubtful = {e for m, e in unrecognised if m == models[row_of]} if "predicted" in maps.coords else set()
    first = 1 if faces is not None else 0
    height = tile if faces is not None else tile * size[0] / size[1]
    sheet = Sheet(len(names), len(chosen) + first, (tile, height), left=150, under=0, gap=6, top=44)
    for column, explainer in enumerate(chosen):
        sheet.column_name(column + first, theme.readable(explainer))
    if faces is not None:
        sheet.column_name(0, "photograph")
    for row, name in enumerate(names):
        face = maps.isel(image=known.index(name))
        probability = said[known.index(name)] if said is not None else np.nan
        sheet.row_name(row, name, _verdict(face, probability, doubtful))
        values = face.sel(explainer=chosen).transpose("explainer", "y", "x").values
        values = np.stack([displayed(one, domain=domain) for one in values])
        picture = None
        if faces is not None:
            picture, values = _on_photograph(faces, name, values, frame, round(1.5 * tile))
            sheet.image(row, 0, picture)
        for column, explainer in enumerate(chosen):
            status = str(face["status"].sel(explainer=explainer).values) if "status" in face.coords else "ok"
            if status not in ("ok", "") or not np.isfinite(values[column]).any():
                sheet.empty(row, column + first, status if status not in ("ok", "") else "no data")
            else:
                _tile(sheet, row, column + first, values[column], picture, frame, opacity, threshold)
    sheet.colour_bar(SCALE, colours=scale_colours(opacity) if faces is not None else None)
    if any(str(maps["predicted"].values[known.index(name)]) in doubtful for name in names if doubtful):
        sheet.footnote(f"{theme.NOT_RECOGNISED} this network does not recognise it on the labelled faces")
    return sheet.figure


def _verdict(face: xr.DataArray, probability: float, doubtful: set[str]) -> str:
    """What the network says of this face, in words; marked where it does not recognise what it says."""
    if "predicted" not in face.coords:
        return ""
    answer = str(face["predicted"].values)
    text = f"says {answer}{' ' + theme.NOT_RECOGNISED if answer in doubtful else ''}"
    if np.isfinite(probability):
        text += f" ({theme.number(float(probability))})"
    label = str(face["label"].values) if "label" in face.coords else ""
    text += f"\nlabelled {label}" if label else "\nno label"
    aim = str(face["explained"].values) if "explained" in face.coords else ""
    return f"{text}\nheat: {aim}" if aim and aim != answer else text


def _on_photograph(
    faces: FaceSet, name: str, values: np.ndarray, frame: CanonicalFace, side: int
) -> tuple[np.ndarray, np.ndarray]:
    """The photograph (side, side, 3) and the maps (K, side, side) drawn back on it."""
    names = faces.names
    if name not in names:
        raise UnknownNameError("face", name, names, "(the maps were made from other faces)")
    position = names.index(name)
    drawn_back = frame.unwarp(values, faces.landmarks[position], (side, side), faces.scheme)
    return resized(np.asarray(faces.images[position]), (side, side)), drawn_back


def _tile(
    sheet: Sheet,
    row: int,
    column: int,
    values: np.ndarray,
    picture: np.ndarray | None,
    frame: CanonicalFace,
    opacity: float,
    threshold: float | None,
) -> None:
    if picture is not None:
        shown = values
        sheet.image(row, column, blend(picture, shown, opacity))
    else:
        size = (values.shape[0], values.shape[1])
        shown = np.where(frame.domain, values, np.nan) if frame.domain.shape == size else values
        sheet.image(row, column, np.ma.masked_invalid(shown), cmap=theme.colour_map(), vmin=0, vmax=1)
        sheet.lines(row, column, scaled_features(frame, size), size, color=theme.FEATURE, linewidth=0.7, alpha=0.75)
    if threshold is not None:
        sheet.lines(
            row,
            column,
            edges(np.nan_to_num(shown) > threshold),
            (shown.shape[0], shown.shape[1]),
            color=theme.CONTOUR,
            linewidth=1.2,
            path_effects=theme.halo(2.6),
        )

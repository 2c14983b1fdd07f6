"""One face under every explainer of one network."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.canonical import load_frame
from workbench.errors import UnknownNameError, UsageError
from workbench.explainers import EXPLAINERS
from workbench.faces.faceset import FaceSet
from workbench.figures import theme
from workbench.figures.outlines import edges
from workbench.figures.overlay import displayed
from workbench.figures.placing import blend, grey, resized, scale_colours
from workbench.figures.sheet import Sheet
from workbench.heatmaps.predictions import said_probability

SIGNED: Final = "coolwarm"  # Moreland's diverging map: blue below 0, red above
SLIGHT: Final = 0.01  # a map whose lowest value is above this share of its highest, below 0, counts as unsigned
FINEST: Final = 64  # a finer map is averaged to this grid: the single pixels of a gradient would not be seen
FINE: Final = 6.4  # size of a reason inside a tile
GROUPS: Final = {
    "cam": "class activation",
    "attention": "attention",
    "gradient": "gradient",
    "perturbation": "perturbation",
    "control": "controls",
    "": "others",
}

Native = Mapping[tuple[str, ...], xr.DataArray]


@dataclass(frozen=True)
class Tile:
    """One explainer's map on the crop: values (h, w) raw, or None and why there is none; the layer it looked at."""

    explainer: str
    values: np.ndarray | None
    reason: str = ""
    layer: str = ""


@theme.themed
def explainer_gallery(
    maps: xr.DataArray | Native,
    faces: FaceSet,
    image: str | None = None,
    model: str | None = None,
    *,
    explainers: Sequence[str] | None = None,
    outline: tuple[str, np.ndarray] | None = None,
    opacity: float = 0.8,
    columns: int = 12,
    tile: int = 104,
) -> Figure:
    """The crop of one face, then a tile for each explainer of one network, in families.

    maps: what `explain` returned, on a canonical frame (drawn back on the face) or with frame="native"; without
    `layer` and `target`. image, model: the first ones unless named. A map with negative values is drawn from blue
    (−1) over clear (0) to red (1), as a share of its largest absolute value; any other from its lowest value (0) to
    its highest (1). Each tile has its own scale; maps finer than 64 × 64 are averaged to that first. An explainer
    that has no map is an empty tile with the reason. outline: (what it is, (h, w) bool on the crop), drawn as a
    contour in every tile.
    Raises UnknownNameError for a model, image or explainer that is not there.
    """
    if not isinstance(maps, xr.DataArray):
        model, image, tiles = _native(maps, faces, model, image)
        note = ""
    else:
        model, image, tiles = _canonical(maps, faces, model, image)
        note = _said(maps, model, image)
    if explainers is not None:
        for name in explainers:
            if name not in tiles:
                raise UnknownNameError("explainer", name, tiles)
        tiles = {name: tiles[name] for name in explainers}
    picture = np.asarray(faces.images[faces.names.index(image)])
    side = 2 * tile
    photograph = resized(picture, (side, side))
    contour = [] if outline is None else edges(resized(np.asarray(outline[1], float), (side, side)) > 0.5)
    rows = _rows(tiles, columns)
    sheet = Sheet(
        len(rows), columns, (float(tile), float(tile)), left=104, top=10, under=30, gap=8, bottom=50, right=12
    )
    sheet.image(0, 0, photograph)
    _rim(sheet, 0, 0, contour, side)
    sheet.caption(0, 0, image, 0.55, fontweight="bold", va="baseline")
    sheet.caption(0, 0, note, 1.3, fontsize=FINE, va="baseline")
    signed = unsigned = False
    for row, (name, members, shared) in enumerate(rows):
        if name:
            sheet.row_name(row, name, f"at {_short(shared, 15)}" if shared else "")
        for column, one in members:
            _label(sheet, row, column, one, "" if shared == one.layer else one.layer)
            if one.values is None or not np.isfinite(one.values).all():
                _refused(sheet, row, column, one.reason)
                continue
            values = resized(resized(one.values, _grid(one.values)), (side, side))
            if _is_signed(values):
                signed = True
                scaled = values / np.abs(values).max()
                sheet.image(row, column, signed_blend(photograph, scaled, opacity))
            else:
                unsigned = True
                sheet.image(row, column, blend(photograph, displayed(values), opacity))
            _rim(sheet, row, column, contour, side)
    _foot(sheet, signed, unsigned, opacity, outline[0] if outline is not None else "")
    return sheet.figure


def signed_blend(image: np.ndarray, heat: np.ndarray, opacity: float = 0.8) -> np.ndarray:
    """A grey photograph (h, w, 3) under heat in [−1, 1]: (h, w, 3) uint8; 0 is clear, from ±.5 it covers."""
    base = np.repeat(grey(image)[..., None], 3, axis=2)
    return (255 * _signed_over(base, heat, opacity) + 0.5).astype(np.uint8)


def _signed_over(base: np.ndarray, heat: np.ndarray, opacity: float) -> np.ndarray:
    known = np.nan_to_num(np.clip(heat, -1, 1), nan=0.0)
    cover = (opacity * np.clip(np.abs(known) / 0.5, 0, 1))[..., None]
    # the half of the map near its ends: its pale middle would hide the face and say nothing
    colours = matplotlib.colormaps[SIGNED](0.5 + np.sign(known) * (0.25 + 0.25 * np.abs(known)))[..., :3]
    return np.asarray(base * (1 - cover) + colours * cover)


def _grid(values: np.ndarray) -> tuple[int, int]:
    return min(values.shape[0], FINEST), min(values.shape[1], FINEST)


def _is_signed(values: np.ndarray) -> bool:
    return bool(values.min() < 0 and -values.min() > SLIGHT * values.max())


def group_of(explainer: str) -> str:
    """The group under which an explainer is shown: its family, attention apart from other CAMs, "" if unknown."""
    base = explainer.partition("@")[0].removeprefix("smooth(").removesuffix(")")
    try:
        value = EXPLAINERS[base].value
    except UnknownNameError:
        return ""
    if value.role == "control" or "@" in explainer:
        return "control"
    return "attention" if value.engine.endswith(".attention") else value.family


def _rows(tiles: Mapping[str, Tile], columns: int) -> list[tuple[str, list[tuple[int, Tile]], str]]:
    """(name of the group where it begins, (column, tile) of each member, the layer that all its tiles share)."""
    grouped: dict[str, list[Tile]] = {}
    for one in tiles.values():
        grouped.setdefault(group_of(one.explainer), []).append(one)
    rows: list[tuple[str, list[tuple[int, Tile]], str]] = []
    for group in sorted(grouped, key=list(GROUPS).index):
        members = grouped[group]
        layers = [one.layer for one in members if one.layer]
        shared = layers[0] if len(layers) > 1 and len(set(layers)) == 1 else ""
        first = 1 if not rows else 0  # the photograph stands before the first
        places = list(enumerate(members, first))
        for start in range(0, first + len(members), columns):
            part = [(place - start, one) for place, one in places if start <= place < start + columns]
            rows.append(("" if start else GROUPS[group], part, shared))
    return rows or [("", [], "")]


def _native(maps: Native, faces: FaceSet, model: str | None, image: str | None) -> tuple[str, str, dict[str, Tile]]:
    models = list(dict.fromkeys(key[0] for key in maps))
    model = _named("network", model, models)
    own = {key[1]: array for key, array in maps.items() if key[0] == model}
    if any(len(key) > 2 for key in maps) or any("target" in array.dims for array in own.values()):
        raise UsageError("the gallery shows one layer and one target; explain them without layers= and targets")
    image = _named("face", image, faces.names)
    tiles = {}
    for name, array in own.items():
        here = image in array["image"].values
        status = str(array["status"].sel(image=image).values) if here else "not computed"
        reason = str(array.attrs.get("reason", "")) or status
        values = array.sel(image=image).values if here and status in ("ok", "constant", "zero-gradient") else None
        if status in ("constant", "zero-gradient"):
            values = None
        tiles[name] = Tile(name, values, reason, str(array.attrs.get("layer", "")))
    return model, image, tiles


def _canonical(
    maps: xr.DataArray, faces: FaceSet, model: str | None, image: str | None
) -> tuple[str, str, dict[str, Tile]]:
    if {"layer", "target"} & set(maps.dims):
        raise UsageError("the gallery shows one layer and one target; take maps.sel(layer=…, target=…)")
    model = _named("network", model, [str(m) for m in maps["model"].values])
    image = _named("face", image, [name for name in faces.names if name in maps["image"].values])
    reasons = {
        one["explainer"]: one["reason"] for one in json.loads(maps.attrs.get("failures", "[]")) if one["model"] == model
    }
    frame = load_frame(str(maps.attrs.get("frame", "mediapipe478")))
    face = maps.sel(model=model, image=image)
    landmarks = faces.landmarks[faces.names.index(image)]
    tiles = {}
    for name in (str(e) for e in maps["explainer"].values):
        one = face.sel(explainer=name)
        status = str(one["status"].values) if "status" in one.coords else "ok"
        values = None
        if status == "ok" and np.isfinite(one.values).any():
            drawn = frame.unwarp(one.values[None], landmarks, (faces.size, faces.size), faces.scheme)[0]
            values = np.nan_to_num(drawn, nan=0.0)
        layer = str(one["layer"].values) if "layer" in one.coords else ""
        tiles[name] = Tile(name, values, reasons.get(name, status), layer)
    return model, image, tiles


def _named(kind: str, name: str | None, known: Sequence[str]) -> str:
    if not known:
        raise UsageError(f"there is no {kind} to show")
    if name is None:
        return known[0]
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return name


def _said(maps: xr.DataArray, model: str, image: str) -> str:
    if "predicted" not in maps.coords:
        return ""
    row, column = (list(maps[dim].values).index(name) for dim, name in (("model", model), ("image", image)))
    answer, probability = str(maps["predicted"].values[row, column]), said_probability(maps)[row, column]
    return f"says {answer}" + (f" ({theme.number(float(probability))})" if np.isfinite(probability) else "")


def _short(text: str, length: int) -> str:
    """The end of a long name, which is what tells layers apart."""
    return text if len(text) <= length else "…" + text[1 - length :]


def _label(sheet: Sheet, row: int, column: int, one: Tile, layer: str) -> None:
    characters = int(sheet.tile[0] / 6.3)
    words = textwrap.wrap(theme.readable(one.explainer), characters, break_on_hyphens=False)[:2]
    for line, text in enumerate(words):
        sheet.caption(row, column, text, 0.55 + 0.75 * line, va="baseline")
    if layer and len(words) == 1:
        sheet.caption(row, column, _short(layer, characters + 4), 1.25, fontsize=FINE, va="baseline")


def _rim(sheet: Sheet, row: int, column: int, contour: list[np.ndarray], side: int) -> None:
    sheet.lines(row, column, contour, (side, side), color=theme.CONTOUR, linewidth=0.9, path_effects=theme.halo(1.9))


def _refused(sheet: Sheet, row: int, column: int, reason: str) -> None:
    """An empty tile with what is missing: the reason up to its advice, wrapped."""
    x, y = sheet.corner(row, column)
    wide, high = sheet.tile
    sheet.axes.add_patch(
        Rectangle((x, y), wide, high, facecolor=theme.MISSING, edgecolor=theme.FAINT, linewidth=0.7, ls=(0, (3, 3)))
    )
    first = reason.partition("; ")[0]
    lines = textwrap.wrap(first, int(wide / 5.6))
    most = int(high / 12)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][:-1] + "…"]
    sheet.axes.text(
        x + wide / 2, y + high / 2, "\n".join(lines), ha="center", va="center", fontsize=FINE, color=theme.INK
    )


def _foot(sheet: Sheet, signed: bool, unsigned: bool, opacity: float, outlined: str) -> None:
    """One bar for each kind of map that is there, and what a tile's scale is."""
    x, y, width = sheet.left, sheet.foot + 8, 150.0
    bars = []
    if signed:
        heat = np.linspace(-1, 1, 129)
        colours = _signed_over(np.full((129, 3), 0.5), heat, opacity)
        bars.append((colours, "−1", "1", "map with negative values"))
    if unsigned:
        bars.append((scale_colours(opacity, 129), "0", "1", "map without: 0 = its lowest value"))
    for colours, low, high, what in bars:
        bar = sheet.axes.imshow(
            colours[None], extent=(x, x + width, y + 9, y), aspect="auto", interpolation="none", origin="upper"
        )
        bar.set_gid("colour-bar")
        for place, text, align in ((x, low, "left"), (x + width / 2, what, "center"), (x + width, high, "right")):
            if text != what:
                sheet.axes.text(place, y + 12, text, ha=align, va="top", fontsize=theme.SMALL, color=theme.INK)
        sheet.axes.text(x + width + 8, y + 4.5, what, ha="left", va="center", fontsize=theme.SMALL, color=theme.INK)
        x += width + 16 + 5.6 * len(what) + 14
    if outlined:
        sheet.axes.plot([x, x + 20], [y + 4.5] * 2, color=theme.CONTOUR, linewidth=1.4, path_effects=theme.halo(2.4))
        sheet.axes.text(x + 27, y + 4.5, outlined, ha="left", va="center", fontsize=theme.SMALL, color=theme.INK)
    caption = (
        f"Each tile has its own scale: 1 is its map's largest absolute value, on a grid of at most {FINEST} × {FINEST}."
    )
    sheet.axes.text(sheet.left, sheet.foot + 32, caption, ha="left", va="top", fontsize=theme.SMALL, color=theme.INK)
    sheet.axes.set_xlim(0, sheet.width)
    sheet.axes.set_ylim(sheet.height, 0)

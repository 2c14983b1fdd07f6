"""Every mask of a set on the canonical face and on faces of pictures, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from workbench.canonical import load_frame
from workbench.errors import UnknownNameError
from workbench.faces.faceset import FaceSet
from workbench.figures import theme
from workbench.figures.outlines import edges, scaled_features
from workbench.figures.placing import resized
from workbench.figures.sheet import Sheet
from workbench.masks import MaskSet
from workbench.vocabulary import ACTION_UNITS

_FILL = np.array([0.247, 0.53, 0.79])
_MARGIN = 0.08  # of the face's height, left free around it


@theme.themed
def mask_sheet(
    mask_set: MaskSet,
    faces: FaceSet | None = None,
    *,
    names: Sequence[str] | None = None,
    columns: int = 3,
    tile: int = 92,
) -> Figure:
    """A contact sheet: for each mask the canonical face, then every face of `faces` with the mask on it.

    names: which masks (all); columns: masks in a row; tile: width of a picture in hundredths of an inch. Masks are
    carried to the faces by their landmarks (`CanonicalFace.unwarp`); the outline of a soft map is at half its height.
    UnknownNameError for a name that the set has not.
    """
    frame = load_frame(mask_set.frame)
    size = (mask_set.maps.shape[1], mask_set.maps.shape[2])
    high = round(tile * size[0] / size[1])
    count = 0 if faces is None else len(faces)
    shown = _chosen(mask_set, names)
    cuts = [_cut(faces, index, size, mask_set) for index in range(count)] if faces is not None else []
    columns = max(1, min(columns, len(shown)))
    rows = -(-len(shown) // columns)
    sheet = Sheet(
        rows, columns * (1 + count), (float(tile), float(high)), left=12, top=8, gap=6, under=34, bottom=4, right=12
    )
    domain = mask_set.domain.values.astype(bool)
    outline = scaled_features(frame, size)
    for position, index in enumerate(shown):
        name = mask_set.names[index]
        row, column = divmod(position, columns)
        column *= 1 + count
        values = mask_set.maps.values[index]
        picture = np.zeros((*size, 4))
        picture[..., :3] = _FILL
        picture[..., 3] = np.where(domain, 0.06 + 0.74 * np.clip(values, 0, 1), 0)
        sheet.image(row, column, picture)
        sheet.lines(row, column, outline, size, color=theme.INK, linewidth=0.8)
        sheet.lines(row, column, edges(values >= 0.5), size, color=theme.OWN, linewidth=1.1)
        for k, (crop, drawn) in enumerate(cuts, start=1):
            mask = drawn[index][..., None]
            sheet.image(row, column + k, crop / 255 * (1 - 0.4 * mask) + 0.4 * mask * _FILL)
            sheet.lines(
                row,
                column + k,
                edges(drawn[index] >= 0.5),
                drawn[index].shape,
                color=theme.CONTOUR,
                linewidth=1.0,
            )
        _label(sheet, row, column, name, float(values[domain].mean()))
    return sheet.figure


def _chosen(mask_set: MaskSet, names: Sequence[str] | None) -> list[int]:
    for name in names or ():
        if name not in mask_set.names:
            raise UnknownNameError("mask", name, mask_set.names)
    return [mask_set.names.index(name) for name in (names or mask_set.names)]


def _cut(faces: FaceSet, index: int, size: tuple[int, int], mask_set: MaskSet) -> tuple[np.ndarray, np.ndarray]:
    """The face cut from its crop in the canvas's proportions, 3 times as fine, and the masks on it."""
    landmarks, side = faces.landmarks[index], faces.size
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    middle, tall = (low + high) / 2, float((high - low)[1])
    tall = max(tall, float((high - low)[0]) * size[0] / size[1]) * (1 + 2 * _MARGIN)
    half = np.array([tall * size[1] / size[0], tall]) / 2
    left, top = np.clip(np.floor((middle - half) * side), 0, side - 2).astype(int)
    right, bottom = np.clip(np.ceil((middle + half) * side), 2, side).astype(int)
    cut = faces.images[index][top:bottom, left:right]
    fine = (size[0], size[1])
    crop = resized(cut.astype(float), fine)
    shares = (landmarks * side - [left, top]) / [right - left, bottom - top]
    drawn = load_frame(mask_set.frame).unwarp(mask_set.maps.values, shares, fine, faces.scheme)
    return np.clip(crop, 0, 255), np.clip(np.nan_to_num(drawn), 0, 1)


def _label(sheet: Sheet, row: int, column: int, name: str, share: float) -> None:
    x, y = sheet.corner(row, column)
    digits = name.removeprefix("AU")
    title = f"{name} {ACTION_UNITS[int(digits)]}" if digits.isdigit() else theme.readable(name)
    sheet.axes.text(x, y + sheet.tile[1] + 5, title, va="top", fontsize=theme.SIZE, color=theme.INK)
    area = f"{theme.number(share, 3)} of the face"
    sheet.axes.text(x, y + sheet.tile[1] + 19, area, va="top", fontsize=theme.SMALL, color=theme.INK)

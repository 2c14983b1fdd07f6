"""A mask set at a glance, drawn on the canonical face."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from workbench.canonical import CanonicalFace, load_frame
from workbench.figures import theme
from workbench.figures.outlines import edges, scaled_features
from workbench.figures.sheet import Sheet
from workbench.masks import MaskSet
from workbench.vocabulary import ACTION_UNITS


@theme.themed
def masks(mask_set: MaskSet, *, columns: int = 6, frame: CanonicalFace | None = None, tile: int = 104) -> Figure:
    """A contact sheet: every mask of the set on the canonical face, with its share of the domain.

    Binary masks and soft maps (0–1) share one scale; a soft map's half-height is its outline.
    """
    frame = frame or load_frame(mask_set.frame)
    size = (mask_set.maps.shape[1], mask_set.maps.shape[2])
    names = mask_set.names
    columns = max(1, min(columns, len(names)))
    rows = -(-len(names) // columns)
    sheet = Sheet(
        rows,
        columns,
        (float(tile), tile * size[0] / size[1]),
        left=16,
        top=8,
        gap=16,
        under=52 if mask_set.dimension == "au" else 38,
        bottom=4,
        right=16,
    )
    domain = mask_set.domain.values.astype(bool)
    outline = scaled_features(frame, size)
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        values = mask_set.maps.values[index]
        picture = np.zeros((*size, 4))
        picture[..., :3] = np.array([0.247, 0.53, 0.79])
        picture[..., 3] = np.where(domain, 0.06 + 0.74 * np.clip(values, 0, 1), 0)
        sheet.image(row, column, picture)
        sheet.lines(row, column, outline, size, color=theme.INK, linewidth=0.8)
        sheet.lines(row, column, edges(values >= 0.5), size, color=theme.OWN, linewidth=1.1)
        title, note = _title(name)
        sheet.caption(row, column, title, fontsize=theme.SIZE)
        share = float(values[domain].mean()) if domain.any() else np.nan
        below = f"{theme.number(share)} of the face"
        sheet.caption(row, column, f"{note}\n{below}" if note else below, line=1)
    return sheet.figure


def _title(name: str) -> tuple[str, str]:
    """The name of a mask, and what the action unit is called."""
    digits = name.upper().removeprefix("AU")
    if digits.isdigit() and int(digits) in ACTION_UNITS:
        return f"AU{digits}", ACTION_UNITS[int(digits)]
    return theme.readable(name), ""

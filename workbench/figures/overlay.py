"""One face under one heatmap."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workbench.canonical import CanonicalFace
from workbench.figures import theme
from workbench.figures.outlines import edges
from workbench.figures.placing import blend, resized, scale_colours
from workbench.figures.sheet import Sheet

SCALE = "0 = the map's lowest value, at least no support; 1 = its highest"


def displayed(
    heat: np.ndarray, limits: tuple[float, float] | None = None, domain: np.ndarray | None = None
) -> np.ndarray:
    """A heatmap on [0, 1]: from its lowest value, or from 0 where that is negative, to its highest (`SCALE`).

    So what speaks against the class is 0, and a map that is positive everywhere (RISE) shows its differences, not its
    offset. `domain` (boolean, the shape of `heat`) is where lowest and highest are sought. `limits` = (low, high)
    is mapped to [0, 1] instead. NaN stays NaN; a map without positive values becomes 0, one that is flat becomes 1.
    """
    values = np.asarray(heat, np.float64)
    if limits is not None:
        low, high = limits
        return np.clip((values - low) / (high - low if high > low else 1.0), 0, 1)
    inside = values if domain is None else values[np.asarray(domain, bool)]
    inside = inside[np.isfinite(inside)]
    top = float(inside.max()) if inside.size else 0.0
    if top <= 0:
        return np.where(np.isfinite(values), 0.0, np.nan)
    low = max(0.0, float(inside.min()))
    if top <= low:
        low = 0.0
    return np.clip((values - low) / (top - low), 0, 1)


@theme.themed
def overlay(
    image: np.ndarray,
    heat: np.ndarray | xr.DataArray,
    *,
    landmarks: np.ndarray | None = None,
    frame: CanonicalFace | None = None,
    opacity: float = 0.75,
    threshold: float | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    caption: str = "",
    side: int = 320,
    colour_bar: bool = True,
) -> Figure:
    """A photograph (h, w, 3) uint8 under a heatmap, with a colour bar.

    `heat` is (h', w') of any resolution that covers the photograph (a raw 7×7 CAM included); or a map on the
    canonical face, if `landmarks` (P, 2; shares of the photograph's side) and its `frame` are given: it is then
    drawn back on this face. A photograph that was itself warped onto the canonical face needs neither.
    `opacity` in [0, 1]; `threshold` in [0, 1] of the displayed scale draws that level as a contour.
    `limits` (low, high) of the raw values makes several overlays share one scale; without it, the map has its own
    (`displayed`, inside the face where the frame is known).
    """
    values = heat.values if isinstance(heat, xr.DataArray) else np.asarray(heat)
    shown = displayed(values, limits, frame.domain if frame and frame.domain.shape == values.shape else None)
    height = round(side * image.shape[0] / image.shape[1])
    if landmarks is not None and frame is not None:
        shown = frame.unwarp(shown[None], landmarks, (height, side))[0]
    else:
        shown = resized(shown, (height, side))
    sheet = Sheet(
        1,
        1,
        (side, height),
        left=10,
        top=24 if title else 6,
        under=22 if caption else 2,
        bottom=(70 if limits is None else 56) if colour_bar else 4,
        gap=0,
        minimum_width=side + 20,
    )
    sheet.image(0, 0, blend(resized(np.asarray(image), (height, side)), shown, opacity))
    if threshold is not None:
        sheet.lines(
            0,
            0,
            edges(np.nan_to_num(shown) > threshold),
            (height, side),
            color=theme.CONTOUR,
            linewidth=1.6,
            path_effects=theme.halo(),
        )
    if title:
        sheet.axes.text(10 + side / 2, 13, title, ha="center", va="center", fontsize=theme.TITLE, color=theme.INK)
    if caption:
        sheet.caption(0, 0, caption)
    if colour_bar:
        low, high = ("0", "1") if limits is None else (f"{limits[0]:.3g}", f"{limits[1]:.3g}")
        sheet.colour_bar(
            SCALE.replace("; ", ";\n") if limits is None else "raw value", low, high, scale_colours(opacity)
        )
    return sheet.figure

"""Shapes of a `maskset.toml` as outlines in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from workbench.errors import UsageError
from workbench.masks.points import Points
from workbench.masks.shapes import filled_triangle, grown, hull

KINDS: Final[dict[str, tuple[type, ...]]] = {
    "triangles": (str,),
    "polygon": (list,),
    "hull": (list,),
    "line": (list,),
    "ellipse": (str, int),
    "square": (str, int),
    "same_as": (str,),
    "mirror_of": (str,),
}
REFERENCES: Final = ("same_as", "mirror_of")
INSIDE: Final = -1.0  # radius of an outline of which only the inside counts
_ANGLES: Final = 2 * np.pi * np.arange(64) / 64
_ROUND: Final = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
_CORNERS: Final = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Outline:
    """A polygon (closed) or line (n, 2) in pixels and all within `radius` of it; centre and slope of a pyramid."""

    vertices: np.ndarray
    radius: float = 0.0
    closed: bool = True
    centre: np.ndarray | None = None
    corners: bool = False  # a triangle, filled with its border pixels


def outlines(shape: dict[str, Any], points: Points) -> list[Outline]:
    """What a shape is on the points' place. KeyError for an unknown point, UsageError for a malformed triangle."""
    if "triangles" in shape:
        found = []
        for triangle in shape["triangles"].split():
            names = triangle.split("-")
            if len(names) != 3:
                raise UsageError(f"{triangle!r} is no triangle; write a-b-c")
            found.append(Outline(np.stack([points[name] for name in names]), corners=True))
        return found
    grow = points.length(shape.get("grow", 0)) + 0.5 * points.whole  # OpenCV fills border pixels too
    if "ellipse" in shape or "square" in shape:
        kind = "ellipse" if "ellipse" in shape else "square"
        centre = points[shape[kind]]
        half = [points.length(part) for part in (shape["radii"] if kind == "ellipse" else [shape["half"]] * 2)]
        if kind == "square":
            return [Outline(centre + (_CORNERS * half) @ points.turn, grow, centre=centre)]
        return [Outline(centre + (_ROUND * (np.array(half) + grow)) @ points.turn, INSIDE, centre=centre)]
    kind = next(kind for kind in ("polygon", "hull", "line") if kind in shape)
    vertices = np.stack([points[name] for name in shape[kind]])
    return [Outline(hull(vertices) if kind == "hull" else vertices, grow, closed=kind != "line")]


def filled(shapes: list[Outline], size: tuple[int, int], scale: int = 1, pad: int = 0) -> np.ndarray:
    """The union of outlines, bool, on the grid of `size` (h, w) with `pad` pixels around, `scale` times finer."""
    grid = (scale * (size[0] + 2 * pad), scale * (size[1] + 2 * pad))
    out = np.zeros(grid, dtype=bool)
    for shape in shapes:
        vertices = (shape.vertices + 0.5 + pad) * scale - 0.5
        if shape.corners:
            out |= filled_triangle(vertices, grid)
        else:
            out |= grown(vertices, grid, shape.radius * scale, closed=shape.closed)
    return out

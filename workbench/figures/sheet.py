"""A sheet of equal tiles on one Axes: rows, columns, captions, one colour bar."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from workbench.figures import theme

PER_INCH = 100.0


class Sheet:
    """Tiles of `tile` = (width, height) in hundredths of an inch; the y axis points down, units are the same.

    Every tile shows an array in its own pixel coordinates; lines are given in those coordinates too.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        tile: tuple[float, float],
        *,
        left: float = 110,
        top: float = 34,
        under: float = 18,
        gap: float = 8,
        bottom: float = 62,
        right: float = 10,
        minimum_width: float = 330,
    ) -> None:
        self.rows, self.columns, self.tile = rows, columns, tile
        self.left, self.top, self.under, self.gap = left, top, under, gap
        body = left + columns * tile[0] + max(columns - 1, 0) * gap
        self.width = max(body + right, minimum_width)
        self.body_end = body
        self.foot = top + rows * (tile[1] + under + gap)
        self.height = self.foot + bottom
        self.figure: Figure = theme.new_figure(self.width / PER_INCH, self.height / PER_INCH)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1), facecolor="none")
        self.axes.set_axis_off()
        self.axes.set_autoscale_on(False)
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(self.height, 0)

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Upper left corner of a tile."""
        return (self.left + column * (self.tile[0] + self.gap), self.top + row * (self.tile[1] + self.under + self.gap))

    def image(self, row: int, column: int, values: np.ndarray, **options: Any) -> AxesImage:
        """An array (h, w) or (h, w, 3 or 4) in the tile; `options` as imshow's (cmap, vmin, vmax)."""
        x, y = self.corner(row, column)
        shown = self.axes.imshow(
            values,
            extent=(x, x + self.tile[0], y + self.tile[1], y),
            interpolation="none",
            aspect="auto",
            origin="upper",
            **options,
        )
        shown.set_gid(f"tile-{row}-{column}")
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(self.height, 0)
        return shown

    def lines(self, row: int, column: int, lines: Iterable[np.ndarray], size: tuple[int, int], **options: Any) -> None:
        """Polylines (K, 2) x, y in pixels of an array of `size` (height, width); pixel (0, 0) is centred on 0, 0."""
        x, y = self.corner(row, column)
        across, down = self.tile[0] / size[1], self.tile[1] / size[0]
        pieces = [np.vstack([line, [[np.nan, np.nan]]]) for line in lines]
        if pieces:  # one artist for all of them: a page holds thousands
            joined = np.vstack(pieces)[:-1]
            self.axes.plot(
                x + (joined[:, 0] + 0.5) * across, y + (joined[:, 1] + 0.5) * down, solid_joinstyle="round", **options
            )

    def caption(self, row: int, column: int, text: str, line: float = 0, **options: Any) -> None:
        """A line of text under a tile."""
        x, y = self.corner(row, column)
        self.axes.text(
            x + self.tile[0] / 2,
            y + self.tile[1] + 4 + 16 * line,
            text,
            ha="center",
            **{"va": "top", "fontsize": theme.SMALL, "color": theme.INK, **options},
        )

    def empty(self, row: int, column: int, text: str) -> None:
        """A tile without data: a faint frame and the reason, in words."""
        x, y = self.corner(row, column)
        self.axes.add_patch(
            Rectangle(
                (x, y), *self.tile, facecolor=theme.MISSING, edgecolor=theme.FAINT, linewidth=0.7, linestyle=(0, (3, 3))
            )
        )
        wrapped = textwrap.fill(text, max(8, int(self.tile[0] / 7.2)))
        self.axes.text(
            x + self.tile[0] / 2,
            y + self.tile[1] / 2,
            wrapped,
            ha="center",
            va="center",
            fontsize=theme.SMALL,
            color=theme.INK,
        )

    def row_name(self, row: int, text: str, note: str = "") -> None:
        """The name of a row, at its left, with a smaller note below."""
        y = self.corner(row, 0)[1] + self.tile[1] / 2
        characters = max(8, int((self.left - 12) / 7.4))
        name = textwrap.fill(text, characters)
        self.axes.text(
            self.left - 8,
            y - (7 if note else 0),
            name,
            ha="right",
            va="bottom" if note else "center",
            fontsize=theme.SIZE,
            color=theme.INK,
        )
        if note:
            wrapped = "\n".join(textwrap.fill(line, characters + 3) for line in note.split("\n"))
            self.axes.text(self.left - 8, y - 3, wrapped, ha="right", va="top", fontsize=theme.SMALL, color=theme.INK)

    def column_name(self, column: int, text: str) -> None:
        """The name of a column, above the first row."""
        x, y = self.corner(0, column)
        wrapped = textwrap.fill(text, max(8, int((self.tile[0] + self.gap) / 7.2)))
        self.axes.text(
            x + self.tile[0] / 2, y - 6, wrapped, ha="center", va="bottom", fontsize=theme.SIZE, color=theme.INK
        )

    def colour_bar(self, label: str, low: str = "0", high: str = "1", colours: np.ndarray | None = None) -> None:
        """The sheet's one scale, below the tiles; `colours` (K, 3) where it is not the plain heat map."""
        width = min(180.0, self.body_end - self.left) if self.columns > 1 else 150.0
        x, y = (self.left if self.left + width <= self.width else 20.0), self.foot + 12
        if colours is None:
            colours = matplotlib.colormaps[theme.HEAT](np.linspace(0, 1, 128))[:, :3]
        bar = self.axes.imshow(
            np.asarray(colours)[None],
            extent=(x, x + width, y + 9, y),
            aspect="auto",
            interpolation="none",
            origin="upper",
        )
        bar.set_gid("colour-bar")
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(self.height, 0)
        for place, text in ((x, low), (x + width, high)):
            self.axes.text(place, y + 13, text, ha="center", va="top", fontsize=theme.SMALL, color=theme.INK)
        self.axes.text(x - 3, y + 28, label, ha="left", va="top", fontsize=theme.SMALL, color=theme.INK)

    def footnote(self, text: str) -> None:
        """What a mark means, at the right end of the sheet's last line."""
        self.axes.text(
            self.width - 10,
            self.foot + 46,
            text,
            ha="right",
            va="top",
            fontsize=theme.SMALL,
            color=theme.INK,
        )

    def key(self, text: str, colour: str = theme.CONTOUR) -> None:
        """What the contour means, beside the colour bar."""
        width = min(180.0, self.body_end - self.left) if self.columns > 1 else 150.0
        x, y = self.left + width + 30, self.foot + 16
        self.axes.plot([x, x + 20], [y, y], color=colour, linewidth=1.6, path_effects=theme.halo())
        self.axes.text(x + 27, y, text, ha="left", va="center", fontsize=theme.SMALL, color=theme.INK)

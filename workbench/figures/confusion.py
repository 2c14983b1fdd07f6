"""What each network calls each labelled expression, in counts."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from workbench.figures import theme


@theme.themed
def confusion(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str], *, title: str = "") -> Figure:
    """Counts of faces: rows are labels, columns predictions, both in the order of `classes`; n at each row.

    `labels` and `predicted` are one entry a face; faces without a label ("") are left out. The diagonal is outlined;
    colour is the share of the row.
    """
    pairs = [(a, b) for a, b in zip(labels, predicted, strict=True) if a]
    rows = [c for c in classes if any(a == c for a, _ in pairs)]
    columns = list(classes)
    counts = np.array([pairs.count((a, b)) for a in rows for b in columns], int).reshape(len(rows), len(columns))
    cell = 0.36
    head = 0.68 + (0.3 if title else 0.0)
    figure = theme.new_figure(1.95 + cell * len(columns), 0.1 + head + cell * max(len(rows), 1))
    axes = theme.axes(figure, 1.45, 0.1, cell * len(columns), cell * max(len(rows), 1))
    colours = matplotlib.colormaps[theme.COUNT]
    for i, name in enumerate(rows):
        total = int(counts[i].sum())
        for j, other in enumerate(columns):
            share = counts[i, j] / total
            axes.add_patch(
                Rectangle((j, i), 1, 1, facecolor=colours(share) if counts[i, j] else theme.MISSING, edgecolor="none")
            )
            if counts[i, j]:
                axes.text(
                    j + 0.5,
                    i + 0.5,
                    str(counts[i, j]),
                    ha="center",
                    va="center",
                    fontsize=theme.SIZE,
                    color=theme.text_on(colours(share)),
                )
            if name == other:
                axes.add_patch(
                    Rectangle((j + 0.03, i + 0.03), 0.94, 0.94, fill=False, edgecolor=theme.INK, linewidth=1.3)
                )
    axes.set_xlim(0, len(columns))
    axes.set_ylim(max(len(rows), 1), 0)
    names = [f"{name} (n = {int(row.sum())})" for name, row in zip(rows, counts, strict=True)]
    axes.set_yticks(np.arange(len(rows)) + 0.5, names)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=40, ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if not rows:
        axes.text(len(columns) / 2, 0.5, "no labelled face", ha="center", va="center", color=theme.INK)
    if title:
        height = figure.get_size_inches()[1]
        figure.text(0.02, 1 - 0.06 / height, title, ha="left", va="top", fontsize=theme.TITLE, color=theme.INK)
    return figure

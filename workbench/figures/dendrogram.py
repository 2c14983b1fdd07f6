"""Which networks look alike: an average-linkage tree with the support of its branches."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.figures import theme


@theme.themed
def dendrogram(
    labels: Sequence[str],
    linkage: np.ndarray,
    *,
    support: Sequence[float] | None = None,
    reason: str = "",
    unrecognised: Collection[str] = (),
    maximum: float | None = None,
    title: str = "",
    width: float = 3.6,
) -> Figure:
    """A tree from SciPy's linkage matrix (leaves − 1, 4), leaves at the left, distances to the right.

    `support` gives each merge its share (0–1) of resamples that hold the same group; without it, `reason` is
    printed. Leaves in `unrecognised` are marked with a dagger. `maximum` makes several trees share one axis
    0–maximum; distances are 1 − correlation.
    """
    tree = np.asarray(linkage, float).reshape(-1, 4)
    count = len(labels)
    top = maximum if maximum is not None else (float(tree[:, 2].max()) if len(tree) else 1.0)
    note = "blue: support of the branch" if support is not None else f"support unavailable: {reason or 'not computed'}"
    note = textwrap.fill(note, int(width * 100 / 5.9))
    foot = 0.45 + 0.15 * (note.count("\n") + 1)
    figure = theme.new_figure(width, 0.22 * max(count, 1) + 0.45 + foot)
    axes = theme.axes(figure, 1.35, foot, width - 1.6, 0.22 * max(count, 1) + 0.1)
    heights, positions, order = _branches(tree, count)
    for row, (a, b, height, _) in enumerate(tree):
        first, second = positions[int(a)], positions[int(b)]
        axes.plot(
            [heights[int(a)], height, height, heights[int(b)]],
            [first, first, second, second],
            color=theme.INK,
            linewidth=1.3,
            solid_joinstyle="miter",
        )
        if support is not None and np.isfinite(support[row]):
            axes.text(
                height - 0.012 * top,
                positions[count + row],
                theme.number(float(support[row])),
                ha="right",
                va="center",
                fontsize=theme.SMALL - 0.5,
                color=theme.OWN,
                fontweight="bold",
            )
    names = [f"{n} {theme.NOT_RECOGNISED}" if n in unrecognised else n for n in (str(labels[i]) for i in order)]
    _finish(axes, names, top)
    inches = figure.get_size_inches()[1]
    figure.text(0.1 / width, 0.06 / inches, note, fontsize=theme.SMALL, color=theme.INK, va="bottom")
    if title:
        figure.text(0.1 / width, 1 - 0.08 / inches, title, fontsize=theme.TITLE, color=theme.INK, va="top")
    return figure


def _branches(tree: np.ndarray, count: int) -> tuple[list[float], list[float], list[int]]:
    """Height and position on the leaf axis of every leaf and merge, and the leaves from top to bottom."""
    members: list[list[int]] = [[leaf] for leaf in range(count)]
    for a, b, _, _ in tree:
        members.append(members[int(a)] + members[int(b)])
    order = members[-1] if len(tree) else list(range(count))
    positions: list[float] = [float(order.index(leaf)) for leaf in range(count)]
    heights = [0.0] * count
    for a, b, height, _ in tree:
        positions.append((positions[int(a)] + positions[int(b)]) / 2)
        heights.append(float(height))
    return heights, positions, order


def _finish(axes: Axes, names: list[str], top: float) -> None:
    axes.set_xlim(0, top * 1.04 if top > 0 else 1.0)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("1 − correlation", fontsize=theme.SMALL, color=theme.INK, labelpad=2)
    axes.locator_params(axis="x", nbins=4)
    ticks = [t for t in axes.get_xticks() if 0 <= t <= top * 1.04]
    axes.set_xticks(ticks, ["0" if t == 0 else theme.number(t, 2).rstrip("0").rstrip(".") or "0" for t in ticks])

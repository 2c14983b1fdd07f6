"""Which networks look alike: a tree with a number at every branch, and what that number is."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workbench.comparison import Clustering, Tree
from workbench.errors import UnknownNameError, UsageError
from workbench.figures import theme
from workbench.figures.branch_numbers import Numbers, numbers_of, placed

ROW: Final = 0.26  # inches a leaf
_LEFT, _RIGHT = 1.35, 0.25
_CHARACTER: Final = 0.059
SCALES: Final = ("root", "linear")
PUBLISHED_WORDS: Final = "1 − correlation"


@theme.themed
def dendrogram(
    labels: Sequence[str],
    linkage: np.ndarray,
    *,
    support: Sequence[float] | None = None,
    reason: str = "",
    numbers: Numbers | None = None,
    order: Sequence[int] = (),
    words: str = PUBLISHED_WORDS,
    unrecognised: Collection[str] = (),
    maximum: float | None = None,
    scale: str = "root",
    title: str = "",
    width: float = 3.6,
) -> Figure:
    """A tree from SciPy's linkage matrix (leaves − 1, 4), leaves at the left, distances to the right.

    `support` gives each merge its share (0–1) of resamples that hold the same group; without it, `reason` is
    printed. `numbers` (`numbers_of` a tree) takes the place of both. `order`: leaves from top to bottom, a tree's
    `leaf_order`; the linkage's own otherwise. Leaves in `unrecognised` are marked with a dagger. `maximum` makes
    several trees share one axis 0–maximum; `words` names it. scale: `root` spreads the low merges, where most branches
    are, and the axis says so; `linear` does not. Raises UnknownNameError for another scale.
    """
    tree = np.asarray(linkage, float).reshape(-1, 4)
    count = max(len(labels), 1)
    if numbers is None:
        numbers = _plain_numbers(tree, support, reason)
    note = textwrap.fill(numbers.note, int(width / _CHARACTER))
    foot = 0.5 + 0.15 * (note.count("\n") + 1)
    figure = theme.new_figure(width, ROW * count + 0.45 + foot)
    axes = theme.axes(figure, _LEFT, foot, width - _LEFT - _RIGHT, ROW * count + 0.1)
    _draw(axes, labels, tree, numbers, order, words, unrecognised, maximum, scale)
    inches = figure.get_size_inches()[1]
    figure.text(0.1 / width, 0.06 / inches, note, fontsize=theme.SMALL, color=theme.INK, va="bottom")
    if title:
        figure.text(0.1 / width, 1 - 0.08 / inches, title, fontsize=theme.TITLE, color=theme.INK, va="top")
    return figure


@theme.themed
def dendrograms(
    trees: Clustering | Mapping[str, Tree],
    *,
    columns: int = 2,
    unrecognised: Collection[tuple[str, str]] = (),
    scale: str = "root",
    width: float = 4.9,
) -> Figure:
    """All trees of a clustering on one sheet, one panel an expression, on one axis, with their numbers explained.

    `unrecognised`: (network, expression) pairs, marked with a dagger. `width`: inches a panel. Expressions without a
    tree say why. Raises UsageError where there is no tree at all.
    """
    if not isinstance(trees, Clustering | Mapping):
        raise UsageError(f"dendrograms are drawn of what cluster(…) returns, not of {type(trees).__name__}")
    given = dict(trees.expressions if isinstance(trees, Clustering) else trees)
    words = trees.words if isinstance(trees, Clustering) else PUBLISHED_WORDS
    if not any(len(tree.linkage) for tree in given.values()):
        raise UsageError("there is no tree to draw; the reasons stand in each tree's `reason`")
    columns = max(1, min(columns, len(given)))
    rows = -(-len(given) // columns)
    numbers = {name: numbers_of(tree) for name, tree in given.items() if len(tree.linkage)}
    notes = dict.fromkeys(each.note for each in numbers.values())
    said = next(iter(notes)) if len(notes) == 1 else ""
    sheet = width * columns
    foot_note = textwrap.fill(said, int(sheet / _CHARACTER)) if said else ""
    own = (
        {} if said else {name: textwrap.fill(each.note, int(width / _CHARACTER) - 2) for name, each in numbers.items()}
    )
    more = max((text.count("\n") + 1 for text in own.values()), default=0)
    leaves = max(len(tree.labels) for tree in given.values())
    panel = 0.3 + ROW * leaves + 0.1 + 0.55 + 0.15 * more
    foot = 0.02 + 0.16 * (foot_note.count("\n") + 1) if foot_note else 0.1
    height = panel * rows + foot
    top = max(float(tree.linkage[:, 2].max()) for tree in given.values() if len(tree.linkage))
    figure = theme.new_figure(sheet, height)
    for k, (name, tree) in enumerate(given.items()):
        left, high = (k % columns) * width, height - (k // columns) * panel
        size = ROW * max(len(tree.labels), 1) + 0.1
        figure.text((left + 0.1) / sheet, (high - 0.05) / height, name, fontsize=theme.TITLE, color=theme.INK, va="top")
        if not len(tree.linkage):
            why = textwrap.fill(f"no tree: {tree.reason}", int(width / _CHARACTER) - 2)
            figure.text(
                (left + 0.1) / sheet, (high - 0.4) / height, why, fontsize=theme.SMALL, color=theme.INK, va="top"
            )
            continue
        axes = theme.axes(figure, left + _LEFT, high - 0.3 - size, width - _LEFT - _RIGHT, size)
        marked = {network for network, expression in unrecognised if expression == name}
        _draw(axes, tree.labels, tree.linkage, numbers[name], tree.leaf_order, words, marked, top, scale)
        if np.isfinite(tree.cophenetic):
            fit = f"cophenetic correlation {theme.number(tree.cophenetic, 3)}"
            end = (left + width - _RIGHT) / sheet
            figure.text(end, (high - 0.09) / height, fit, fontsize=theme.SMALL, color=theme.INK, va="top", ha="right")
        if name in own:
            at = (high - 0.3 - size - 0.42) / height
            figure.text((left + 0.1) / sheet, at, own[name], fontsize=theme.SMALL, color=theme.INK, va="top")
    if foot_note:
        figure.text(0.1 / sheet, 0.06 / height, foot_note, fontsize=theme.SMALL, color=theme.INK, va="bottom")
    return figure


def _plain_numbers(tree: np.ndarray, support: Sequence[float] | None, reason: str) -> Numbers:
    if support is None:
        return Numbers(("",) * len(tree), f"support unavailable: {reason or 'not computed'}", theme.INK)
    shown = tuple(theme.number(float(s)) if np.isfinite(s) else "" for s in support)
    return Numbers(shown, "blue: support of the branch", theme.OWN)


def _draw(
    axes: Axes,
    labels: Sequence[str],
    linkage: np.ndarray,
    numbers: Numbers,
    order: Sequence[int],
    words: str,
    unrecognised: Collection[str],
    maximum: float | None,
    scale: str,
) -> None:
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, SCALES)
    tree = np.asarray(linkage, float).reshape(-1, 4)
    count = len(labels)
    top = maximum if maximum is not None else (float(tree[:, 2].max()) if len(tree) else 1.0)
    heights, positions, leaves = _branches(tree, count, order)
    names = [f"{n} {theme.NOT_RECOGNISED}" if n in unrecognised else n for n in (str(labels[i]) for i in leaves)]
    root = scale == "root"
    _finish(axes, names, top, f"{words}, root scale" if root else words, root)
    extent, dots = axes.get_window_extent(), 100.0
    wide, high = extent.width / dots, extent.height / dots
    end, rows = axes.get_xlim()[1], max(count, 1)

    def to_inches(x: float, y: float) -> tuple[float, float]:
        return (x / end) ** (0.5 if root else 1) * wide, (rows - 0.5 - y) / rows * high

    segments, nodes = [], []
    for row, (a, b, height, _) in enumerate(tree):
        first, second = positions[int(a)], positions[int(b)]
        xs = [heights[int(a)], height, height, heights[int(b)]]
        ys = [first, first, second, second]
        axes.plot(xs, ys, color=theme.INK, linewidth=1.3, solid_joinstyle="miter")
        points = [to_inches(x, y) for x, y in zip(xs, ys, strict=True)]
        segments += [(*p, *q) for p, q in pairwise(points)]
        nodes.append(to_inches(height, positions[count + row]))
    for text, at in zip(numbers.texts, placed(numbers.texts, nodes, segments, wide + 0.2), strict=True):
        if at is not None:
            axes.text(
                at[0] / wide,
                (at[1] + 0.012) / high,
                text,
                fontsize=theme.SMALL - 0.5,
                color=numbers.colour,
                fontweight="bold",
                va="baseline",
                transform=axes.transAxes,
            )


def _branches(tree: np.ndarray, count: int, order: Sequence[int]) -> tuple[list[float], list[float], list[int]]:
    """Height and position on the leaf axis of every leaf and merge, and the leaves from top to bottom."""
    members: list[list[int]] = [[leaf] for leaf in range(count)]
    for a, b, _, _ in tree:
        members.append(members[int(a)] + members[int(b)])
    leaves = list(order) or (members[-1] if len(tree) else list(range(count)))
    if sorted(leaves) != list(range(count)):
        raise UsageError(f"the order of {count} leaves names each once, not {list(order)}")
    positions: list[float] = [float(leaves.index(leaf)) for leaf in range(count)]
    heights = [0.0] * count
    for a, b, height, _ in tree:
        positions.append((positions[int(a)] + positions[int(b)]) / 2)
        heights.append(float(height))
    return heights, positions, leaves


def _finish(axes: Axes, names: list[str], top: float, words: str, root: bool) -> None:
    if root:
        axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set_xlim(0, top * 1.04 if top > 0 else 1.0)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(words, fontsize=theme.SMALL, color=theme.INK, labelpad=2)
    ticks = [t for t in MaxNLocator(nbins=4).tick_values(0, top * 1.04 if top > 0 else 1.0) if 0 <= t <= top * 1.04]
    if root and len(ticks) > 1:
        ticks = [0.0, ticks[1] / 10, *ticks[1:]]
    axes.set_xticks(ticks, ["0" if t == 0 else theme.number(t, 3).rstrip("0").rstrip(".") or "0" for t in ticks])
    axes.set_xticks([], minor=True)

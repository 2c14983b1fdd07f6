"""Words of a figure that fit its width: how many images and subjects, lines at its foot, columns of its key."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from workbench.figures import theme

LINE: Final = 0.15  # inches
_CHARACTER: Final = 0.066  # inches, on average, of the small size
_BOLD: Final = 0.085
_HANDLE: Final = 0.58  # inches of a key's line and the gap before the next column
_MARGIN: Final = 0.08
_NAMED: Final = 8


def counted(images: Iterable[float], subjects: Iterable[float]) -> str:
    """`n = 8 images, 5 subjects`, or from the fewest to the most (`n = 5–8 images, subjects unknown`)."""
    return f"n = {_span(images, 'image')}, {_span(subjects, 'subject') or 'subjects unknown'}"


def listed(names: Sequence[str]) -> str:
    """Names in a row; of many the first ones and how many more."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} more"


def wrapped(sentences: Iterable[str], width: float) -> list[str]:
    """Sentences as lines of a figure of that width in inches; numbers stay with their signs."""
    tied = " ".join(filter(None, sentences))
    for sign in ("≤", "=", "%"):
        tied = tied.replace(f" {sign} ", f"\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}")
    tied = tied.replace("95\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}", "95\N{NO-BREAK SPACE}% ")
    return textwrap.wrap(tied, max(int((width - 2 * _MARGIN) / _CHARACTER), 20))


def fitted(name: str, width: float) -> str:
    """A bold name as a title of that width in inches, its end where it is long."""
    most = max(int(width / _BOLD), 8)
    return name if len(name) <= most else "…" + name[1 - most :]


def key_columns(labels: Sequence[str], width: float) -> int:
    """Into how many columns, at most four, a key with these labels goes on that width in inches."""
    for count in range(min(4, len(labels)), 1, -1):
        parts = np.array_split(np.array(list(map(len, labels))), count)
        if sum(_CHARACTER * float(part.max()) + _HANDLE for part in parts) <= width:
            return count
    return 1


def write(figure: Figure, lines: Sequence[str]) -> None:
    """Put lines at the figure's foot, the last one lowest."""
    height = float(figure.get_size_inches()[1])
    for index, line in enumerate(lines, start=1):
        y = (_MARGIN + (len(lines) - index) * LINE) / height
        x = _MARGIN / float(figure.get_size_inches()[0])
        figure.text(x, y, line, fontsize=theme.SMALL, color=theme.INK, va="bottom", ha="left")


def _span(counts: Iterable[float], noun: str) -> str:
    known = [int(c) for c in counts if np.isfinite(c)]
    if not known:
        return ""
    low, high = min(known), max(known)
    return f"{high if low == high else f'{low}–{high}'} {noun}{'' if high == 1 else 's'}"

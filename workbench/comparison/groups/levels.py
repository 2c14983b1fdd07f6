"""Who is in which group, and which groups are set against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.vocabulary import IMAGE

MOST_LEVELS: Final = 12
CROSS: Final = " × "
_UNKNOWN: Final = ("", "nan", "none", "unknown")


@dataclass(frozen=True)
class Levels:
    """of: the group (image,) of each image, "" where it is unknown; contrasts: pairs of groups, first minus second."""

    name: str
    of: npt.NDArray[np.str_]
    contrasts: tuple[tuple[str, str], ...]

    @property
    def unknown(self) -> int:
        """How many images have no group."""
        return int((self.of == "").sum())


def levels_of(
    maps: xr.DataArray,
    by: str | Sequence[str] | npt.NDArray[Any] | xr.DataArray,
    contrasts: Sequence[tuple[str, str]] | None,
) -> Levels:
    """The groups of `by`: a column (`gender` or `group_gender`), several (their intersections), or an array (image,).

    Raises UnknownNameError for an unknown column or group, UsageError for an array of another length, for a single
    group, for more than twelve, and for a contrast of a group with itself.
    """
    count = maps.sizes[IMAGE]
    if not isinstance(by, str | Sequence | np.ndarray | xr.DataArray):
        raise UsageError(
            f"groups are a column (by='gender'), several, or an array with one a face, not {type(by).__name__}"
        )
    if isinstance(by, str):
        name, parts = by.removeprefix("group_"), [_column(maps, by)]
    elif not isinstance(by, np.ndarray | xr.DataArray) and _are_columns(maps, by, count):
        name = CROSS.join(str(column).removeprefix("group_") for column in by)
        parts = [_column(maps, column) for column in by]
    else:
        given = np.asarray(by)
        if given.shape != (count,):
            raise UsageError(f"the groups have shape {given.shape}, and there are {count} images; give one an image")
        name, parts = "given", [given.astype(str)]
    parts = [np.where(np.isin(np.char.lower(part), _UNKNOWN), "", part) for part in parts]
    of = np.array([CROSS.join(row) if all(row) else "" for row in zip(*parts, strict=True)], dtype=str)
    found = sorted(set(of.tolist()) - {""})
    if len(found) < 2:
        said = f"all images are {found[0]!r}" if found else "no image says its group"
        raise UsageError(f"{name}: {said}; a comparison needs two groups")
    if contrasts is None and len(found) > MOST_LEVELS:
        raise UsageError(
            f"{name} has {len(found)} groups ({', '.join(found[:4])}, …); name the contrasts, or cut it into at most "
            f"{MOST_LEVELS} (pandas.cut)"
        )
    return Levels(name, of, _checked(contrasts, found) if contrasts is not None else tuple(combinations(found, 2)))


def _are_columns(maps: xr.DataArray, by: Sequence[str], count: int) -> bool:
    """A list of as many names as there are images is an array of groups, unless it names columns."""
    names = [str(b) for b in by]
    return len(names) != count or all(n in maps.coords or f"group_{n}" in maps.coords for n in names)


def _column(maps: xr.DataArray, name: str) -> npt.NDArray[np.str_]:
    known = [str(c) for c, values in maps.coords.items() if values.dims == (IMAGE,) and c != IMAGE]
    column = name if name in known else f"group_{name}"
    if column not in known:
        shown = [c.removeprefix("group_") for c in known]
        hint = "(coordinates of these maps along 'image'; add one with .assign_coords())"
        raise UnknownNameError("column", name, shown, hint)
    return np.asarray(maps.coords[column].values).astype(str)


def _checked(contrasts: Sequence[tuple[str, str]], found: list[str]) -> tuple[tuple[str, str], ...]:
    if isinstance(contrasts, str) or not isinstance(contrasts, Sequence):
        raise UsageError(f"contrasts are pairs of groups, [(first, second), …], not {contrasts!r}")
    pairs = []
    for pair in contrasts:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise UsageError(f"a contrast is a pair of groups, (first, second), not {pair!r}")
        for group in pair:
            if str(group) not in found:
                raise UnknownNameError("group", group, found)
        first, second = map(str, pair)
        if first == second:
            raise UsageError(f"a contrast of {first!r} with itself; give two groups that do not overlap")
        pairs.append((first, second))
    if not pairs:
        raise UsageError("there is no contrast; give pairs of groups, or None for all of them")
    return tuple(pairs)

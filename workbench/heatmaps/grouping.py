"""Which expression each map enters when maps of faces are averaged."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.vocabulary import IMAGE, MODEL, TARGET, is_expression
from workbench.vocabulary import expression as to_expression

GROUPINGS: Final = ("predicted", "labelled", "correct")

Texts = npt.NDArray[np.object_]


def _words(values: npt.NDArray[Any]) -> Texts:
    out = np.empty(values.shape, dtype=object)
    for index, value in np.ndenumerate(values):
        text = str(value).split("-vs-")[0]  # a contrast explains its first class
        out[index] = to_expression(text) if is_expression(text) else ""
    return out


def _coordinate(maps: xr.DataArray, name: str, by: str) -> Texts:
    if name not in maps.coords:
        raise UsageError(
            f"the maps do not say what was {'labelled' if name == 'label' else name} "
            f"(no coordinate {name!r}), so they cannot be grouped by {by!r}; add it with .assign_coords()"
        )
    coordinate = maps.coords[name]
    if MODEL not in coordinate.dims:
        coordinate = coordinate.expand_dims({MODEL: maps.sizes[MODEL]})
    return _words(coordinate.transpose(MODEL, IMAGE).values)


def _target(maps: xr.DataArray) -> str:
    """What the maps explain: the one target that was selected, else what `explain` was asked for."""
    if TARGET in maps.coords and maps.coords[TARGET].ndim == 0:
        return str(maps.coords[TARGET].item())
    return str(maps.attrs.get("target", "predicted"))


def grouping(maps: xr.DataArray, by: str | None = None) -> str:
    """How maps are grouped by expression: `by` if given, else by the class that they explain (UnknownNameError)."""
    if by is None:
        return "labelled" if _target(maps) == "labelled" else "predicted"
    if by not in GROUPINGS:
        raise UnknownNameError("grouping", by, GROUPINGS)
    return by


def groups(maps: xr.DataArray, by: str | None = None) -> Texts:
    """The expression that each image enters, per network: (model, image) of names, "" for none.

    None: by the class that the maps explain; `predicted`: the network's argmax; `labelled`: the label; `correct`: both
    where they agree. A map enters an expression only if it explains that very class (coordinate `explained`, else
    `attrs["target"]`). Raises UsageError where the maps' target is another one.
    """
    by = grouping(maps, by)
    needs_predicted, needs_label = by in ("predicted", "correct"), by in ("labelled", "correct")
    entered = _coordinate(maps, "predicted", by) if needs_predicted else _coordinate(maps, "label", by)
    if by == "correct":
        entered = np.where(entered == _coordinate(maps, "label", by), entered, "")
    target = _target(maps)
    if target.startswith("expression:"):
        only = to_expression(target.split(":", 1)[1].split("-vs-")[0])
        return np.where(entered == only, entered, "")
    explained = target if target in ("predicted", "labelled") else "predicted"
    if "explained" in maps.coords:
        other = _coordinate(maps, "explained", by)
        entered = np.where(other == "", "", entered)  # nothing was explained there
    elif (explained == "predicted" and needs_predicted) or (explained == "labelled" and needs_label):
        return entered
    else:
        other = _coordinate(maps, "predicted" if explained == "predicted" else "label", by)
    wrong = int(((entered != "") & (entered != other)).sum())
    if wrong:
        raise UsageError(
            f"{wrong} maps explain the {explained} class, not the {by} one they would be grouped by; "
            f"use by={explained!r} or by='correct', or make them with explain(…, target={by!r})"
        )
    return entered

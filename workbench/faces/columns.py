"""What the columns of a table of faces mean: required, measured, annotated, or a group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("name", "label", "subject", "source", "sha256")
"""Columns that every table has."""

POSE = ("yaw", "pitch", "roll")
"""Columns of the head's pose in degrees; signs and method in `workbench.canonical.head_pose`."""

MEASURED = ("padding", *POSE)
"""Columns that the workbench fills in and that are no groups; `padding` is the crop's share outside the picture, 0 to
1."""

AFFECT = ("valence", "arousal")
"""Columns of affect annotated with a face, each from -1 to 1, NaN where unknown; no groups."""

_ACTION_UNIT = re.compile(
    r"au[_ ]?0*(?P<number>[1-9]\d?)(?:[_ ](?P<side>left|right))?(?P<intensity>_intensity|_r)?(?:_c)?", re.IGNORECASE
)


@dataclass(frozen=True)
class AUColumn:
    """An annotated action unit: `au_12`, `au_12_left` (presence) or `au_12_intensity`; AU12_c and AU12_r are read."""

    column: str
    number: int
    side: str
    intensity: bool


def au_column(column: object) -> AUColumn | None:
    """What a column says of an action unit, None for another column."""
    match = _ACTION_UNIT.fullmatch(str(column))
    if match is None:
        return None
    return AUColumn(str(column), int(match["number"]), (match["side"] or "").lower(), bool(match["intensity"]))


def au_columns(columns: Iterable[object]) -> list[AUColumn]:
    """The columns that hold annotated action units."""
    return [found for column in columns if (found := au_column(column))]


def is_annotation(column: object) -> bool:
    """Whether a column describes one face (an AU, valence, arousal), not the picture or a group of pictures."""
    return str(column) in AFFECT or au_column(column) is not None


def is_group(column: object) -> bool:
    """Whether a column groups faces: neither required, measured nor annotated."""
    return str(column) not in (*REQUIRED, *MEASURED) and not is_annotation(column)


def with_numbers(table: pd.DataFrame, origin: str) -> pd.DataFrame:
    """The table with measured and annotated columns as float64, empty cells NaN; UsageError names row and value."""
    changed = {}
    for column in table.columns:
        if str(column) not in MEASURED and not is_annotation(column):
            continue
        values = []
        for row, value in enumerate(table[column].tolist(), start=1):
            try:
                empty = value is None or (isinstance(value, str) and not value.strip())
                values.append(float("nan") if empty else float(value))
            except (TypeError, ValueError):
                what = "write 0 and 1, or intensities from 0 to 5" if au_column(column) else "write a number"
                raise UsageError(
                    f"{origin}, row {row}: {str(column)!r} is {value!r}, not a number; {what}, or leave it empty"
                ) from None
        changed[column] = values
    return table.assign(**changed)

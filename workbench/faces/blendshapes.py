"""MediaPipe's 52 blendshapes as estimates of action units: a documented table, never FACS coding."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from workbench.errors import UsageError
from workbench.faces.columns import au_columns, with_numbers

if TYPE_CHECKING:
    import xarray as xr

    from workbench.faces.faceset import FaceSet

# fmt: off
BLENDSHAPES: Final = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
"""The blendshapes in MediaPipe's order; ARKit's names, the subject's left and right."""
# fmt: on

MEASURABLE: Final = 0.05
"""An action unit whose blendshape stays at or below this in every face of a study is not measurable there."""

Side = Literal["both", "left", "right"]
_TABLE = Path(__file__).parent / "data" / "blendshape_aus.csv"


@dataclass(frozen=True)
class Pairing:
    """One row of the table: action unit by FACS number, side ("both", "left", "right") and blendshape."""

    au: int
    side: str
    blendshape: str


@cache
def pairings() -> tuple[Pairing, ...]:
    """The table `data/blendshape_aus.csv`, in the order of the action units."""
    lines = [line for line in _TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return tuple(Pairing(int(row["au"]), row["side"], row["blendshape"]) for row in csv.DictReader(lines))


def blendshape_row(scores: dict[str, float]) -> np.ndarray:
    """Scores by name as (52,) float32 in the order of `BLENDSHAPES`, NaN where missing."""
    return np.array([scores.get(name, np.nan) for name in BLENDSHAPES], dtype=np.float32)


def au_estimates(faces: FaceSet, side: Side = "both") -> xr.DataArray:
    """Action units estimated from MediaPipe's blendshapes: (image, au) float32, 0 to 1, coordinate `au` as in "AU12".

    side: "both" takes the larger of the two sides; "left" and "right" are the subject's, and units without a
    sided blendshape are left out. An AU whose blendshape does not exceed `MEASURABLE` in any of these faces is NaN
    throughout and its `status` is "not measurable" (else "measured"): a detector that never moves says nothing of
    absence. Coordinates `blendshape` (what it rests on) and `largest` (its largest score here); attrs say that these
    are estimates. Units that share a blendshape (23 and 24; 26 and 27) have equal columns.
    Raises UsageError where the faces carry no blendshapes.
    """
    import xarray as xr

    if side not in ("both", "left", "right"):
        raise UsageError(f"side is {side!r}; take 'both', 'left' or 'right' (the subject's)")
    if faces.blendshapes is None:
        raise UsageError(
            "these faces carry no blendshapes (their landmarks were not found by MediaPipe); load the pictures with "
            "its detector, or use annotated action units (coded_aus)"
        )
    chosen = [pair for pair in pairings() if side in ("both", pair.side)]
    numbers = sorted({pair.au for pair in chosen})
    names = {number: [pair.blendshape for pair in chosen if pair.au == number] for number in numbers}
    position = {name: i for i, name in enumerate(BLENDSHAPES)}
    columns = [faces.blendshapes[:, [position[name] for name in names[number]]].max(axis=1) for number in numbers]
    values = np.stack(columns, axis=1) if columns else np.zeros((len(faces), 0), dtype=np.float32)
    known = np.where(np.isnan(values), -np.inf, values)
    largest = known.max(axis=0, initial=-np.inf)
    measurable = largest > MEASURABLE
    return xr.DataArray(
        np.where(measurable, values, np.nan).astype(np.float32),
        dims=("image", "au"),
        coords={
            "image": faces.names,
            "au": [f"AU{number}" for number in numbers],
            "status": ("au", np.where(measurable, "measured", "not measurable")),
            "blendshape": ("au", [" + ".join(names[number]) for number in numbers]),
            "largest": ("au", np.where(np.isfinite(largest), largest, np.nan).astype(np.float32)),
        },
        name="au_estimate",
        attrs={
            "kind": "estimate",
            "caveat": "estimated from MediaPipe's blendshapes; not FACS coding",
            "measurable_above": MEASURABLE,
            "side": side,
        },
    )


def coded_aus(faces: FaceSet, intensity: bool = False, side: Side = "both") -> xr.DataArray:
    """Action units that the data set's coders annotated: (image, au) float32, NaN where not coded.

    Presence (0 or 1) from the columns `au_12` (above 0 is present), or `au_12_left` for a side; with `intensity` the
    columns `au_12_intensity`, 0 to 5 (A to E). Presence follows from an intensity where only that is given.
    Raises UsageError where the table has none, or holds something else than numbers.
    """
    import xarray as xr

    wanted = "" if side == "both" else side
    found = [c for c in au_columns(faces.table.columns) if c.side == wanted]
    chosen: dict[int, str] = {}
    for column in sorted(found, key=lambda c: c.intensity != intensity):
        if column.intensity or not intensity:
            chosen.setdefault(column.number, column.column)
    if not chosen:
        what = f"au_12{'_' + wanted if wanted else ''}{'_intensity' if intensity else ''}"
        raise UsageError(f"the table of faces has no annotated action units; name the columns like {what}")
    numbers = sorted(chosen)
    table = with_numbers(faces.table, "the table of faces")
    values = np.stack([table[chosen[n]].to_numpy(dtype=float) for n in numbers], axis=1)
    if not intensity:
        values = np.where(np.isnan(values), np.nan, values > 0)
    return xr.DataArray(
        values.astype(np.float32),
        dims=("image", "au"),
        coords={"image": faces.names, "au": [f"AU{number}" for number in numbers]},
        name="au_intensity" if intensity else "au_presence",
        attrs={"kind": "coded", "side": side},
    )

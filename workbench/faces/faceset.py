"""Face images with landmarks, labels and groups; what could not be used is kept beside them, named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from workbench import vocabulary
from workbench.errors import UnknownNameError, UsageError
from workbench.faces.blendshapes import BLENDSHAPES
from workbench.faces.columns import MEASURED as MEASURED
from workbench.faces.columns import REQUIRED as REQUIRED
from workbench.faces.columns import is_group

SCHEMES: dict[str, int] = {"mediapipe478": 478, "ibug68": 68}
"""Landmark schemes and their number of points."""


@dataclass(frozen=True)
class Failure:
    """One input that gave no face: `name` (path or tile), `stage` (read, detect, landmarks), `reason` in one line."""

    name: str
    stage: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class FaceSet:
    """N face crops and what is known about each; checked once, at construction (UsageError).

    images: (N, S, S, 3) uint8 RGB square crops, one size for all.
    landmarks: (N, P, 2) float32, x and y as shares of the crop's side (0 = left/top edge, 1 = right/bottom edge;
        values outside [0, 1] are allowed). P = 478 for `scheme="mediapipe478"`, 68 for `"ibug68"`.
    table: one row per face, indexed 0…N-1, with at least the columns `name` (unique, used as the `image`
        coordinate), `label` (vocabulary expression or "" where unknown), `subject` ("" where unknown),
        `source` (where the picture came from), `sha256` (of the crop's bytes). Further columns are groups, except
        `padding` (share of the crop that lies outside the picture), `yaw`, `pitch` and `roll` (of the head, degrees;
        signs in `workbench.canonical.head_pose`), and annotations: `au_12` (0 absent, above 0 present),
        `au_12_intensity` (0 to 5), `valence`, `arousal`; NaN where not coded.
    failures: inputs without a usable face.
    notes: sentences that a report repeats ("two faces in x.jpg: the largest was taken").
    attrs: how the set was made, and credits, licences and caveats of its sources.
    blendshapes: (N, 52) float32, MediaPipe's scores 0…1 in the order of `BLENDSHAPES`, NaN for a face without; None
        where no face has any. `au_estimates` makes action units of them.
    """

    images: np.ndarray
    landmarks: np.ndarray
    table: pd.DataFrame
    scheme: str = "mediapipe478"
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    attrs: dict[str, str] = field(default_factory=dict)
    blendshapes: np.ndarray | None = None

    def __post_init__(self) -> None:
        images = np.asarray(self.images)
        if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3 or images.dtype != np.uint8:
            raise UsageError(
                f"face images must be (N, S, S, 3) uint8, got {images.shape} {images.dtype}; crop them "
                "square and convert them to 8-bit RGB"
            )
        if self.scheme not in SCHEMES:
            raise UnknownNameError("landmark scheme", self.scheme, SCHEMES)
        landmarks = np.asarray(self.landmarks, dtype=np.float32)
        wanted = (len(images), SCHEMES[self.scheme], 2)
        if landmarks.shape != wanted:
            raise UsageError(
                f"landmarks of scheme {self.scheme} must be {wanted}, got {landmarks.shape}; state the "
                "scheme that the points follow"
            )
        if not np.isfinite(landmarks).all():
            bad = int(np.flatnonzero(~np.isfinite(landmarks).all(axis=(1, 2)))[0])
            raise UsageError(f"the landmarks of face {bad} are not finite; leave that face out")
        blendshapes = self.blendshapes
        if blendshapes is not None:
            blendshapes = np.asarray(blendshapes, dtype=np.float32)
            if blendshapes.shape != (len(images), len(BLENDSHAPES)):
                raise UsageError(
                    f"blendshapes must be {(len(images), len(BLENDSHAPES))}, one row per face, got {blendshapes.shape}"
                )
        table = self.table.reset_index(drop=True)
        if missing := [column for column in REQUIRED if column not in table.columns]:
            raise UsageError(f"the table of faces lacks the column {missing[0]}; it needs {', '.join(REQUIRED)}")
        if len(table) != len(images):
            raise UsageError(f"{len(images)} face images but {len(table)} rows in the table; give one row per face")
        for column in REQUIRED:
            table[column] = table[column].astype(object).where(table[column].notna(), "").map(str)
        if repeated := sorted(set(table["name"][table["name"].duplicated()])):
            raise UsageError(f"the face name {repeated[0]!r} occurs more than once; names must be unique")
        if (table["name"] == "").any():
            raise UsageError("a face has an empty name; name every face")
        unknown = sorted(set(table["label"]) - {*vocabulary.EXPRESSIONS, ""})
        if unknown:
            raise UnknownNameError("expression", unknown[0], vocabulary.EXPRESSIONS)
        for name, value in (
            ("images", images),
            ("landmarks", landmarks),
            ("table", table),
            ("failures", tuple(self.failures)),
            ("notes", tuple(self.notes)),
            ("blendshapes", blendshapes),
        ):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[FaceSet]:
        return (self[i] for i in range(len(self)))

    def __getitem__(
        self,
        index: int | slice | str | Sequence[int] | Sequence[bool] | Sequence[str] | np.ndarray,
    ) -> FaceSet:
        """The same set restricted to some faces: by position, slice, boolean mask or name(s); always a FaceSet.

        Raises IndexError for a position and UnknownNameError for a name that the set does not have.
        """
        rows = self._positions(index)
        return replace(
            self,
            images=self.images[rows],
            landmarks=self.landmarks[rows],
            table=self.table.iloc[rows],
            blendshapes=None if self.blendshapes is None else self.blendshapes[rows],
        )

    def _positions(self, index: Any) -> np.ndarray:
        if isinstance(index, str | int | np.integer):
            index = [index]
        elif isinstance(index, slice):
            return np.arange(len(self))[index]
        values = np.asarray(list(index) if not isinstance(index, np.ndarray) else index)
        if values.dtype == bool and values.shape != (len(self),):
            raise IndexError(f"a mask of {values.size} values for {len(self)} faces")
        if values.dtype.kind in "UO" and values.size:
            position = {name: i for i, name in enumerate(self.names)}
            for name in values:
                if name not in position:
                    raise UnknownNameError("face", name, position)
            values = np.array([position[name] for name in values])
        return np.arange(len(self))[values] if values.size else np.zeros(0, dtype=int)

    def select(self, mask: Sequence[bool] | np.ndarray | None = None, **columns: Any) -> FaceSet:
        """The faces for which `mask` holds and every named column has the given value, or one of a list of values.

        Labels are understood by their synonyms (`select(label="happy")`). Raises UnknownNameError for a column that
        the table lacks.
        """
        keep = np.ones(len(self), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
        for column, wanted in columns.items():
            if column not in self.table.columns:
                raise UnknownNameError("column", column, map(str, self.table.columns))
            values = [wanted] if isinstance(wanted, str) or not hasattr(wanted, "__iter__") else list(wanted)
            if column == "label":
                values = [vocabulary.expression(v) if v else "" for v in values]
            keep = keep & self.table[column].isin(values).to_numpy()
        return self[keep]

    @property
    def names(self) -> list[str]:
        """Unique names, the `image` coordinate of every map."""
        return [str(name) for name in self.table["name"]]

    @property
    def size(self) -> int:
        """Side of the crops in pixels."""
        return int(self.images.shape[1])

    @property
    def groups(self) -> list[str]:
        """Columns of the table that group faces: all beyond the required, the measured and the annotated ones."""
        return [str(c) for c in self.table.columns if is_group(c)]

    def _counts(self) -> str:
        counts = self.table["label"].value_counts()
        parts = [f"{counts[e]} {e}" for e in vocabulary.EXPRESSIONS if e in counts]
        return ", ".join(parts + ([f"{counts['']} unlabelled"] if "" in counts else []))

    def __repr__(self) -> str:
        text = f"FaceSet({len(self)} face{'s' * (len(self) != 1)}, {self.size}×{self.size}, {self.scheme}"
        if counts := self._counts():
            text += f": {counts}"
        if self.failures:
            text += f"; {len(self.failures)} input{'s' * (len(self.failures) != 1)} without a face"
        return text + ")"

    def _repr_html_(self) -> str:
        """A table of names and labels; no pictures, so that a saved notebook does not carry people's faces."""
        shown = ["name", "label", "subject", *self.groups]
        rows = self.table[shown].head(12)
        head = "".join(f"<th>{escape(column)}</th>" for column in shown)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(str(v))}</td>" for v in row) + "</tr>"
            for row in rows.itertuples(index=False)
        )
        more = f"<p>… {len(self) - len(rows)} more</p>" if len(self) > len(rows) else ""
        failed = "".join(f"<li>{escape(f.name)}: {escape(f.reason)}</li>" for f in self.failures[:12])
        return (
            f"<div><p>{escape(repr(self))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"{more}{f'<ul>{failed}</ul>' if failed else ''}</div>"
        )


def crop_sha256(image: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of a crop's pixel bytes, row by row."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()

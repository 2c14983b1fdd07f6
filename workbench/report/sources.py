"""Everything that a page is made from, and what follows from it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from workbench.faces.faceset import FaceSet
from workbench.masks import MaskSet
from workbench.report.analysis import Analysis
from workbench.report.recognition import Recognition


@dataclass(frozen=True)
class Sources:
    """Everything that `report` was given or computed."""

    maps: xr.DataArray
    masks: list[MaskSet]
    faces: FaceSet | None
    embed: bool
    analysis: Analysis
    answers: list[Recognition]
    probabilities: xr.DataArray | None
    classifiers: list[dict[str, Any]]
    assets: list[dict[str, Any]]
    title: str
    notes: list[str]
    caveat: str
    threshold: str | float
    overlays: int
    versions: dict[str, str]

    @property
    def per_image(self) -> bool:
        """Whether the maps are per image."""
        return "image" in self.maps.dims

    @property
    def marked(self) -> set[tuple[str, str]]:
        """(model, expression) pairs whose heatmap is marked: not recognised on the labelled faces."""
        return {(a.model, e) for a in self.answers for e in a.failed()}

    @property
    def main_masks(self) -> MaskSet | None:
        """The first mask set by expression: its outlines are drawn on the global heatmaps."""
        return next((m for m in self.masks if m.dimension == "expression"), None)


def counted(s: Sources) -> tuple[int, int | None]:
    """Faces, and people where every face names its subject."""
    if not s.per_image:
        return 0, None
    subjects = s.maps["subject"].values.astype(str) if "subject" in s.maps.coords else np.array([""])
    return s.maps.sizes["image"], (len(set(subjects)) if "" not in subjects else None)


def main_table(s: Sources) -> tuple[str, xr.Dataset] | None:
    """Name and scores of the main mask set, None where it was not scored."""
    if s.main_masks is None or s.main_masks.name not in s.analysis.tables:
        return None
    return s.main_masks.name, s.analysis.tables[s.main_masks.name]

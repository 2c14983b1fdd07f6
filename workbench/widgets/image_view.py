"""What one setting of the controls shows: figures and words, without any widget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workbench import heatmaps
from workbench.faces.faceset import FaceSet
from workbench.figures.overlay import displayed, overlay
from workbench.figures.probabilities import probabilities
from workbench.figures.theme import number, readable
from workbench.heatmaps.predictions import class_probabilities
from workbench.widgets.matching import per_image, positions

PHOTO: Final = "photograph"
CANONICAL: Final = "canonical face"
OWN: Final = "own maximum"
RAW: Final = "raw values"
AREA: Final = "share of the face"
VALUE: Final = "share of the scale"
_NO_FACE: Final = 0.55  # grey level of the canonical picture outside the face


@dataclass(frozen=True)
class Setting:
    """The state of the controls. `second_explainer` is "" for none; a `threshold` of 0 draws no outline."""

    face: str
    model: str
    explainer: str
    second_explainer: str = ""
    opacity: float = 0.75
    threshold: float = 0.1
    threshold_by: Literal["share of the face", "share of the scale"] = AREA
    scale: Literal["own maximum", "raw values"] = OWN
    view: Literal["photograph", "canonical face"] = PHOTO

    @property
    def explainers(self) -> list[str]:
        """The one or two explainers shown."""
        return [self.explainer, *([self.second_explainer] if self.second_explainer else [])]


class ImageView:
    """Per-image maps and their faces, drawn on request. UsageError where they do not belong together."""

    def __init__(self, maps: xr.DataArray, faces: FaceSet) -> None:
        self.maps, self.frame = per_image(maps)
        self.faces, self.position = faces, positions(self.maps, faces)
        self._picture = lru_cache(maxsize=8)(self._draw_picture)

    def names(self, dimension: str) -> list[str]:
        """Names along a dimension of the maps, as plain strings."""
        return [str(name) for name in self.maps[dimension].values]

    def panels(self, setting: Setting) -> dict[str, Figure]:
        """Explainer → overlay. All panels share one scale: from each map's lowest to its highest, or raw values."""
        values = {name: self._values(setting, name) for name in setting.explainers}
        limits = None
        if setting.scale == RAW:
            limits = (0.0, max(float(np.nanmax(heat.values, initial=0.0)) for heat in values.values()))
        return {name: self._panel(setting, name, heat, limits) for name, heat in values.items()}

    def bars(self, setting: Setting) -> Figure | None:
        """The class probabilities of this network for this face; None where the maps carry none."""
        said = self._said(setting)
        return probabilities(said, label=self._text(self._at(setting), "label"), title="probability") if said else None

    def words(self, setting: Setting) -> list[str]:
        """Sentences under the picture: what was predicted, what is explained, the scale, the outline."""
        at = self._at(setting)
        predicted, label = self._text(at, "predicted"), self._text(at, "label")
        sentences = []
        if predicted:
            said = self._said(setting)
            likely = f" (probability {number(said[predicted])})" if predicted in said else ""
            truth = f"its label is {label}" if label else "it has no label"
            sentences.append(f"{setting.model} predicts {predicted}{likely} for {setting.face}; {truth}.")
        sentences.append(f"Explained: {self._target(at)}. Only evidence for it is coloured (the map's positive part).")
        if setting.scale == OWN:
            sentences.append(
                "Scale: 0 is each map's lowest value, at least no support; 1 its highest: compare places, not amounts."
            )
        else:
            sentences.append("Scale: raw values, one range for all; explainers measure in different units.")
        if setting.threshold > 0:
            bound = f"{setting.threshold:.0%}"
            by_area = f"the highest {bound} of the face, as far as the map is positive"
            sentences.append(f"Outline: {by_area if setting.threshold_by == AREA else f'above {bound} of the scale'}.")
        problems = {name: self._problem(setting, name) for name in setting.explainers}
        return sentences + [f"No map of {name}: {problem}." for name, problem in problems.items() if problem]

    def _at(self, setting: Setting) -> xr.DataArray:
        return self.maps.sel(model=setting.model, image=setting.face)

    def _target(self, at: xr.DataArray) -> str:
        kind = str(self.maps.attrs.get("target", "predicted"))
        which = {"predicted": "the predicted class", "labelled": "the labelled class"}.get(kind)
        explained = self._text(at, "explained") or self._text(at, {"labelled": "label"}.get(kind, "predicted"))
        return f"{which}, {explained}" if which else kind

    def _said(self, setting: Setting) -> dict[str, float]:
        """Class → probability of this network for this face; classes that it lacks are left out."""
        known = class_probabilities(self.maps)
        if known is None:
            return {}
        row = known.sel(model=setting.model, image=setting.face).dropna("class")
        return {str(name): float(value) for name, value in zip(row["class"].values, row.values, strict=True)}

    def _values(self, setting: Setting, explainer: str) -> xr.DataArray:
        return self._at(setting).sel(explainer=explainer)

    def _problem(self, setting: Setting, explainer: str) -> str:
        values = self._values(setting, explainer)
        status = self._text(values, "status") or "ok"
        if status == "ok" and not bool(values.notnull().any()):
            return "not computed"
        return "" if status == "ok" else status

    def _panel(self, setting: Setting, name: str, heat: xr.DataArray, limits: tuple[float, float] | None) -> Figure:
        problem = self._problem(setting, name)
        return overlay(
            self._picture(setting.face, setting.view),
            heat.values,
            landmarks=self.faces.landmarks[self.position[setting.face]] if setting.view == PHOTO else None,
            frame=self.frame,
            opacity=0.0 if problem else setting.opacity,
            threshold=None if problem else self._level(setting, heat, limits),
            limits=limits,
            title=readable(name),
            caption=f"no map: {problem}" if problem else "",
        )

    def _level(self, setting: Setting, heat: xr.DataArray, limits: tuple[float, float] | None) -> float | None:
        """The displayed level whose outline bounds what was asked for."""
        if setting.threshold <= 0:
            return None
        if setting.threshold_by == VALUE:
            return setting.threshold
        # Flat patches (superpixels) carry the warp's rounding; to the third digit they are flat again and stay whole.
        shown = displayed(heat.values, limits, self.frame.domain).round(3)
        inside = heatmaps.threshold(shown, min(setting.threshold, 0.999), domain=self.frame.domain)
        return float(np.nanmax(shown[~inside & self.frame.domain], initial=0.0)) + 0.0005

    def _draw_picture(self, face: str, view: str) -> np.ndarray:
        position = self.position[face]
        photo = self.faces.images[position]
        if view == PHOTO:
            return photo
        warped = self.frame.warp_image(photo, self.faces.landmarks[position])
        return np.nan_to_num(warped, nan=_NO_FACE * 255).astype(np.uint8)

    @staticmethod
    def _text(at: xr.DataArray, name: str) -> str:
        return str(at[name].values) if name in at.coords else ""

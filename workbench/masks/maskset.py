"""The one type of masks: named, on one frame's grid, checked once at construction."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from workbench import vocabulary
from workbench.canonical import FRAMES
from workbench.errors import UsageError

DIMENSIONS = (vocabulary.EXPRESSION, vocabulary.AU, vocabulary.REGION)
_AU_NAME = re.compile(r"AU(\d+(?:/\d+)*)[LR]?", re.ASCII)
ANY_FRAME = "image"  # masks that lie on no known frame's grid: compared with maps of the same size only


@dataclass(frozen=True, repr=False, eq=False)
class MaskSet:
    """Named masks on one frame's grid.

    maps: DataArray (dimension, y, x), float32 in [0, 1]; binary masks hold only 0 and 1. `dimension` is
        `expression`, `au` or `region`; its coordinate holds the names (`anger`, `AU12`, `brow`).
    frame: `mediapipe478`, `published`, `ibug68`, or `image` for masks of another size.
    domain: DataArray (y, x) bool, the frame's domain for scoring.
    attrs: summary, citation, licence, authority as sentences; `lost` (JSON: share of each mask, as drawn, that the
        frame cannot show; entries of which hardly anything is left are not in the set), `reasons` (JSON: why each
        shape is where it is), `indistinguishable` (JSON: groups of entries that location cannot separate), `values`
        (binary, or soft and how), `side`, `codebook` and `policy` where one was used.

    Raises UsageError, naming set and entry, for anything else: wrong dimensions, values outside [0, 1], an empty
    mask, a mask outside the domain, a name twice, a name that the vocabulary does not know, a wrong grid.
    """

    name: str
    maps: xr.DataArray
    frame: str
    domain: xr.DataArray
    attrs: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        maps, domain = self.maps, self.domain
        if maps.ndim != 3 or maps.dims[0] not in DIMENSIONS or maps.dims[1:] != (vocabulary.Y, vocabulary.X):
            raise self._error(f"dimensions {maps.dims} are not (expression | au | region, y, x)")
        if maps.dtype != np.float32:
            raise self._error(f"the maps are {maps.dtype}; give float32")
        if domain.dims != maps.dims[1:] or domain.shape != maps.shape[1:] or domain.dtype != bool:
            raise self._error(f"the domain {domain.dtype}{domain.shape} does not fit maps of {maps.shape[1:]}")
        if self.frame != ANY_FRAME and FRAMES.get(self.frame) != maps.shape[1:]:
            raise self._error(f"a grid of {maps.shape[1:]} is not that of the frame {self.frame!r}")
        if not self.names:
            raise self._error("there is no mask in it")
        if len(set(self.names)) < len(self.names):
            raise self._error(f"a name is given twice among {', '.join(self.names)}")
        for name, mask in zip(self.names, maps.values, strict=True):
            check_name(self.dimension, name, f"mask set {self.name!r}")
            if not np.isfinite(mask).all() or mask.min() < 0 or mask.max() > 1:
                raise self._error(f"the mask {name!r} has values outside [0, 1]")
            if not mask.any():
                raise self._error(f"the mask {name!r} is empty")
            if mask[~domain.values].any():
                raise self._error(f"the mask {name!r} reaches outside the domain")

    def _error(self, what: str) -> UsageError:
        return UsageError(f"mask set {self.name!r}: {what}")

    @property
    def dimension(self) -> str:
        """`expression`, `au` or `region`."""
        return str(self.maps.dims[0])

    @property
    def names(self) -> list[str]:
        """The masks' names, in order."""
        return [str(n) for n in self.maps[self.maps.dims[0]].values]

    @property
    def areas(self) -> dict[str, float]:
        """Share of the domain that each mask covers (soft masks: their mean)."""
        inside = self.maps.values[:, self.domain.values].mean(axis=1)
        return dict(zip(self.names, map(float, inside), strict=True))

    @property
    def classes(self) -> list[list[str]]:
        """Declared groups of entries that location cannot separate."""
        return [[str(name) for name in group] for group in json.loads(str(self.attrs.get("indistinguishable", "[]")))]

    def __repr__(self) -> str:
        height, width = self.maps.shape[1:]
        areas = ", ".join(f"{name} {area:.1%}" for name, area in self.areas.items())
        return f"MaskSet {self.name!r}: {self.dimension} on {self.frame} ({height} × {width}); area {areas}"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{name}</td><td>{area:.1%}</td></tr>" for name, area in self.areas.items())
        height, width = self.maps.shape[1:]
        head = f"<tr><th>{self.dimension}</th><th>area</th></tr>"
        about = f"<b>{self.name}</b> on {self.frame} ({height} × {width}): {self.attrs.get('summary', '')}"
        return f"<div>{about}<table>{head}{rows}</table><small>{self.attrs.get('citation', '')}</small></div>"


def check_name(dimension: str, name: str, where: str) -> None:
    """UsageError, beginning with `where`, unless the name belongs to the dimension (`anger`, `AU12`, any region).

    `AU12L` and `AU12R` are the subject's sides of AU12, `AU23/24` is a class that location cannot separate.
    """
    if dimension == vocabulary.EXPRESSION and name not in vocabulary.EXPRESSIONS:
        raise UsageError(f"{where}: {name!r} is no expression; known: {', '.join(vocabulary.EXPRESSIONS)}")
    if dimension == vocabulary.AU:
        match = _AU_NAME.fullmatch(name)
        numbers = match.group(1).split("/") if match else [""]
        if not all(n and n == str(int(n)) and int(n) in vocabulary.ACTION_UNITS for n in numbers):
            raise UsageError(f"{where}: {name!r} is no action unit; write AU and its FACS number, as in AU12")

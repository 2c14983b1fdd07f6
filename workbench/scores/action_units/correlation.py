"""How a network's map of a face correlates with the maps of its expression's action units, image by image.

The cosine is that of arXiv 2402.00281 (CAM-COS, ATT-COS): of flattened maps, without taking their means away, so that
any map that is nowhere negative scores well above 0. Pearson's correlation, the cosine of centred maps, stands beside
it, and both are also taken of content-free maps on the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.errors import UnknownNameError, UsageError
from workbench.heatmaps.checks import CONSTANT, NO_DATA, NON_FINITE, OK
from workbench.masks import MaskSet
from workbench.scores.action_units.references import References, references
from workbench.scores.action_units.resizing import resized
from workbench.scores.action_units.stacks import Maps, Stack, stacks
from workbench.scores.centre import SIGMA_ACROSS, SIGMA_DOWN
from workbench.vocabulary import BASIC_EXPRESSIONS, IMAGE, TARGET

SCALES: Final = ("min-max", "shift")
CONTROLS: Final = ("uniform", "centre", "mean_map")
SIGMA_ON_CROP: Final = 50 / 224  # of either side of a crop

_FLAT: Final = 1e-12  # of its size: a map that varies less is constant but for rounding

Floats = npt.NDArray[np.float64]


def correlations(maps: Maps, given: MaskSet | xr.DataArray, *, scale: str = "min-max") -> pd.DataFrame:
    """One row for each network, explainer, layer, labelled image and reference map.

    maps: what `explain(…, target="labelled")` returned, native or canonical, or global maps. given: reference maps,
    what `au_heatmap` drew for these faces ("expressions", "aus", or one map a face), or a MaskSet on the maps' frame.
    Faces without a label of a basic expression are left out.

    Native maps are brought to the reference's size (bilinear); canonical ones are compared on the domain where they
    have data. scale: "min-max" stretches a map to [0, 1] at its own resolution (CAM-COS); "shift" takes its minimum
    away, after resizing, where it is negative (ATT-COS). Pearson's correlation is the same under both.

    Columns: model, explainer, layer, depth, layers, grid, role, image, label, subject, groups, reference, status,
    `why` (a map was not computed); `cosine`, `pearson` (NaN where a map is blank, and `status` says so);
    `uniform_`, `centre_` and `mean_map_` before `cosine` and `pearson` for a uniform map, a centred Gaussian
    (standard deviation 50/224 of a crop's sides; on a frame that of `evaluate`) and the mean of the face's K
    reference maps, which is the same for every class (one map a face: the mean over faces). A uniform map has no
    Pearson correlation.

    Rows of parts of a set of faces can be concatenated: `correlation_table` takes the whole. Raises UsageError for
    maps of another target than the label, FrameMismatchError where grids or frames differ. Source: Belharbi et al.
    2024, arXiv 2402.00281, section on metrics, and its code.
    """
    if scale not in SCALES:
        raise UnknownNameError("scale", scale, SCALES)
    found = stacks(maps)
    reference = references(given, found)
    _true_class(maps)
    rows: dict[str, list[Any]] = {}
    measured = list(_measured(found, reference, scale))
    people = reference.people
    count = len(reference.names)
    for one in measured:
        who = people.loc[one.image]
        fixed: dict[str, Any] = {
            "model": one.stack.model,
            "explainer": one.stack.explainer,
            "layer": one.stack.layer,
            "depth": one.stack.depth,
            "layers": one.stack.layers,
            "grid": one.stack.grid,
            "role": one.stack.role,
            "image": one.image,
            **{str(column): who[column] for column in people.columns},
            "status": one.status,
            "why": one.stack.reason if one.status == NO_DATA else "",
        }
        for name, value in fixed.items():
            rows.setdefault(name, []).extend([value] * count)
        rows.setdefault("reference", []).extend(reference.names)
        for name, values in one.scores.items():
            rows.setdefault(name, []).extend(values.tolist())
    if not rows:
        raise UsageError(
            "no face has a map, a label of a basic expression and a reference map; explain labelled faces with "
            "target='labelled'"
        )
    table = pd.DataFrame(rows)
    order = {stack: place for place, stack in enumerate((s.model, s.explainer, s.layer) for s in found)}
    keys = [order[key] for key in zip(table["model"], table["explainer"], table["layer"], strict=True)]
    table = table.iloc[np.argsort(keys, kind="stable")].reset_index(drop=True)
    table.attrs = {
        "dimension": reference.dimension,
        "references": reference.names,
        "action_units": reference.units,
        "scale": scale,
        "frame": reference.frame,
        **{key: str(reference.attrs[key]) for key in ("masks", "codebook", "policy") if key in reference.attrs},
    }
    return table


@dataclass(frozen=True)
class _Measured:
    stack: Stack
    image: str
    status: str
    scores: dict[str, Floats]


def _measured(found: list[Stack], reference: References, scale: str) -> Iterator[_Measured]:
    """Image by image, so that a face's reference maps are read and measured once for all networks and layers."""
    places = [{name: row for row, name in enumerate(stack.images)} for stack in found]
    mean = _mean_over_faces(reference)
    for image in dict.fromkeys(name for stack in found for name in stack.images):
        if image not in reference.people.index:
            raise UsageError(f"there is no reference for the image {image!r}; draw them for the faces explained")
        if reference.people.loc[image, "label"] not in BASIC_EXPRESSIONS:
            continue
        targets = reference.of(image)
        if targets is None:
            continue
        face = _Face(targets, reference, mean)
        for stack, place in zip(found, places, strict=True):
            if image not in place:
                continue
            values, status = stack.map_of(place[image])
            if status in (NO_DATA, NON_FINITE):
                blank = np.full(len(targets), np.nan)
                yield _Measured(stack, image, status, face.controls | {"cosine": blank, "pearson": blank})
                continue
            row = _row(values, reference, scale, native=stack.frame == "native")
            scores = face.scores(row)
            blank_map = not np.isfinite(scores["cosine"]).any()
            yield _Measured(stack, image, CONSTANT if blank_map else OK, scores)


def _row(values: Floats, reference: References, scale: str, *, native: bool) -> Floats:
    """A map on the domain's pixels, scaled; NaN throughout where the scale does not exist."""
    if native:
        values = _stretched(values) if scale == "min-max" else values
        values = resized(values, (reference.domain.shape[0], reference.domain.shape[1]))
        row = values[reference.domain]
    else:
        row = values[reference.domain]
        row = _stretched(row) if scale == "min-max" else row
    if scale == "shift" and np.isfinite(row).any():
        row = row - min(float(np.nanmin(row)), 0.0)
    return row


def _stretched(values: Floats) -> Floats:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (values - low) / (high - low) if high > low else np.full(values.shape, np.nan)


class _Face:
    """The reference maps of one face, and what content-free maps score on all its pixels."""

    def __init__(self, targets: Floats, reference: References, mean: Floats | None) -> None:
        self.targets = Targets(targets)
        self.free = {
            "uniform": np.ones(targets.shape[1]),
            "centre": centre(reference.domain.shape, native=reference.frame == "native")[reference.domain],
            "mean_map": targets.mean(axis=0) if mean is None else mean,
        }
        self.controls = self._controls(self.targets, slice(None))

    def _controls(self, targets: Targets, pixels: Any) -> dict[str, Floats]:
        found = {}
        for name, row in self.free.items():
            found[f"{name}_cosine"] = targets.cosines(row[pixels])
            found[f"{name}_pearson"] = targets.pearsons(row[pixels])
        return found

    def scores(self, row: Floats) -> dict[str, Floats]:
        """Cosine and Pearson correlation with each target and of the controls, on the pixels that have data."""
        known = ~np.isnan(row)
        if not known.any():
            blank = np.full(len(self.targets.values), np.nan)
            return self.controls | {"cosine": blank, "pearson": blank}
        targets, controls = self.targets, self.controls
        if not known.all():
            row, targets = row[known], Targets(self.targets.values[:, known])
            controls = self._controls(targets, known)
        return controls | {"cosine": targets.cosines(row), "pearson": targets.pearsons(row)}


class Targets:
    """K maps (K, P), and the cosines and Pearson correlations of any map (P,) with them."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        self._norms = np.sqrt((values**2).sum(axis=1))
        spread = values.std(axis=1) * np.sqrt(values.shape[1])
        self._spreads = np.where(spread > _FLAT * self._norms, spread, 0)

    def cosines(self, row: Floats) -> Floats:
        """Cosine with each, means left in: (K,), NaN where one of the two is 0 throughout."""
        return self._over(row, self._norms)

    def pearsons(self, row: Floats) -> Floats:
        """Pearson's correlation with each: (K,), NaN where one of the two is constant."""
        if not len(row) or not np.ptp(row) > _FLAT * np.abs(row).max():
            return np.full(len(self.values), np.nan)
        return self._over(row - row.mean(), self._spreads)

    def _over(self, row: Floats, lengths: Floats) -> Floats:
        product = np.sqrt(row @ row) * lengths
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(product > 0, self.values @ row / product, np.nan))


def centre(grid: tuple[int, ...], *, native: bool) -> Floats:
    """The centred Gaussian on a crop, or on a frame's grid (there with the deviations of `evaluate`'s)."""
    height, width = grid
    down, across = (SIGMA_ON_CROP, SIGMA_ON_CROP) if native else (SIGMA_DOWN, SIGMA_ACROSS)
    y = (np.arange(height) - (height - 1) / 2) / (down * height)
    x = (np.arange(width) - (width - 1) / 2) / (across * width)
    return np.asarray(np.exp(-0.5 * (y[:, None] ** 2 + x**2)))


def _mean_over_faces(reference: References) -> Floats | None:
    """Where each face has one map, the mean over faces is the map that knows no face; else None."""
    if len(reference.names) > 1 or reference.place is None:
        return None
    usable = [maps[0] for image in reference.place if (maps := reference.of(image)) is not None]
    return np.mean(usable, axis=0) if usable else None


def _true_class(maps: Maps) -> None:
    """UsageError for maps that say that they explain something else than the label."""
    for one in [maps] if isinstance(maps, xr.DataArray) else list(maps.values()):
        if IMAGE not in one.dims:
            continue
        targets = [str(name) for name in one[TARGET].values] if TARGET in one.dims else []
        target = ", ".join(targets) or str(one.attrs.get("target", "labelled"))
        if "labelled" not in (target, *targets):
            raise UsageError(
                f"these maps explain the target {target!r}; a correlation with the action units of the label takes the "
                "true class: explain(…, target='labelled')"
            )

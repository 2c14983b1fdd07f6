"""How much of a map lies in every action unit or area of the face, image by image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.errors import UsageError
from workbench.faces.columns import is_group
from workbench.heatmaps.checks import NO_DATA, NON_FINITE, OK
from workbench.heatmaps.grouping import groups
from workbench.masks import MaskSet
from workbench.masks.sides import by_class, class_name
from workbench.scores.action_units.correlation import centre
from workbench.scores.action_units.references import References, references
from workbench.scores.action_units.resizing import resized
from workbench.scores.action_units.sharing import REST, shares
from workbench.scores.action_units.stacks import Maps, Stack, stacks
from workbench.vocabulary import EXPLAINER, IMAGE, MODEL, TARGET

Floats = npt.NDArray[np.float64]
BLANK = "nothing positive"


def attributions(
    maps: Maps, masks: MaskSet | xr.DataArray, *, overlap: str = "plain", by: str | None = None
) -> pd.DataFrame:
    """One row for each network, explainer, layer, image and region: what share of the map lies there.

    maps: what `explain` returned, native or canonical, or global maps; of a map its positive part counts. masks: a
    MaskSet on the maps' frame (expressions, action units or areas, binary or soft), or what `au_heatmap(…, "aus",
    scale="none")` drew on the crops. Regions that the set declares indistinguishable count as one (`AU23/24`).

    With H a map's positive part, w the weight of a pixel in the region (`sharing.shares`) and sums over the pixels of
    the domain that have data:

    - `area`: Σw / number of pixels; `mass`: Σ w·H / ΣH, the share of the map;
    - `density`: Σ w·H / Σw in units of the map's largest value;
    - `enrichment`: mass / area, 1 for a uniform map; `centre_mass` and `centre_enrichment` are those of a centred
      Gaussian on the same pixels.

    overlap: "plain" counts what regions share in each of them, so that masses sum to more than 1; "shared" divides it
    by Shapley values, so that masses sum to 1. The region "rest" is what no region covers. expression: on canonical
    maps as `global_heatmaps` groups by `by` (None: by the class that the maps explain), on native maps the label; ""
    for none. NaN where a map is blank, and `status` says so. Further columns: layer, depth, layers, role, label,
    subject, `group_<column>`, `overlap`, `why` (a map was not computed).
    """
    found = stacks(_one_target(maps))
    reference = references(masks, found)
    entered = _entered(maps, by)
    parts = [row for stack in found for row in _rows(stack, reference, overlap, entered)]
    table = pd.DataFrame(parts)
    table.attrs = {"dimension": reference.dimension, "regions": [*reference.names, REST], "overlap": overlap}
    return table


def _rows(
    stack: Stack, reference: References, overlap: str, entered: dict[tuple[str, str], str]
) -> Iterator[dict[str, Any]]:
    native = stack.frame == "native"
    blob = centre(reference.domain.shape, native=native)[reference.domain]
    fixed = None if reference.place is not None else shares(_masks(reference, ""), overlap)
    for position, image in enumerate(stack.images):
        values, status = stack.map_of(position)
        weights = fixed
        if weights is None:
            drawn = reference.of(image)
            if drawn is None:
                continue
            weights = shares(drawn, overlap)
        measured = None
        if status not in (NO_DATA, NON_FINITE):
            if native:
                values = resized(values, (reference.domain.shape[0], reference.domain.shape[1]))
            measured = _measured(values[reference.domain], weights, blob)
            status = OK if measured is not None else BLANK
        who = reference.people.loc[image]
        expression = entered.get((stack.model, image), str(who["label"]))
        for k, region in enumerate([*reference.names, REST]):
            yield {
                "model": stack.model,
                "explainer": stack.explainer,
                "layer": stack.layer,
                "depth": stack.depth,
                "layers": stack.layers,
                "role": stack.role,
                "image": image,
                "expression": expression,
                **{str(column): who[column] for column in reference.people.columns},
                "status": status,
                "why": stack.reason if status == NO_DATA else "",
                "region": region,
                "overlap": overlap,
                **({name: row[k] for name, row in measured.items()} if measured else dict.fromkeys(NAMES, np.nan)),
            }


NAMES = ("area", "mass", "density", "enrichment", "centre_mass", "centre_enrichment")


def _masks(reference: References, image: str) -> Floats:
    drawn = reference.of(image)
    assert drawn is not None
    return drawn


def _measured(row: Floats, weights: Floats, blob: Floats) -> dict[str, Floats] | None:
    """The numbers of all regions, None where the map has nothing positive on the domain."""
    known = ~np.isnan(row)
    heat, weights, blob = np.maximum(row[known], 0), weights[:, known], blob[known]
    total = heat.sum()
    if not total > 0:
        return None
    pixels, inside, free = weights.sum(axis=1), weights @ heat, weights @ blob
    area, mass, centred = pixels / known.sum(), inside / total, free / blob.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "area": area,
            "mass": mass,
            "density": np.where(pixels > 0, inside / pixels / heat.max(), np.nan),
            "enrichment": np.where(area > 0, mass / area, np.nan),
            "centre_mass": centred,
            "centre_enrichment": np.where(area > 0, centred / area, np.nan),
        }


def region_attributions(values: pd.DataFrame, people: pd.DataFrame, masks: MaskSet) -> pd.DataFrame:
    """The rows of `attributions` from a network's own Shapley values of regions, which share what overlaps.

    values: what `region_table(explain(…, "region_shap", frame="native"))` returned. people: a FaceSet's table. masks:
    the set that the regions are of, for areas on its frame. `value`: in units of the score; members of a class
    (`AU23/24`) are added up. `mass`: the positive value's share of all positive values, the rest's included; `area` and
    `enrichment` as in `attributions` with overlap="shared"; no density. `centre_mass`: of a centred Gaussian on the
    frame. The rest's area is that of the domain that no region covers, while its value is that of the whole picture
    outside the regions. expression: the label. Of several targets "labelled" is taken. UsageError for regions that
    the set lacks and for images that `people` lacks.
    """
    targets = [str(name) for name in dict.fromkeys(values["target"])]
    if len(targets) > 1 and "labelled" not in targets:
        raise UsageError(f"the values are of the targets {', '.join(targets)}; select one of them")
    values = values[values["target"] == ("labelled" if "labelled" in targets else targets[0])]
    known = {name: class_name(group) for group in masks.classes for name in group}
    strange = set(values["region"]) - {*masks.names, REST}
    if strange:
        raise UsageError(f"mask set {masks.name!r} lacks the region {min(strange)!r}; give the set that was explained")
    table = people.set_index("name")
    missing = set(values["image"]) - {str(name) for name in table.index}
    if missing:
        raise UsageError(f"the table of people lacks the image {min(missing)!r}; give the table of the faces explained")
    merged = by_class(masks)
    reference = merged.maps.values[:, merged.domain.values]
    weights = shares(reference, "shared")
    blob = centre(merged.domain.shape, native=False)[merged.domain.values]
    area = dict(zip([*merged.names, REST], weights.mean(axis=1), strict=True))
    free = dict(zip([*merged.names, REST], weights @ blob / blob.sum(), strict=True))
    renamed = values.assign(region=values["region"].map(lambda name: known.get(name, name)))
    summed = renamed.groupby(["model", "explainer", "image", "region"], sort=False)["value"].agg(
        lambda column: column.sum(min_count=len(column))
    )
    rows = summed.reset_index()
    positive = rows["value"].clip(lower=0)
    total = positive.groupby([rows["model"], rows["explainer"], rows["image"]]).transform("sum")
    rows["mass"] = (positive / total.where(total > 0)).where(rows["value"].notna())
    rows["area"] = rows["region"].map(area)
    rows["density"] = np.nan
    rows["enrichment"] = rows["mass"] / rows["area"].where(rows["area"] > 0)
    rows["centre_mass"] = rows["region"].map(free)
    rows["centre_enrichment"] = rows["centre_mass"] / rows["area"].where(rows["area"] > 0)
    who = table.reindex(rows["image"])
    rows["label"], rows["subject"] = who["label"].to_numpy(str), who["subject"].to_numpy(str)
    for column in filter(is_group, table.columns):
        rows[f"group_{column}"] = who[column].to_numpy(str)
    rows["expression"] = rows["label"]
    rows["status"] = np.where(rows["mass"].notna(), OK, np.where(rows["value"].notna(), BLANK, NO_DATA))
    rows = rows.assign(layer="", depth=0, layers=1, role="method", overlap="shared", why="")
    rows.attrs = {"dimension": masks.dimension, "regions": [*merged.names, REST], "overlap": "shared"}
    return rows


def _one_target(maps: Maps) -> Maps:
    for one in [maps] if isinstance(maps, xr.DataArray) else list(maps.values()):
        if TARGET in one.dims and one.sizes[TARGET] > 1 and "labelled" not in one[TARGET].values:
            raise UsageError("the maps explain several targets; select one of them")
    return maps


def _entered(maps: Maps, by: str | None) -> dict[tuple[str, str], str]:
    """(model, image) → expression, for canonical maps that say what was predicted or labelled."""
    if not isinstance(maps, xr.DataArray) or IMAGE not in maps.dims:
        if by not in (None, "labelled"):
            raise UsageError(f"by={by!r} needs canonical maps of single images; native ones are grouped by label")
        return {}
    if by is None and not {"predicted", "label"} & set(maps.coords):
        return {}
    flat = maps
    for dim in [d for d in maps.dims if d not in (MODEL, EXPLAINER, IMAGE, "y", "x")]:
        place = {dim: 0}
        if dim == TARGET and "labelled" in maps[TARGET].values:
            place = {dim: [str(t) for t in maps[TARGET].values].index("labelled")}
        flat = flat.isel(place)
    for dim in (MODEL, EXPLAINER):
        flat = flat if dim in flat.dims else flat.expand_dims(dim)
    names = groups(flat, by)
    models = [str(m) for m in np.atleast_1d(flat[MODEL].values)]
    images = [str(i) for i in flat[IMAGE].values]
    return {(model, image): str(names[m, i]) for m, model in enumerate(models) for i, image in enumerate(images)}

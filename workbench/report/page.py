"""`report`: one study into one self-contained HTML page, its numbers and its manifest."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.errors import UsageError
from workbench.faces.faceset import FaceSet
from workbench.heatmaps.predictions import class_probabilities, prediction_table
from workbench.masks import MaskSet
from workbench.report.analysis import Analysis, analyse
from workbench.report.content import content
from workbench.report.folder import PAGE, all_or_nothing
from workbench.report.manifest import manifest, plain, versions
from workbench.report.recognition import recognition
from workbench.report.sources import Sources
from workbench.report.tables import tidy
from workbench.vocabulary import EDGE_MAP, ON_RANDOM_WEIGHTS

if TYPE_CHECKING:
    from workbench.classifiers import Classifier

KEPT_BACK = (
    "This page holds no photographs; edge maps, which would draw the faces, are left out: only their scores stand."
)


def report(
    maps: xr.DataArray,
    masks: MaskSet | Sequence[MaskSet],
    *,
    faces: FaceSet | None = None,
    out: str | Path,
    title: str | None = None,
    embed_faces: bool = True,
    classifiers: Iterable[Classifier | Mapping[str, Any]] | None = None,
    provenance: Iterable[Mapping[str, Any]] | None = None,
    notes: Iterable[str] = (),
    caveat: str = "",
    threshold: str | float = "otsu",
    overlays: int = 12,
    seed: int = 0,
    analysis: Analysis | None = None,
) -> Path:
    """Write a report into the folder `out` and return the path of its `index.html`.

    `maps` are per-image maps (model, explainer, image, y, x), or global heatmaps (model, explainer, expression, y,
    x), which leave out predictions and overlays. `masks` is one mask set or several; the first with expressions is
    drawn as contours. With `faces`, photographs are embedded unless `embed_faces` is False; `overlays` is the
    number of faces shown under their heatmaps. Without photographs the edge maps, which draw the faces, are left out
    of page and files too; the scores of that control stay. `classifiers` (or their descriptions) and `provenance`
    (one mapping an asset: name, licence, citation, caveat, sha256 …) are printed and go into the manifest, as do
    `notes` and `caveat`. `analysis` replaces the computation by results that exist already.

    Beside the page: `manifest.json`, `scores.csv`, `scores.nc` (a group for each mask set), `heatmaps.nc` (global
    heatmaps, controls included: what the scores rest on), `maps.nc` (per image, without those of random weights),
    `predictions.csv`. Files are written whole or not at all; what else lies in `out` is left alone.
    Raises UsageError for maps or masks that cannot be reported.
    """
    sets = [masks] if isinstance(masks, MaskSet) else list(masks)
    _check(maps, sets)
    if faces is not None and not isinstance(faces, FaceSet):
        raise UsageError(f"faces is {type(faces).__name__}; give the face set that load_faces() made, or None")
    results = analysis if analysis is not None else analyse(maps, sets, threshold=threshold, seed=seed)
    described = [_described(c) for c in classifiers or ()]
    assets = [dict(plain(a)) for a in provenance or ()]
    contains_faces = faces is not None and embed_faces
    kept_back: list[str] = []
    if not contains_faces and EDGE_MAP in maps["explainer"].values:
        maps, results = _without_edges(maps), replace(results, heat=_without_edges(results.heat))
        kept_back.append(KEPT_BACK)
    name = title or "What the networks looked at"
    probabilities = class_probabilities(maps) if "image" in maps.dims else None
    answers = recognition(maps, probabilities) if "image" in maps.dims else []
    sources = Sources(
        maps=maps,
        masks=sets,
        faces=faces,
        embed=contains_faces,
        analysis=results,
        answers=answers,
        probabilities=probabilities,
        classifiers=described,
        assets=assets,
        title=name,
        notes=[str(n) for n in (*notes, *results.notes, *kept_back)],
        caveat=caveat,
        threshold=threshold,
        overlays=overlays,
        versions=versions(),
    )
    out = Path(out)
    with all_or_nothing(out) as folder:
        if results.tables:
            tidy(dict(results.tables)).to_csv(folder / "scores.csv", index=False, float_format="%.6g")
            _write_tables(results.tables, folder / "scores.nc")
        if "image" in maps.dims and "predicted" in maps.coords:
            prediction_table(maps).to_csv(folder / "predictions.csv", index=False, float_format="%.6g")
        _write_maps(maps, results.heat, folder)
        (folder / PAGE).write_text(_render(content(sources)), encoding="utf-8")
        record = manifest(
            maps,
            sets,
            faces,
            contains_faces=contains_faces,
            classifiers=described,
            assets=assets,
            policy=str(results.heat.attrs.get("policy", "")),
            threshold=threshold,
            title=name,
            files=sorted(folder.iterdir()),
            notes=sources.notes,
            caveat=caveat,
            answers=answers,
        )
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return out / PAGE


def _without_edges(maps: xr.DataArray) -> xr.DataArray:
    """The same maps without edge maps, which are line drawings of the faces."""
    return maps.isel(explainer=np.flatnonzero(maps["explainer"].values != EDGE_MAP))


def _check(maps: xr.DataArray, masks: list[MaskSet]) -> None:
    if not isinstance(maps, xr.DataArray) or not {"model", "explainer", "y", "x"} <= set(maps.dims):
        raise UsageError(
            "a report needs heatmaps with dimensions (model, explainer, image or expression, y, x); "
            "make them with explain() or load_folder()"
        )
    if not masks or not all(isinstance(one, MaskSet) for one in masks):
        raise UsageError("a report needs at least one mask set; make it with load_masks()")
    names = [m.name for m in masks]
    if len(set(names)) < len(names):
        raise UsageError(f"two mask sets are called {max(names, key=names.count)!r}; give each its own name")


def _described(classifier: Any) -> dict[str, Any]:
    described = classifier if isinstance(classifier, Mapping) else classifier.describe()
    return dict(plain(described))


def _write_tables(tables: Mapping[str, xr.Dataset], path: Path) -> None:
    for position, (name, table) in enumerate(tables.items()):
        clean = table.copy()
        for variable in clean.variables:
            if clean[variable].dtype == object:
                clean[variable] = clean[variable].astype(str)
        clean.attrs = {
            key: value if isinstance(value, str | int | float) else json.dumps(plain(value))
            for key, value in table.attrs.items()
        }
        clean.to_netcdf(path, mode="w" if position == 0 else "a", group=name.replace("/", "-"), engine="h5netcdf")


def _write_maps(maps: xr.DataArray, heat: xr.DataArray, folder: Path) -> None:
    from workbench.heatmaps import grey, save

    rounded = _rounded(heat, 13)
    domain = heat["domain"].values.astype(bool) if "domain" in heat.coords else None
    size = heat.shape[-2:]
    for part, exact in zip(rounded.values.reshape(-1, *size), heat.values.reshape(-1, *size), strict=True):
        if np.isfinite(exact).any():  # no grey value may change: the scores rest on them
            np.copyto(part, exact, where=grey(part, domain) != grey(exact, domain))
    rounded.attrs["precision"] += "; the 8-bit grey values that scores rest on are those of the exact map"
    save(rounded, folder / "heatmaps.nc")
    if "image" not in maps.dims:
        return
    kept = [place for place, name in enumerate(maps["explainer"].values.astype(str)) if ON_RANDOM_WEIGHTS not in name]
    if 0 < len(kept) < maps.sizes["explainer"]:
        maps = maps.isel(explainer=kept)
        maps = maps.assign_attrs(random_weights="left out per image; their global heatmaps are in heatmaps.nc")
    save(_rounded(maps, 9), folder / "maps.nc")


def _rounded(maps: xr.DataArray, bits: int) -> xr.DataArray:
    """Maps rounded to 2^-bits of the power of two at or below each one's highest absolute value; NaN stays.

    Rounded so, they compress; the error is at most 2^-(bits + 1) of that value.
    """
    data = np.array(maps.values, np.float32, order="C")
    for part in data.reshape(-1, *data.shape[-2:]):  # a view: one map at a time, the whole may be half a gigabyte
        known = np.isfinite(part)
        top = float(np.abs(part[known]).max()) if known.any() else 0.0
        if top > 0:
            step = np.float32(2.0 ** (math.floor(math.log2(top)) - bits))
            if step > 0:
                np.copyto(part, np.rint(part / step) * step, where=known)
    out = maps.copy(data=data)
    out.attrs["precision"] = f"each map rounded to a {2**bits:,}th of its highest absolute value or finer"
    return out


def _render(values: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("workbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("index.html.j2").render(values)

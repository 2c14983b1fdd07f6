"""How the maps were made, and the files beside the page."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from workbench.report.analysis import methods
from workbench.report.describe import options_in_words, registered
from workbench.report.sources import Sources


def explainers(s: Sources) -> list[dict[str, Any]]:
    """What each explainer is and on how many faces it ran."""
    options = s.maps.attrs.get("options", {})
    options = json.loads(options) if isinstance(options, str) and options else options
    chosen = methods(s.analysis.heat)
    out = []
    for name in s.maps["explainer"].values.astype(str):
        summary, reference = registered(name)
        count, total = _coverage(s.maps, name)
        out.append(
            {
                "name": name,
                "control": name not in chosen,
                "summary": summary,
                "reference": reference,
                "options": options_in_words(options.get(name, {})),
                "count": count,
                "total": total,
            }
        )
    return out


def _coverage(maps: xr.DataArray, explainer: str) -> tuple[int, int]:
    """On how many of how many faces an explainer ran."""
    if "image" not in maps.dims or "status" not in maps.coords:
        return 0, 0
    ran = (maps["status"].sel(explainer=explainer) != "not computed").any("model").values
    return int(ran.sum()), int(ran.size)


def files(s: Sources) -> list[tuple[str, str]]:
    """The files beside the page, and what they hold."""
    out = [("manifest.json", "what went in, what was used, what came out, with hashes")]
    if s.analysis.tables:
        out += [
            ("scores.csv", "every score and control, one row a network, explainer, expression and mask set"),
            ("scores.nc", "the same as NetCDF, a group for each mask set"),
        ]
    out.append(("heatmaps.nc", "global heatmaps (NetCDF)"))
    if s.per_image:
        out += [
            ("maps.nc", "maps of every face on the canonical face (NetCDF)"),
            ("predictions.csv", "every class probability of every network for every face"),
        ]
    return out

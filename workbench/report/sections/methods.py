"""How the maps were made, and the files beside the page."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from workbench.figures.theme import readable
from workbench.report.analysis import methods
from workbench.report.describe import listing, options_in_words, registered
from workbench.report.sources import Sources
from workbench.vocabulary import ON_RANDOM_WEIGHTS, RANDOM_WEIGHTS


def explainers(s: Sources) -> list[dict[str, Any]]:
    """What each explainer is and on how many faces it ran."""
    options = s.maps.attrs.get("options", {})
    options = json.loads(options) if isinstance(options, str) and options else options
    chosen = methods(s.analysis.heat)
    out = []
    names = [str(n) for n in s.maps["explainer"].values]
    for name in [n for n in names if ON_RANDOM_WEIGHTS not in n]:
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
    again = [n for n in names if ON_RANDOM_WEIGHTS in n]
    if again:
        bases = [n.removesuffix(ON_RANDOM_WEIGHTS) for n in again]
        same = all(
            _coverage(s.maps, n) == _coverage(s.maps, b) for n, b in zip(again, bases, strict=True) if b in names
        )
        out.append(
            {
                "name": RANDOM_WEIGHTS,
                "control": True,
                "summary": f"{listing(bases)} of the same networks with weights drawn anew: what the architecture "
                "alone would show",
                "reference": "Adebayo et al., NeurIPS 2018",
                "options": "as above",
                "count": 0,
                "total": 0,
                "coverage": "as above" if same else "differs; see heatmaps.nc",
            }
        )
    return out


def fewer(s: Sources) -> str:
    """Which explainers have maps of fewer faces than there are, in words; empty where all have all."""
    rows = [e for e in explainers(s) if e["total"] and e["count"] < e["total"]]
    return ", ".join(f"{readable(e['name'])} on {e['count']} of {e['total']}" for e in rows)


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
    out.append(("heatmaps.nc", "global heatmaps, controls included: what the scores rest on (NetCDF)"))
    if s.per_image:
        out += [
            (
                "maps.nc",
                "every face's maps on the canonical face, without those of random weights, rounded: "
                "scores made from them may differ in the third decimal (NetCDF)",
            ),
            ("predictions.csv", "every class probability of every network for every face"),
        ]
    return out

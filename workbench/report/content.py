"""What the page says, section by section, as plain values for the template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from workbench import figures
from workbench.canonical import load_frame
from workbench.faces.faceset import FaceSet
from workbench.figures.predictions import said_probability
from workbench.figures.theme import number, readable
from workbench.masks import MaskSet
from workbench.report import belief
from workbench.report.analysis import Analysis, methods
from workbench.report.describe import MASK_FACTS, RANDOM, listed, network_facts, options_in_words, registered
from workbench.report.recognition import Recognition
from workbench.report.svg import inline, photograph
from workbench.report.tables import SCORES, TITLES, score_table


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


def content(s: Sources) -> dict[str, Any]:
    """All values of the template."""
    return {
        "title": s.title, "caveat": s.caveat, "embed": s.embed, "with_faces": s.faces is not None,
        "per_image": s.per_image, "models": [str(m) for m in s.maps["model"].values], "beliefs": _beliefs(s),
        "overview": _overview(s), "faces": _faces(s), "networks": [network_facts(c) for c in s.classifiers],
        "predictions": _predictions(s), "recognition": _recognition(s), "overlays": _overlays(s),
        "heatmaps": _heatmaps(s), "mask_sets": _mask_sets(s), "scores": _scores(s), "trees": _trees(s),
        "explainers": _explainers(s), "assets": s.assets, "notes": s.notes, "versions": s.versions,
        "attrs": {k: s.maps.attrs.get(k) for k in ("frame", "target", "target_space", "seed")},
        "policy": s.analysis.heat.attrs.get("policy", ""), "threshold": s.threshold, "number": number,
        "readable": readable, "files": _files(s), "marked": bool(s.marked),
    }


def _people(s: Sources) -> tuple[int, int | None]:
    """Faces, and people where every face names its subject."""
    if not s.per_image:
        return 0, None
    subjects = s.maps["subject"].values.astype(str) if "subject" in s.maps.coords else np.array([""])
    return s.maps.sizes["image"], (len(set(subjects)) if "" not in subjects else None)


def _main_table(s: Sources) -> tuple[str, xr.Dataset] | None:
    if s.main_masks is None or s.main_masks.name not in s.analysis.tables:
        return None
    return s.main_masks.name, s.analysis.tables[s.main_masks.name]


def _beliefs(s: Sources) -> list[belief.Sentence]:
    faces, people = _people(s)
    main = _main_table(s)
    comparisons = int(np.isfinite(main[1]["iou"].values).sum()) if main else 0
    if s.per_image:
        out = [belief.significance(faces, people, comparisons)]
    else:
        out = [belief.Sentence("These heatmaps were aggregated elsewhere: without per-image maps no interval can be "
                               "computed and no number on this page can be called significant.", "caution")]
    if main:
        out += belief.agreement(main[1], main[0], testable=out[0].weight != "caution")
        out += belief.cells(main[1]) + belief.controls(main[1])
    return out + belief.unrecognised(s.answers)


def _overview(s: Sources) -> dict[str, Any] | None:
    main = _main_table(s)
    return None if main is None else _shares(*main)


def _shares(masks: str, table: xr.Dataset) -> dict[str, Any]:
    """The overview of one mask set: a row an explainer."""
    rows = [(str(e), belief.shares(table, str(e))) for e in table["explainer"].values]
    return {"masks": masks, "rows": rows, "count": int(table.sizes.get("mask", 6))}


def _faces(s: Sources) -> dict[str, Any]:
    if s.faces is None:
        return {"rows": [], "failures": [], "notes": [], "count": _people(s)[0], "people": _people(s)[1]}
    rows = []
    for position, row in enumerate(s.faces.table.to_dict("records")):
        picture = photograph(s.faces.images[position], 112) if s.embed else ""
        rows.append({"name": row["name"], "label": row.get("label", ""), "subject": row.get("subject", ""),
                     "picture": picture})
    return {"rows": rows, "failures": list(s.faces.failures), "notes": list(s.faces.notes), "count": len(rows),
            "people": _people(s)[1]}


def _predictions(s: Sources) -> list[dict[str, Any]]:
    if not s.per_image or "predicted" not in s.maps.coords:
        return []
    predicted = s.maps["predicted"].transpose("model", "image").values.astype(str)
    said = said_probability(s.maps)
    labels = s.maps["label"].values.astype(str) if "label" in s.maps.coords else [""] * predicted.shape[1]
    pictures = dict(zip(s.faces.names, range(len(s.faces)), strict=True)) if s.faces is not None and s.embed else {}
    rows = []
    for i, name in enumerate(s.maps["image"].values.astype(str)):
        cells = [{"said": predicted[m, i], "p": number(said[m, i]), "share": float(np.nan_to_num(said[m, i])),
                  "verdict": "" if not labels[i] else ("right" if labels[i] == predicted[m, i] else "wrong")}
                 for m in range(predicted.shape[0])]
        picture = photograph(s.faces.images[pictures[name]], 48) if s.faces is not None and name in pictures else ""
        rows.append({"name": name, "label": labels[i], "cells": cells, "picture": picture})
    return rows


def _recognition(s: Sources) -> list[dict[str, Any]]:
    out = []
    for position, answer in enumerate(s.answers):
        predicted = s.maps["predicted"].transpose("model", "image").values[position].astype(str)
        labels = s.maps["label"].values.astype(str)
        figure = figures.confusion(labels.tolist(), predicted.tolist(), answer.classes) if answer.n else None
        drawing = Markup(inline(figure, f"confusion-{position}", f"Confusion of {answer.model}: rows are labels, "
                                "columns answers", least=0.85)) if figure is not None else ""
        out.append({"answer": answer, "accuracy": number(answer.accuracy), "drawing": drawing,
                    "right": sum(answer.right.values()), "chance": number(1 / max(len(answer.classes), 1))})
    return out


def _overlays(s: Sources) -> list[dict[str, Any]]:
    if not s.per_image or s.overlays <= 0:
        return []
    names = _chosen(s)
    shown = [e for e in s.maps["explainer"].values.astype(str) if RANDOM not in e]
    faces = s.faces if s.embed else None
    out = []
    for position, model in enumerate(s.maps["model"].values.astype(str)):
        figure = figures.overlay_grid(s.maps, faces, model, images=names, explainers=shown)
        out.append({"model": model, "drawing": Markup(inline(
            figure, f"overlay-{position}", f"Heatmaps of {model}: one row a face, one column an explainer", quality=72,
            least=0.8))})
    return out


def _chosen(s: Sources) -> list[str]:
    """The faces shown: those on which most explainers ran, labelled ones first among equals, in their order."""
    names = s.maps["image"].values.astype(str)
    if len(names) <= s.overlays:
        return [str(n) for n in names]
    done = (s.maps["status"] != "not computed").sum(["model", "explainer"]).values if "status" in s.maps.coords \
        else np.zeros(len(names))
    if s.faces is not None:
        done = np.where(np.isin(names, s.faces.names), done, -1)
    labelled = s.maps["label"].values.astype(str) != "" if "label" in s.maps.coords else np.zeros(len(names), bool)
    chosen = sorted(np.lexsort((~labelled, -done))[: s.overlays])
    return [str(names[i]) for i in chosen]


def _heatmaps(s: Sources) -> list[dict[str, Any]]:
    heat = s.analysis.heat
    frame = load_frame(str(heat.attrs.get("frame", "mediapipe478")))
    roles = heat["role"].values.astype(str) if "role" in heat.coords else ["method"] * heat.sizes["explainer"]
    out = []
    for position, explainer in enumerate(heat["explainer"].values.astype(str)):
        part = heat.sel(explainer=explainer)
        if not np.isfinite(part.values).any():
            continue
        figure = figures.global_heatmaps(part, None, s.main_masks, unrecognised=s.marked, frame=frame)
        left_out = int(part["left_out"].sum()) if "left_out" in part.coords else 0
        out.append({"explainer": explainer, "control": str(roles[position]) == "control", "left_out": left_out,
                    "drawing": Markup(inline(figure, f"global-{position}", f"Global heatmaps of {readable(explainer)}: "
                                             "networks by expressions", quality=76, least=0.9))})
    return out


def _mask_sets(s: Sources) -> list[dict[str, Any]]:
    out = []
    for position, mask_set in enumerate(s.masks):
        columns = 6 if len(mask_set.names) <= 12 else 8
        figure = figures.masks(mask_set, columns=columns)
        facts = {k: str(mask_set.attrs[k]) for k in MASK_FACTS if mask_set.attrs.get(k)}
        facts |= listed(mask_set)
        out.append({"name": mask_set.name, "dimension": mask_set.dimension, "count": len(mask_set.names),
                    "facts": facts,
                    "drawing": Markup(inline(figure, f"masks-{position}", f"The masks of {mask_set.name} on the "
                                             "canonical face", least=0.9))})
    return out


def _scores(s: Sources) -> list[dict[str, Any]]:
    out = []
    for place, (name, table) in enumerate(s.analysis.tables.items()):
        rows = []
        for position, explainer in enumerate(table["explainer"].values.astype(str)):
            key = f"{place}-{position}"
            part = table.sel(explainer=[explainer])
            scored = np.isfinite(part["iou"].values).any()
            dots = figures.scores(part, explainer) if scored and part["iou"].ndim == 3 else None
            matrix = figures.specificity(part, explainer) if scored and "all_masks_iou" in table else None
            rows.append({
                "explainer": explainer,
                "dots": Markup(inline(dots, f"scores-{key}", f"IoU of {readable(explainer)} beside its controls",
                                      least=0.85)) if dots is not None else "",
                "matrix": Markup(inline(matrix, f"specificity-{key}", f"Maps of {readable(explainer)} against every "
                                        "mask", least=0.85)) if matrix is not None else "",
                "tables": [(score, TITLES[score], score_table(table, explainer, score, s.marked))
                           for score in SCORES if score in table and table[score].ndim == 3],
            })
        mask_set = next((m for m in s.masks if m.name == name), None)
        overview = _shares(name, table) if table["iou"].ndim == 3 and place > 0 else None
        out.append({"masks": name, "rows": rows, "overview": overview, "notes": str(table.attrs.get("caution", "")),
                    "dimension": mask_set.dimension if mask_set is not None else "expression"})
    return out


def _trees(s: Sources) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for explainer in dict.fromkeys(t.explainer for t in s.analysis.trees):
        trees = [t for t in s.analysis.trees if t.explainer == explainer]
        maximum = max((float(t.linkage[:, 2].max()) for t in trees if len(t.linkage)), default=1.0)
        cards = []
        for tree in trees:
            if not len(tree.linkage):
                cards.append({"expression": tree.expression, "cophenetic": "–", "reason": tree.reason,
                              "supported": False, "drawing": "", "left_out": tree.left_out})
                continue
            figure = figures.dendrogram(tree.labels, tree.linkage, support=tree.support, reason=tree.reason,
                                        maximum=maximum, title=tree.expression)
            position = len(out) * 10 + len(cards)
            cards.append({"expression": tree.expression, "cophenetic": number(tree.cophenetic), "reason": tree.reason,
                          "supported": tree.support is not None, "left_out": tree.left_out,
                          "drawing": Markup(inline(figure, f"tree-{position}", f"Dendrogram for {tree.expression}, "
                                                   f"{readable(explainer)}", least=0.9))})
        out.append({"explainer": explainer, "cards": cards})
    return out


def _explainers(s: Sources) -> list[dict[str, Any]]:
    options = s.maps.attrs.get("options", {})
    options = json.loads(options) if isinstance(options, str) and options else options
    chosen = methods(s.analysis.heat)
    out = []
    for name in s.maps["explainer"].values.astype(str):
        summary, reference = registered(name)
        count, total = _coverage(s.maps, name)
        out.append({"name": name, "control": name not in chosen, "summary": summary, "reference": reference,
                    "options": options_in_words(options.get(name, {})), "count": count, "total": total})
    return out


def _coverage(maps: xr.DataArray, explainer: str) -> tuple[int, int]:
    """On how many of how many faces an explainer ran."""
    if "image" not in maps.dims or "status" not in maps.coords:
        return 0, 0
    ran = (maps["status"].sel(explainer=explainer) != "not computed").any("model").values
    return int(ran.sum()), int(ran.size)


def _files(s: Sources) -> list[tuple[str, str]]:
    out = [("manifest.json", "what went in, what was used, what came out, with hashes")]
    if s.analysis.tables:
        out += [("scores.csv", "every score and control, one row a network, explainer, expression and mask set"),
                ("scores.nc", "the same as NetCDF, a group for each mask set")]
    out.append(("heatmaps.nc", "global heatmaps (NetCDF)"))
    if s.per_image:
        out += [("maps.nc", "maps of every face on the canonical face (NetCDF)"),
                ("predictions.csv", "every class probability of every network for every face")]
    return out

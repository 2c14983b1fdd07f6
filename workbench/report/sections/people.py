"""Faces, what the networks said of them, and their heatmaps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from markupsafe import Markup

from workbench import figures
from workbench.faces.faceset import FaceSet
from workbench.figures.theme import NOT_RECOGNISED, number
from workbench.heatmaps.predictions import said_probability
from workbench.report.describe import sentence
from workbench.report.sources import Sources, counted
from workbench.report.svg import inline, photograph
from workbench.vocabulary import ON_RANDOM_WEIGHTS


def found(s: Sources) -> dict[str, Any]:
    """The faces and what could not be used."""
    if s.faces is None:
        return {"rows": [], "failures": [], "notes": [], "count": counted(s)[0], "people": counted(s)[1], "sources": []}
    rows = []
    for position, row in enumerate(s.faces.table.to_dict("records")):
        picture = photograph(s.faces.images[position], 112) if s.embed else ""
        rows.append(
            {"name": row["name"], "label": row.get("label", ""), "subject": row.get("subject", ""), "picture": picture}
        )
    return {
        "rows": rows,
        "failures": list(s.faces.failures),
        "notes": [sentence(n) for n in dict.fromkeys((*s.faces.notes, *_of_failures(s)))],
        "count": len(rows),
        "people": counted(s)[1],
        "sources": face_sources(s.faces),
    }


def _of_failures(s: Sources) -> list[str]:
    """Notes that name an input without a usable face."""
    failed = [f.name for f in s.faces.failures] if s.faces is not None else []
    return [n for n in s.notes if any(name in n for name in failed)]


def other_notes(s: Sources) -> list[str]:
    """Notes on the run, as sentences: all that do not stand with the faces."""
    with_faces = {*(s.faces.notes if s.faces is not None else ()), *_of_failures(s)}
    names = [str(e) for e in s.maps["explainer"].values]
    return [sentence(n, names) for n in dict.fromkeys(s.notes) if n not in with_faces]


def face_sources(faces: FaceSet) -> list[dict[str, str]]:
    """Credit, licence and caveat of the photographs, where the face set knows them (`attrs["sources"]`, JSON)."""
    known = faces.attrs.get("sources")
    table = json.loads(known) if isinstance(known, str) and known else known or {}
    return [{"name": str(name), **{k: str(v) for k, v in row.items()}} for name, row in dict(table).items()]


def predictions(s: Sources) -> list[dict[str, Any]]:
    """A row a face: what every network said of it."""
    if not s.per_image or "predicted" not in s.maps.coords:
        return []
    predicted = s.maps["predicted"].transpose("model", "image").values.astype(str)
    said = said_probability(s.maps)
    models = s.maps["model"].values
    labels = s.maps["label"].values.astype(str) if "label" in s.maps.coords else [""] * predicted.shape[1]
    pictures = dict(zip(s.faces.names, range(len(s.faces)), strict=True)) if s.faces is not None and s.embed else {}
    rows = []
    for i, name in enumerate(s.maps["image"].values.astype(str)):
        cells = [
            {
                "said": predicted[m, i],
                "mark": NOT_RECOGNISED if (str(models[m]), str(predicted[m, i])) in s.marked else "",
                "p": number(said[m, i]),
                "share": float(np.nan_to_num(said[m, i])),
                "verdict": "" if not labels[i] else ("right" if labels[i] == predicted[m, i] else "wrong"),
            }
            for m in range(predicted.shape[0])
        ]
        picture = photograph(s.faces.images[pictures[name]], 48) if s.faces is not None and name in pictures else ""
        rows.append({"name": name, "label": labels[i], "cells": cells, "picture": picture})
    return rows


def recognised(s: Sources) -> list[dict[str, Any]]:
    """Accuracy and confusion of each network on the labelled faces."""
    out = []
    for position, answer in enumerate(s.answers):
        predicted = s.maps["predicted"].transpose("model", "image").values[position].astype(str)
        labels = s.maps["label"].values.astype(str)
        figure = figures.confusion(labels.tolist(), predicted.tolist(), answer.classes) if answer.n else None
        drawing = (
            Markup(
                inline(
                    figure,
                    f"confusion-{position}",
                    f"Confusion of {answer.model}: rows are labels, columns answers",
                    least=0.85,
                )
            )
            if figure is not None
            else ""
        )
        out.append(
            {
                "answer": answer,
                "accuracy": number(answer.accuracy),
                "drawing": drawing,
                "right": sum(answer.right.values()),
                "chance": number(1 / max(len(answer.classes), 1)),
            }
        )
    return out


def overlays(s: Sources) -> list[dict[str, Any]]:
    """A sheet a network: chosen faces under their heatmaps."""
    if not s.per_image or s.overlays <= 0:
        return []
    names = _chosen(s)
    shown = [e for e in s.maps["explainer"].values.astype(str) if ON_RANDOM_WEIGHTS not in e]
    faces = s.faces if s.embed else None
    out = []
    for position, model in enumerate(s.maps["model"].values.astype(str)):
        figure = figures.overlay_grid(s.maps, faces, model, images=names, explainers=shown, unrecognised=s.marked)
        out.append(
            {
                "model": model,
                "drawing": Markup(
                    inline(
                        figure,
                        f"overlay-{position}",
                        f"Heatmaps of {model}: one row a face, one column an explainer",
                        quality=72,
                        least=0.8,
                    )
                ),
            }
        )
    return out


def _chosen(s: Sources) -> list[str]:
    """The faces shown, in their order: one of each person (as far as half the places reach), then those on which most
    explainers ran, labelled ones first among equals."""
    names = s.maps["image"].values.astype(str)
    if len(names) <= s.overlays:
        return [str(n) for n in names]
    done = (
        (s.maps["status"] != "not computed").sum(["model", "explainer"]).values
        if "status" in s.maps.coords
        else np.zeros(len(names))
    )
    if s.faces is not None:
        done = np.where(np.isin(names, s.faces.names), done, -1)
    labelled = s.maps["label"].values.astype(str) != "" if "label" in s.maps.coords else np.zeros(len(names), bool)
    ranked = [int(i) for i in np.lexsort((~labelled, -done)) if done[i] >= 0]
    subjects = s.maps["subject"].values.astype(str) if "subject" in s.maps.coords else np.full(len(names), "")
    first = {str(subjects[i]): i for i in reversed(ranked) if subjects[i]}
    people = sorted(first.values(), key=ranked.index)[: s.overlays // 2]
    chosen = sorted([*people, *(i for i in ranked if i not in people)][: s.overlays])
    return [str(names[i]) for i in chosen]

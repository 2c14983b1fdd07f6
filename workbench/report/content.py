"""What the page says, section by section, as plain values for the template."""

from __future__ import annotations

from typing import Any

from workbench.figures.overlay import SCALE
from workbench.figures.theme import number, readable
from workbench.report.belief import unlabelled
from workbench.report.describe import network_facts, score_in_words, target_in_words
from workbench.report.sections import agreement, maps, methods, people
from workbench.report.sources import Sources


def content(s: Sources) -> dict[str, Any]:
    """All values of the template."""
    return {
        "title": s.title,
        "caveat": s.caveat,
        "embed": s.embed,
        "with_faces": s.faces is not None,
        "per_image": s.per_image,
        "models": [str(m) for m in s.maps["model"].values],
        "beliefs": agreement.beliefs(s),
        "overview": agreement.overview(s),
        "faces": people.found(s),
        "networks": [network_facts(c) for c in s.classifiers],
        "predictions": people.predictions(s),
        "recognition": people.recognised(s),
        "overlays": people.overlays(s),
        "heatmaps": maps.global_maps(s),
        "mask_sets": maps.mask_sets(s),
        "scores": agreement.agreement(s),
        "trees": maps.trees(s),
        "explainers": methods.explainers(s),
        "assets": s.assets,
        "notes": people.other_notes(s),
        "fewer": methods.fewer(s),
        "unlabelled": unlabelled(s.answers, [str(e) for e in s.analysis.heat["expression"].values]),
        "by": str(s.analysis.heat.attrs.get("by", "predicted")),
        "explained": target_in_words(s.maps.attrs.get("target")),
        "explained_score": score_in_words(s.maps.attrs.get("target_space")),
        "scale": SCALE,
        "versions": s.versions,
        "attrs": {k: s.maps.attrs.get(k) for k in ("frame", "seed")},
        "policy": s.analysis.heat.attrs.get("policy", ""),
        "threshold": s.threshold,
        "number": number,
        "readable": readable,
        "files": methods.files(s),
        "marked": bool(s.marked),
    }

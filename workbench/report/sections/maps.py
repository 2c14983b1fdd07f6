"""Global heatmaps, mask sets and dendrograms."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from workbench import figures
from workbench.canonical import load_frame
from workbench.figures.theme import number, readable
from workbench.report.describe import MASK_FACTS, listed
from workbench.report.sources import Sources
from workbench.report.svg import inline


def global_maps(s: Sources) -> list[dict[str, Any]]:
    """A sheet an explainer: networks by expressions."""
    heat = s.analysis.heat
    frame = load_frame(str(heat.attrs.get("frame", "mediapipe478")))
    roles = heat["role"].values.astype(str) if "role" in heat.coords else ["method"] * heat.sizes["explainer"]
    out = []
    for position, explainer in enumerate(heat["explainer"].values.astype(str)):
        part = heat.sel(explainer=explainer)
        if not np.isfinite(part.values).any():
            continue
        figure = figures.global_heatmaps(heat, explainer, s.main_masks, unrecognised=s.marked, frame=frame)
        left_out = int(part["left_out"].sum()) if "left_out" in part.coords else 0
        out.append(
            {
                "explainer": explainer,
                "control": str(roles[position]) == "control",
                "left_out": left_out,
                "drawing": Markup(
                    inline(
                        figure,
                        f"global-{position}",
                        f"Global heatmaps of {readable(explainer)}: networks by expressions",
                        quality=76,
                        least=0.9,
                    )
                ),
            }
        )
    return out


def mask_sets(s: Sources) -> list[dict[str, Any]]:
    """Each mask set with its facts and a drawing."""
    out = []
    for position, mask_set in enumerate(s.masks):
        columns = 6 if len(mask_set.names) <= 12 else 8
        figure = figures.masks(mask_set, columns=columns)
        facts = {k: str(mask_set.attrs[k]) for k in MASK_FACTS if mask_set.attrs.get(k)}
        facts |= listed(mask_set)
        out.append(
            {
                "name": mask_set.name,
                "dimension": mask_set.dimension,
                "count": len(mask_set.names),
                "facts": facts,
                "drawing": Markup(
                    inline(
                        figure, f"masks-{position}", f"The masks of {mask_set.name} on the canonical face", least=0.9
                    )
                ),
            }
        )
    return out


def trees(s: Sources) -> list[dict[str, Any]]:
    """Dendrograms, a card an expression."""
    out: list[dict[str, Any]] = []
    for explainer in dict.fromkeys(t.explainer for t in s.analysis.trees):
        trees = [t for t in s.analysis.trees if t.explainer == explainer]
        maximum = max((float(t.linkage[:, 2].max()) for t in trees if len(t.linkage)), default=1.0)
        cards = []
        for tree in trees:
            if not len(tree.linkage):
                cards.append(
                    {
                        "expression": tree.expression,
                        "cophenetic": "–",
                        "reason": tree.reason,
                        "supported": False,
                        "drawing": "",
                        "left_out": tree.left_out,
                    }
                )
                continue
            figure = figures.dendrogram(
                tree.labels,
                tree.linkage,
                support=tree.support,
                reason=tree.reason,
                numbers=tree.numbers,
                order=tree.order,
                maximum=maximum,
                unrecognised={m for m, e in s.marked if e == tree.expression},
                title=tree.expression,
            )
            position = len(out) * 10 + len(cards)
            cards.append(
                {
                    "expression": tree.expression,
                    "cophenetic": number(tree.cophenetic),
                    "reason": tree.reason,
                    "supported": tree.support is not None,
                    "left_out": tree.left_out,
                    "drawing": Markup(
                        inline(
                            figure,
                            f"tree-{position}",
                            f"Dendrogram for {tree.expression}, {readable(explainer)}",
                            least=0.9,
                        )
                    ),
                }
            )
        out.append({"explainer": explainer, "cards": cards})
    return out

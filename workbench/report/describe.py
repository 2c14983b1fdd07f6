"""Networks, mask sets and explainers in words: the facts that a page prints about each."""

from __future__ import annotations

import json
from typing import Any

from workbench.figures.theme import number, readable
from workbench.masks import MaskSet

RANDOM = "@random_weights"
MASK_FACTS = (
    "summary",
    "citation",
    "licence",
    "authority",
    "caveat",
    "codebook",
    "codebook_summary",
    "codebook_citation",
    "policy",
)


def network_facts(described: dict[str, Any]) -> dict[str, Any]:
    """A network's card: title and (term, text) pairs, whatever of them is known."""
    source = described.get("provenance") or {}
    size = described.get("input") or {}
    grid = described.get("cam_grid") or {}
    parameters = described.get("parameters")
    facts = [
        ("architecture", source.get("architecture") or source.get("summary")),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else parameters),
        ("input", f"{size.get('channels')} × {size.get('height')} × {size.get('width')}" if size else None),
        ("answers", ", ".join(described.get("labels") or [])),
        (
            "CAM layer",
            f"{described['cam_layer']} ({grid.get('height')} × {grid.get('width')} places)"
            if described.get("cam_layer") and grid
            else described.get("cam_layer"),
        ),
        ("training data", source.get("training_data")),
        ("licence", source.get("licence")),
        ("caveat", source.get("caveat")),
        ("source", source.get("citation")),
        ("SHA-256", (source.get("sha256") or "")[:16] + "…" if source.get("sha256") else None),
    ]
    return {"title": described.get("name", "network"), "facts": [(k, v) for k, v in facts if v]}


def listed(mask_set: MaskSet) -> dict[str, str]:
    """Attributes of a mask set that are JSON, in words."""
    out = {}
    parsed = {
        k: json.loads(str(mask_set.attrs[k]))
        for k in ("action_units", "indistinguishable", "lost")
        if mask_set.attrs.get(k)
    }
    if parsed.get("action_units"):
        out["action units"] = "; ".join(f"{e}: {' '.join(units)}" for e, units in parsed["action_units"].items())
    if parsed.get("indistinguishable"):
        out["not to be told apart"] = "; ".join(" = ".join(group) for group in parsed["indistinguishable"])
    if any(v > 0.005 for v in (parsed.get("lost") or {}).values()):
        out["outside the frame"] = ", ".join(f"{k} {number(v)}" for k, v in parsed["lost"].items() if v > 0.005)
    return out


def registered(name: str) -> tuple[str, str]:
    """Summary and source of an explainer, from the registry."""
    from workbench.explainers import EXPLAINERS

    if name.endswith(RANDOM):
        base = name.removesuffix(RANDOM)
        return (
            f"{readable(base)} of the same network with random weights: what the architecture alone would show",
            "Adebayo et al., NeurIPS 2018",
        )
    if name in EXPLAINERS:
        return EXPLAINERS[name].summary, EXPLAINERS[name].reference
    return "", ""


def options_in_words(options: dict[str, Any]) -> str:
    """`samples 1000, fill black`; an option left empty is not named."""
    return ", ".join(f"{readable(k)} {v}" for k, v in sorted(options.items()) if v not in ("", None)) or "none"

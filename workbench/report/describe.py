"""Networks, mask sets and explainers in words: the facts that a page prints about each."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workbench.figures.theme import number, readable
from workbench.masks import MaskSet
from workbench.vocabulary import ON_RANDOM_WEIGHTS

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
        ("input", _input(size)),
        ("answers", ", ".join(described.get("labels") or [])),
        *_other_heads(described.get("heads") or {}),
        (
            "layer for CAMs",
            f"{described['cam_layer']} ({grid.get('height')} × {grid.get('width')} places over the picture)"
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


def _other_heads(heads: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(term, outputs) of every head but the expressions."""
    words = {"au": "action units"}
    return [
        (words.get(name, name), ", ".join(f"AU{one}" if name == "au" else str(one) for one in head["labels"]))
        for name, head in heads.items()
        if name != "expression"
    ]


def _input(size: dict[str, Any]) -> str | None:
    """`64 × 64 pixels, grey`."""
    if not size:
        return None
    colour = {1: "grey", 3: "colour"}.get(size.get("channels") or 0, f"{size.get('channels')} channels")
    return f"{size.get('height')} × {size.get('width')} pixels, {colour}"


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

    if name.endswith(ON_RANDOM_WEIGHTS):
        base = name.removesuffix(ON_RANDOM_WEIGHTS)
        return (
            f"{readable(base)} of the same network with random weights: what the architecture alone would show",
            "Adebayo et al., NeurIPS 2018",
        )
    if name in EXPLAINERS:
        return EXPLAINERS[name].summary, EXPLAINERS[name].reference
    return "", ""


_OPTIONS = {
    "alpha": "ridge penalty {}",
    "fill": "filled with {}",
    "grid": "grid of {0} × {0}",
    "keep": "each place shown with probability {}",
    "segments": "{} superpixels",
    "space": "explains the {}",
    "steps": "{} steps",
    "stride": "stride {} of the side",
    "window": "window {} of the side",
}


def options_in_words(options: dict[str, Any]) -> str:
    """`1,000 samples, filled with black`; an option left empty is not named."""
    words = []
    for key, value in sorted(options.items()):
        if value in ("", None):
            continue
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else f"{value}"
        if isinstance(value, float):
            shown = f"{value:g}"
        plain = "{} samples" if key == "samples" else f"{readable(key)} {{}}"
        words.append(_OPTIONS.get(key, plain).format(shown))
    return ", ".join(words) or "none"


def listing(names: Sequence[str]) -> str:
    """`Grad-CAM, LIME and RISE`, from registry names."""
    words = [readable(n) for n in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def target_in_words(target: object) -> str:
    """Which class the maps explain."""
    kind = str(target or "")
    if kind.startswith("expression:"):
        return f"{kind.partition(':')[2]}, whatever the network answered"
    return {
        "predicted": "the network's own answer for each face",
        "labelled": "the class that each face is labelled with",
    }.get(kind, kind or "not recorded")


def score_in_words(space: object) -> str:
    """Which score of that class the maps explain, from `target_space` (`logit; probability for lime, rise`)."""
    kinds = {"logit": "the score before the softmax (logit)", "probability": "its probability"}
    parts = []
    for part in str(space or "").split("; "):
        kind, _, names = part.partition(" for ")
        chosen = [n for n in names.split(", ") if n and "@" not in n]
        parts.append(kinds.get(kind, kind) + (f" for {listing(chosen)}" if chosen else ""))
    return "; ".join(p for p in parts if p)


def sentence(note: str, names: Collection[str] = ()) -> str:
    """A note as a sentence: capital and full stop; a leading registry name of `names` as it is written on the page.

    A first word that is a name (with a digit, dot, hyphen or underscore) keeps its case.
    """
    first, blank, rest = note.strip().partition(" ")
    if first in names:
        first = readable(first)
    text = first + blank + rest
    if first[:1].islower() and first.rstrip(":,").isalpha():
        text = first[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else text + "."

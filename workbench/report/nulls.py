"""What the null models and the permuted labels leave of a table, in sentences."""

from __future__ import annotations

from typing import Any

import xarray as xr

from workbench.figures.theme import readable
from workbench.report.belief import Sentence
from workbench.scores import summary
from workbench.scores.verdict import NULL_WORDS
from workbench.statistics.multiplicity import ALPHA

RUNG_WORDS = {
    "too few": "rest on too few faces to call anything significant",
    "not tested": "were not tested",
    "chance": "cannot be told from chance",
    "above chance, rest not testable": "are above chance, the rest not testable",
    "no better than a blob": "are above chance and no better than a blob of the same area",
    "better than a blob, no own mask": "are better than a blob of the same area",
    "not specific": "are better than a blob and not specific to their expression",
    "specific": "are better than a blob and specific",
}


def tests(table: xr.Dataset) -> list[Sentence]:
    """What the null models leave of the table's cells, and on which step of the ladder these stand."""
    found = summary(table)
    if not found["cells"] or not found["nulls"]:
        return []
    cells, out = found["cells"], []
    for name, null in found["nulls"].items():
        if null["smallest_p"] is None:
            continue
        central = null["passes_central"]
        out.append(
            f"against {NULL_WORDS.get(name, name)} {null['below_05']} of {cells} maps have p ≤ .05 and "
            f"{null['below_05_bh']} keep it when corrected for their number"
            + (f" (of unrelated central maps {central:.0%} would pass uncorrected)" if central is not None else "")
        )
    said = []
    if out:
        kept = min(null["below_05_bh"] for null in found["nulls"].values())
        about = "of these maps as they are, not of maps of other faces"
        said.append(Sentence(f"Chance, tested ({about}): {'; '.join(out)}.", "plain" if kept else "caution"))
    steps = "; ".join(f"{count} {RUNG_WORDS[rung]}" for rung, count in found["verdicts"].items())
    if steps:
        said.append(Sentence(f"In words, of the {cells} maps: {steps}. Each map's verdict stands with its scores."))
    return said + _dealt(found["labels"])


def _dealt(labels: list[dict[str, Any]]) -> list[Sentence]:
    """One sentence for all explainers whose maps fit the masks of other expressions about as well."""
    able = [row for row in labels if row["p"] is not None and (row.get("resolution") or 0.0) <= ALPHA]
    alike = [row for row in able if row["p"] > ALPHA]  # few labels cannot tell
    if not alike:
        return []
    least, most = min(row["p"] for row in alike), max(row["p"] for row in alike)
    share = f"{least:.0%}" if f"{least:.0%}" == f"{most:.0%}" else f"{least:.0%} to {most:.0%}"
    whose = ", ".join(readable(row["explainer"]) for row in alike if row["explainer"])
    of = f" of {whose}" if whose and len(alike) < len(able) else ""
    text = (
        f"Dealing the masks out to other expressions gives as high a mean IoU in {share} of all ways of doing so"
        f"{', by explainer' if len(alike) > 1 else ''}: as a whole the maps{of} are not shown to tell their own "
        "expression's mask from the others."
    )
    return [Sentence(text, "caution")]

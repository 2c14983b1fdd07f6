"""What can be believed: a few plain sentences, each derived from the data of this page."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from workbench.figures.theme import number, readable
from workbench.report.recognition import Recognition
from workbench.scores import all_masks
from workbench.statistics.multiplicity import ALPHA

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
ABOUT_THE_SAME = 0.02


@dataclass(frozen=True)
class Sentence:
    """One statement; `weight` is "caution" where it limits what may be concluded, else "plain"."""

    text: str
    weight: str = "plain"


def in_words(count: int) -> str:
    """Small counts as words, larger ones as figures."""
    return _WORDS[count] if 0 <= count < len(_WORDS) else str(count)


def significance(faces: int, people: int | None, comparisons: int) -> Sentence:
    """Whether any number could be significant with so many people.

    The people are the independent units. A sign-flip test over k of them cannot give a two-sided p below 2 / 2^k, so
    with few people nothing is significant at .05, and correcting for the page's comparisons (Bonferroni) asks for
    more. `people` is None where subjects are not known.
    """
    enough = math.ceil(math.log2(2 * max(comparisons, 1) / ALPHA))
    pictures = f"{faces} face{'s' if faces != 1 else ''}"
    if people is None:
        return Sentence(
            f"Who is on the {pictures} is not known (no subject is named), so they cannot be counted as independent "
            "observations: no number on this page can be called significant, and intervals are too narrow if people "
            "recur.",
            "caution",
        )
    persons = f"{in_words(people)} {'person' if people == 1 else 'people'}"
    smallest = 2 / 2**people
    if smallest > ALPHA:
        least = f" (the smallest p that {in_words(people)} could give is {number(smallest)})" if people > 1 else ""
        return Sentence(
            f"With {pictures} of {persons} no number on this page is significant{least}. "
            "It shows how the networks can be examined, not what they are like; another few faces could turn any "
            "comparison round.",
            "caution",
        )
    if smallest * comparisons > ALPHA:
        return Sentence(
            f"With {pictures} of {persons} no single number survives a correction for the {comparisons} comparisons on "
            f"this page (that takes at least {enough} people). Read differences as hints.",
            "caution",
        )
    return Sentence(
        f"The page rests on {pictures} of {persons}. Intervals resample people; p-values are corrected over the cells "
        "of each table (Benjamini–Hochberg), and only for them: what is read off other numbers is not."
    )


def cells(table: xr.Dataset) -> list[Sentence]:
    """How many faces stand behind a global heatmap."""
    n = table["n"].values
    mapped = np.isfinite(table["iou"].values)
    if not mapped.any() or n.max() <= 0:
        return []
    few = int((mapped & (n < 5)).sum())
    text = (
        f"A global heatmap here averages between {int(n[mapped].min())} and {int(n[mapped].max())} faces; "
        f"{few} of {int(mapped.sum())} rest on fewer than five"
    )
    gone = int((~mapped).sum())
    text += (
        f", and {gone} of the {mapped.size} cells (network × expression × explainer) have no map at all."
        if gone
        else "."
    )
    return [Sentence(text, "caution" if few or gone else "plain")]


def agreement(table: xr.Dataset, masks: str, *, testable: bool = False) -> list[Sentence]:
    """Mean IoU beside chance, the other masks and the blob, and what follows from it.

    `testable` says whether differences could be significant at all (see `significance`).
    """
    own = table["iou"]
    mapped = np.isfinite(own.values)
    if not mapped.any():
        text = f"No heatmap could be compared with the masks of {masks}: none explains an expression that has a mask."
        return [Sentence(text, "caution")]
    means = {
        name: _mean(table, name, mapped)
        for name in ("iou", "chance_iou", "other_masks_iou", "centre_iou", "centre_iou_equal_area")
    }
    single = {str(e): shares(table, str(e)) for e in own["explainer"].values}
    by_explainer = {e: row for e, row in single.items() if row["cells"]}
    ious = [row["iou"] for row in by_explainer.values()]
    spread = f" (from {number(min(ious))} to {number(max(ious))} across explainers)" if len(by_explainer) > 1 else ""
    gap = means["iou"] - means["other_masks_iou"]
    others_reach = (
        f"the same maps against the other expressions' masks {number(means['other_masks_iou'])}; "
        if np.isfinite(gap)
        else ""
    )
    out = [
        Sentence(
            f"Overlap with the {masks} mask of the same expression is, on average, IoU {number(means['iou'])}{spread}. "
            f"Regions of the same size placed by chance reach {number(means['chance_iou'])}; "
            f"{others_reach}and a centred blob that has seen no face "
            f"{number(means['centre_iou_equal_area'])} at the maps' own area, "
            f"{number(means['centre_iou'])} at its natural size."
        )
    ]
    gaps = {readable(e): row["iou"] - row["other_masks_iou"] for e, row in by_explainer.items()}
    least, most = min(gaps, key=gaps.__getitem__), max(gaps, key=gaps.__getitem__)
    across = (
        f" By explainer the difference runs from {number(gaps[least], 3)} ({least}) "
        f"to {number(gaps[most], 3)} ({most})."
        if len(gaps) > 1
        else ""
    )
    if gap <= ABOUT_THE_SAME:
        than = "less than" if gap <= -ABOUT_THE_SAME else f"hardly {'more' if gap > 0 else 'less'} than"
        if abs(gap) < 0.0005:
            than = "no more than"
        out.append(
            Sentence(
                f"The maps overlap their own expression's mask {than} the other expressions' masks "
                f"({number(means['iou'], 3)} against {number(means['other_masks_iou'], 3)}): on average they give no "
                f"sign that the networks look where the experts say for that expression in particular.{across}",
                "caution",
            )
        )
    elif np.isfinite(gap):
        so = "cell by cell it is tested below" if testable else "with these faces that cannot be told from chance"
        out.append(Sentence(f"The own mask is {number(gap)} above the other masks: {so}.{across}"))
    blob = means["centre_iou_equal_area"]
    if np.isfinite(blob) and blob >= means["iou"] - ABOUT_THE_SAME:
        out.append(
            Sentence(
                f"A blob in the middle of the face does "
                f"{'better' if blob > means['iou'] + ABOUT_THE_SAME else 'about as well'}, so overlap of this size is "
                "what any central map would get.",
                "caution",
            )
        )
    ranks = table["rank_of_own_mask"].values
    known, sets = np.isfinite(ranks), all_masks(table).sizes["mask"]
    if known.any() and sets > 1:
        first, times = _most_often_first(table)
        out.append(
            Sentence(
                f"The own mask is the best match in {int((ranks[known] == 1).sum())} of {int(known.sum())} maps; "
                f"guessing among {in_words(sets)} masks would give about {round(known.sum() / max(sets, 1))}. "
                f"The {first} mask is first for {times} of them whatever the expression, so such counts are no test."
            )
        )
    return out


def others(tables: dict[str, xr.Dataset]) -> list[Sentence]:
    """One sentence for each further mask set by expression."""
    out = []
    for name, table in tables.items():
        mapped = np.isfinite(table["iou"].values)
        if table["iou"].ndim != 3 or not mapped.any():
            continue
        own, chance, wrong, blob = (
            number(_mean(table, v, mapped)) for v in ("iou", "chance_iou", "other_masks_iou", "centre_iou_equal_area")
        )
        first = int((table["rank_of_own_mask"].values == 1).sum())
        out.append(
            Sentence(
                f"With the masks of {name} instead: own mask {own}, chance {chance}, other masks {wrong}, blob of the "
                f"same area {blob}, own mask first in {first} of {int(mapped.sum())} maps."
            )
        )
    return out


def _most_often_first(table: xr.Dataset) -> tuple[str, int]:
    """The mask with the highest IoU for most maps, and for how many."""
    values = all_masks(table).transpose(..., "mask")
    flat = values.values.reshape(-1, values.sizes["mask"])
    best = np.nanargmax(flat[np.isfinite(flat).any(axis=1)], axis=1)
    counts = np.bincount(best, minlength=values.sizes["mask"])
    return str(values["mask"].values[counts.argmax()]), int(counts.max())


def unlabelled(answers: list[Recognition], expressions: list[str]) -> list[str]:
    """Expressions that no face is labelled with, so that nobody can say whether they are recognised."""
    labelled = {e for a in answers for e, count in a.labelled.items() if count}
    return [e for e in expressions if e not in labelled]


def unrecognised(answers: list[Recognition], expressions: list[str] | None = None) -> list[Sentence]:
    """Classes whose heatmap means little because the network does not recognise them here, or nobody can tell."""
    out = []
    missing = unlabelled(answers, expressions or []) if answers else []
    if missing and not any(a.n for a in answers):
        out.append(
            Sentence("No face carries a label: whether the networks recognise anything here is unknown.", "caution")
        )
    elif missing:
        out.append(
            Sentence(
                f"No face is labelled {' or '.join(missing)}: whether the networks recognise "
                f"{'these' if len(missing) > 1 else 'it'} cannot be checked here, and no heatmap of "
                f"{'them' if len(missing) > 1 else 'it'} is marked.",
                "caution",
            )
        )
    bad = [
        f"{a.model}: " + ", ".join(f"{e} ({a.right[e]} of {a.labelled[e]})" for e in a.failed())
        for a in answers
        if a.failed()
    ]
    if not bad:
        return out
    return [
        Sentence(
            "A heatmap says what a network used for its answer, right or wrong. Not recognised on the "
            f"labelled faces, and marked † wherever their heatmap appears – {'; '.join(bad)}.",
            "caution",
        ),
        *out,
    ]


def controls(table: xr.Dataset) -> list[Sentence]:
    """What untrained weights and a plain edge map score, or that these controls are missing; nothing without a cell
    that they could stand beside."""
    out: list[str] = []
    mapped = np.isfinite(table["iou"].values)
    if not mapped.any():
        return []
    for name, words in (
        ("random_weights_iou", "the same networks with random weights"),
        ("edge_map_iou", "a plain edge map of the faces"),
    ):
        value = _mean(table, name, mapped)
        if np.isfinite(value):
            there = int((np.isfinite(table[name].values) & mapped).sum())
            blank = f" (in {there} of {int(mapped.sum())} cells; elsewhere their maps are blank)"
            out.append(f"{words} {number(value)}{blank if there < mapped.sum() else ''}")
    if not out:
        return [
            Sentence(
                "No map of a network with random weights and no edge map was made, so two of the controls "
                "are missing from the tables.",
                "caution",
            )
        ]
    return [Sentence(f"What needs no learning scores, by the same measure: {', '.join(out)}.")]


def shares(table: xr.Dataset, explainer: str) -> dict[str, float]:
    """Means over one explainer's cells, for the overview table; `first` and `cells` are counts."""
    part = table.sel(explainer=explainer)
    mapped = np.isfinite(part["iou"].values)
    names = (
        "iou",
        "chance_iou",
        "other_masks_iou",
        "centre_iou_equal_area",
        "centre_iou",
        "random_weights_iou",
        "edge_map_iou",
        "area",
    )
    out = {name: _mean(part, name, mapped) for name in names}
    ranks = part["rank_of_own_mask"].values
    blank = "random_weights_iou" in part and np.isfinite(part["random_weights_iou"].values).any()
    there = np.isfinite(part["random_weights_iou"].values) & mapped if blank else mapped
    return {
        **out,
        "first": float((ranks == 1).sum()),
        "cells": float(mapped.sum()),
        "without_random": float((mapped & ~there).sum()),
    }


def _mean(table: xr.Dataset, name: str, mapped: np.ndarray) -> float:
    if name not in table:
        return float("nan")
    values = table[name].broadcast_like(table["iou"]).transpose(*table["iou"].dims).values.astype(float)[mapped]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")

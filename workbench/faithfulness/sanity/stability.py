"""How much of a map is chance of its making: other random seeds, mild changes of the picture, near-identical crops."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import xarray as xr
from tqdm import tqdm

from workbench.classifiers.classifier import Classifier
from workbench.errors import UnknownNameError, UsageError
from workbench.explain import predict
from workbench.explain.native import Options
from workbench.explainers import NativeMaps
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity.changes import Change, augmentations, common, crops
from workbench.faithfulness.sanity.controls import other_images, unrelated
from workbench.faithfulness.sanity.maps import Maps, Question, asked, good, why_not
from workbench.faithfulness.sanity.means import Mean, Means
from workbench.faithfulness.sanity.randomising import chance
from workbench.faithfulness.sanity.similarities import MEASURES, Floats, top_by_chance

OVER: Final = ("seed", "augmentation", "crop")


def stability(
    classifier: Classifier,
    faces: FaceSet,
    explainers: str | Sequence[str],
    over: str = "seed",
    *,
    target: str = "predicted",
    similarity: Sequence[str] = tuple(MEASURES),
    absolute: bool = False,
    seeds: int = 5,
    seed: int = 0,
    options: Options | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Maps of each face beside maps of the same face made again, under one kind of change that should not matter.

    over: "seed" makes `seeds` maps more with other random numbers; "augmentation" changes the picture mildly
    (brightness, contrast, blur, JPEG, mirrored with the map mirrored back; see `augmentations`); "crop" moves and
    scales the crop by 1 to 3 % (`crops`) and compares maps on the part of the face that both show. The target is what
    the network answers to the unchanged picture.

    Returns `similarity` (explainer, change, measure, image) with `mean`, `low`, `high` over images (95 % interval over
    subjects, or images), and `score_change`, `probability_change` (change, image): how far the explained score (logits)
    and its probability moved. Beside it `floor_images`, maps of different images, unchanged; `smooth_random_*`, two
    unrelated smooth maps; `top_by_chance` (explainer, change, image), what tenths of pixels have in common by chance;
    `above_images` (explainer, change, measure), `above_images_low`, `above_images_high`: similarity less that of
    different images; `reason`; and `verdict` (explainer, measure) over all changes.

    Raises UsageError or UnknownNameError for names and values that cannot be.
    """
    if over not in OVER:
        raise UnknownNameError("kind of change", over, OVER)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise UsageError(f"seeds={seeds!r} is no number of repetitions; give 1 or more")
    base, changes = _changes(faces, over, seeds) if isinstance(faces, FaceSet) and len(faces) else (None, [])
    shown = faces if base is None else base.faces
    question = asked(classifier, shown, explainers, target, similarity, absolute, options, seed, progress)
    maps = question.maps()
    shape = (len(question.names), len(changes), len(question.measures), len(faces))
    found = np.full(shape, np.nan)
    by_chance, why = (
        np.full((shape[0], shape[1], shape[3]), np.nan),
        np.full((shape[0], shape[1], shape[3]), "", object),
    )
    moved = np.zeros((2, shape[1], shape[3]))
    scores = _scores(question, shown)
    bar = tqdm(
        total=shape[1],
        desc=classifier.name,
        unit="change",
        file=sys.stderr,
        disable=None if progress else True,
        leave=False,
    )
    with bar:
        for c, change in enumerate(changes):
            bar.set_postfix_str(change.name, refresh=False)
            again = question.maps(faces=change.faces, seed=seed + c + 1 if over == "seed" else seed)
            moved[:, c] = _scores(question, change.faces) - scores
            for e, name in enumerate(question.names):
                one, other = _aligned(maps[name], again[name], base, change)
                found[e, c] = question.pairs(one, other)
                by_chance[e, c] = _by_chance(question, one, other)
                pairs = zip(why_not(one, "the face"), why_not(other, "the changed face"), strict=True)
                why[e, c] = [first or second for first, second in pairs]
            bar.update()
    return _table(question, over, changes, found, by_chance, why, moved, maps)


def _changes(faces: FaceSet, over: str, seeds: int) -> tuple[Change | None, list[Change]]:
    if over == "seed":
        return None, [Change(f"seed {number + 1}", faces) for number in range(seeds)]
    if over == "augmentation":
        return None, augmentations(faces)
    return crops(faces)


def _aligned(one: NativeMaps, other: NativeMaps, base: Change | None, change: Change) -> tuple[NativeMaps, NativeMaps]:
    """Both on the same places of the face."""
    if base is None or base.window is None or change.window is None:
        return one, replace(other, values=np.ascontiguousarray(change.back(other.values)))
    points = (one.values.shape[1], one.values.shape[2])
    first = common(one.values, base.window, change.window, points)
    second = common(other.values, change.window, base.window, points)
    return replace(one, values=first), replace(other, values=second)


def _scores(question: Question, faces: FaceSet) -> Floats:
    """(2, N): the explained score of each face, and the same sum over probabilities; NaN where nothing is explained."""
    network, weights = question.classifier, question.prediction.aims[0].weights
    outputs = np.concatenate(
        [network.logits(network.inputs(faces.images[at : at + 64])).cpu().numpy() for at in range(0, len(faces), 64)]
    )
    answers = predict(network, faces, question.target).activated
    found = np.stack([(outputs * weights).sum(1), (answers * weights).sum(1)]).astype(np.float64)
    found[:, ~weights.any(1)] = np.nan
    return found


def _by_chance(question: Question, one: NativeMaps, other: NativeMaps) -> Floats:
    found = np.full(len(one), np.nan)
    both = good(one) & good(other)
    if both.any():
        found[both] = top_by_chance(question.read(one)[both], question.read(other)[both])
    return found


def _table(
    question: Question,
    over: str,
    changes: Sequence[Change],
    found: Floats,
    by_chance: Floats,
    why: np.ndarray,
    moved: Floats,
    maps: Maps,
) -> xr.Dataset:
    means = Means.over(question.faces, question.seed)
    images = other_images(question, maps)
    chances = [[chance(row) for row in rows] for rows in unrelated(question, maps)]
    spans = [(MEASURES[name].low, 1.0) for name in question.measures]
    each = np.stack([np.stack(means.rows(found[:, :, m], span)) for m, span in enumerate(spans)], axis=-1)
    above = means.rows(found - images[:, None], (-2.0, 2.0))
    overall = _over_changes(found)
    verdicts = [
        [
            _verdict(
                question.measures[m],
                means.of(overall[e, m], spans[m]),
                means.of(images[e, m], spans[m]),
                means.of(overall[e, m] - images[e, m], (-2.0, 2.0)),
                float(np.nanmean(np.abs(moved[1]))),
                over,
            )
            for m in range(len(question.measures))
        ]
        for e in range(len(question.names))
    ]
    per_image, with_change, one = (
        ("explainer", "change", "measure", "image"),
        ("explainer", "change", "measure"),
        ("explainer", "measure"),
    )
    return xr.Dataset(
        {
            "similarity": (per_image, found),
            "mean": (with_change, each[0]),
            "low": (with_change, each[1]),
            "high": (with_change, each[2]),
            "floor_images": (("explainer", "measure", "image"), images),
            "above_images": (with_change, above[0]),
            "above_images_low": (with_change, above[1]),
            "above_images_high": (with_change, above[2]),
            **{
                f"smooth_random_{at}": (one, np.array([[getattr(c, at) for c in row] for row in chances]))
                for at in ("mean", "low", "high")
            },
            "top_by_chance": (("explainer", "change", "image"), by_chance),
            "score_change": (("change", "image"), moved[0]),
            "probability_change": (("change", "image"), moved[1]),
            "reason": (("explainer", "change", "image"), why.astype(str)),
            "verdict": (one, np.array(verdicts, dtype=str)),
        },
        coords={
            "explainer": list(question.names),
            "change": [change.name for change in changes],
            "measure": list(question.measures),
            "image": question.faces.names,
            "subject": ("image", question.faces.table["subject"].to_numpy(str)),
            "explained": ("image", list(question.prediction.aims[0].explained)),
        },
        attrs={
            "check": f"stability over {over}",
            "model": question.classifier.name,
            "target": question.target,
            "absolute": int(question.absolute),
            "measures": "; ".join(f"{name}: {MEASURES[name].summary}" for name in question.measures),
            "unit": means.draws.units.kind,
        },
    )


def _over_changes(found: Floats) -> Floats:
    """Mean over the changes that gave a value, (explainer, measure, image)."""
    known = np.isfinite(found)
    count = known.sum(1)
    return np.asarray(np.where(count > 0, np.where(known, found, 0).sum(1) / np.maximum(count, 1), np.nan))


def _verdict(name: str, mean: Mean, images: Mean, gap: Mean, probability: float, over: str) -> str:
    """The sentence: how alike maps stay, and whether that is more than the maps of different faces are."""
    if not mean.images:
        return "not testable: no image has a map of both"
    said = f"{name} {mean} over {over}s, different images {images}; the probability moved by {probability:.3f}"
    if gap.reason:
        return f"not testable: {gap.reason}; {said}"
    if gap.low > 0:
        return f"more alike than maps of different images: {said}"
    if gap.high < 0:
        return f"less alike than maps of different images: {said}"
    return f"no more alike than maps of different images: {said}"

"""What both randomisation tests share: one trained network, several random ones a stage, and the controls beside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from tqdm import tqdm

from workbench.classifiers.classifier import Classifier
from workbench.faithfulness.sanity.controls import other_images, unrelated
from workbench.faithfulness.sanity.maps import Maps, Question, why_not
from workbench.faithfulness.sanity.means import Mean, Means
from workbench.faithfulness.sanity.similarities import MEASURES, Floats

QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Chance:
    """Two unrelated smooth maps of one explainer, by one measure: mean and the middle 95 % of single pairs."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.2f}, single pairs {self.low:.2f} to {self.high:.2f}"


@dataclass
class Run:
    """Everything that was made: similarities (explainer, stage, measure, seed, image) to the trained network's maps,
    among the random networks of the last stage (explainer, measure, pair, image), and why values are missing."""

    question: Question
    stages: Sequence[str]
    trained: Maps
    found: Floats
    among: Floats
    why: np.ndarray
    missing: np.ndarray
    chance: list[list[Chance]]
    images: Floats
    means: Means
    extra: dict[str, object] = field(default_factory=dict)

    def mean(self, explainer: int, stage: int, measure: int) -> Mean:
        """The mean over images and random networks."""
        values = self.found[explainer, stage, measure]
        return self.means.crossed(values, (MEASURES[self.question.measures[measure]].low, 1.0))


def randomise(
    question: Question, stages: Sequence[str], seeds: Sequence[int], network: Callable[[int, int], Classifier], of: str
) -> Run:
    """Maps of `network(stage, seed)` beside those of the trained network; `of` names such a network in words."""
    shape = (len(question.names), len(stages), len(question.measures), len(seeds), len(question.faces))
    found = np.full(shape, np.nan)
    why = np.full((shape[0], shape[1], shape[4]), "", object)
    missing = np.zeros((shape[0], shape[1], shape[4]), int)
    last: list[Maps] = []
    trained = question.maps()
    bar = tqdm(
        total=len(stages) * len(seeds),
        desc=question.classifier.name,
        unit="network",
        file=sys.stderr,
        disable=None if question.progress else True,
        leave=False,
    )
    with bar:
        for s, seed in enumerate(seeds):
            for k in range(len(stages)):
                bar.set_postfix_str(stages[k], refresh=False)
                maps = question.maps(network(k, seed))
                found[:, k, :, s] = question.compared(trained, maps)
                for e, name in enumerate(question.names):
                    own, theirs = why_not(trained[name], "the trained network"), why_not(maps[name], of)
                    for i, (first, second) in enumerate(zip(own, theirs, strict=True)):
                        missing[e, k, i] += bool(first or second)
                        why[e, k, i] = why[e, k, i] or first or second
                bar.update()
            last.append(maps)
    pairs = [(i, j) for i in range(len(last)) for j in range(i)]
    among = np.full((shape[0], shape[2], max(1, len(pairs)), shape[4]), np.nan)
    for at, (i, j) in enumerate(pairs):
        among[:, :, at] = question.compared(last[i], last[j])
    drawn = unrelated(question, trained)
    return Run(
        question,
        list(stages),
        trained,
        found,
        among,
        why,
        missing,
        [[chance(row) for row in rows] for rows in drawn],
        other_images(question, trained),
        Means.over(question.faces, question.seed),
    )


def chance(drawn: Floats) -> Chance:
    """Mean and spread of draws, NaN without any."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Chance(np.nan, np.nan, np.nan)
    low, high = np.quantile(known, QUANTILES)
    return Chance(float(known.mean()), float(low), float(high))


def dataset(run: Run, verdicts: Callable[[Run, int, int], str], kind: str) -> xr.Dataset:
    """The table that both tests return; `verdicts(run, explainer, measure)` is the sentence for each."""
    question = run.question
    explainers, measures = range(len(question.names)), range(len(question.measures))
    means = [[[run.mean(e, k, m) for m in measures] for k in range(len(run.stages))] for e in explainers]
    with_stage, one = ("explainer", "stage", "measure"), ("explainer", "measure")
    per_image = ("explainer", "stage", "measure", "image")
    chances = {
        f"smooth_random_{name}": (one, np.array([[getattr(c, name) for c in row] for row in run.chance]))
        for name in ("mean", "low", "high")
    }
    return xr.Dataset(
        {
            "similarity": (per_image, _mean(run.found, 3)),
            "spread": (per_image, _spread(run.found)),
            **{
                name: (with_stage, np.array([[[getattr(c, at) for c in b] for b in a] for a in means]))
                for name, at in (("mean", "value"), ("low", "low"), ("high", "high"))
            },
            "floor_random": (("explainer", "measure", "image"), _mean(run.among, 2)),
            "floor_images": (("explainer", "measure", "image"), run.images),
            **chances,
            "undefined": (("explainer", "stage", "image"), run.missing),
            "reason": (("explainer", "stage", "image"), run.why.astype(str)),
            "no_interval": (with_stage, np.array([[[c.reason for c in b] for b in a] for a in means], dtype=str)),
            "verdict": (one, np.array([[verdicts(run, e, m) for m in measures] for e in explainers], dtype=str)),
        },
        coords={
            "explainer": list(question.names),
            "stage": list(run.stages),
            "measure": list(question.measures),
            "image": question.faces.names,
            "subject": ("image", question.faces.table["subject"].to_numpy(str)),
            "explained": ("image", list(question.prediction.aims[0].explained)),
        },
        attrs={
            "check": kind,
            "model": question.classifier.name,
            "target": question.target,
            "absolute": int(question.absolute),
            "networks_a_stage": run.found.shape[3],
            "measures": "; ".join(f"{name}: {MEASURES[name].summary}" for name in question.measures),
            "unit": run.means.draws.units.kind,
            **run.extra,
        },
    )


def _mean(values: Floats, axis: int) -> Floats:
    known = np.isfinite(values)
    total, count = np.where(known, values, 0).sum(axis), known.sum(axis)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _spread(values: Floats) -> Floats:
    """Standard deviation over the random networks, NaN for fewer than two."""
    known = np.isfinite(values)
    count = known.sum(3)
    centred = np.where(known, values - _mean(values, 3)[:, :, :, None], 0)
    return np.asarray(np.where(count > 1, np.sqrt((centred**2).sum(3) / np.maximum(count - 1, 1)), np.nan))

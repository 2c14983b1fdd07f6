"""Does a map change when the network learnt nonsense? (Adebayo et al. 2018, section 3.2)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import xarray as xr

from workbench.classifiers.classifier import Classifier
from workbench.errors import UsageError
from workbench.explain.native import Options
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity.maps import asked
from workbench.faithfulness.sanity.randomising import Run, dataset, randomise
from workbench.faithfulness.sanity.similarities import DEFAULT

STAGES: Final = ("true labels", "permuted labels")


def label_randomisation(
    fit: Callable[[list[str]], Classifier],
    classifier: Classifier,
    faces: FaceSet,
    explainers: str | Sequence[str],
    *,
    training: FaceSet | None = None,
    target: str = "predicted",
    similarity: Sequence[str] = DEFAULT,
    absolute: bool = False,
    seeds: int = 3,
    seed: int = 0,
    options: Options | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Maps of the trained network beside those of networks that the caller trains on permuted labels.

    `fit(labels)` trains the same architecture anew on the training faces with these labels, one each, and returns it;
    it is called `seeds` times with the labels as they are (stage "true labels": what training alone changes in a map)
    and as often with them permuted. training: the faces whose labels these are (`faces`). Returns what
    `parameter_randomisation` does, with these two stages, `floor_random` being two networks of permuted labels; and
    `learnt` (stage, seed), the share of the given labels that each network reproduces: a network that did not learn
    the permuted labels proves little (Adebayo et al. train to .95).

    Raises UsageError for faces without labels, or with one alone, and where `fit` returns something else than a
    Classifier with the same heads. Source: Adebayo et al., NeurIPS 2018, section 3.2.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise UsageError(f"seeds={seeds!r} is no number of trained networks; give 1 or more, 3 for an interval")
    question = asked(classifier, faces, explainers, target, similarity, absolute, options, seed, progress)
    taught = faces if training is None else training
    labels = [str(label) for label in taught.table["label"]]
    if not all(labels) or len(set(labels)) < 2:
        raise UsageError("permuting labels needs a label on every training face, and two different ones at least")
    learnt = np.full((len(STAGES), seeds), np.nan)
    streams = {number: np.random.default_rng(number) for number in range(seed, seed + seeds)}

    def network(stage: int, number: int) -> Classifier:
        given = list(labels) if stage == 0 else _permuted(labels, streams[number])
        made = fit(list(given))
        if not isinstance(made, Classifier) or dict(made.heads) != dict(classifier.heads):
            raise UsageError(
                f"fit(labels) returned {made!r}; it must return a Classifier with the heads of {classifier.name!r}"
            )
        predicted = np.array(made.labels)[made.probabilities(taught.images).argmax(1)]
        learnt[stage, number - seed] = np.mean(predicted == np.array(given))
        return made

    run = randomise(question, STAGES, range(seed, seed + seeds), network, "the newly trained network")
    table = dataset(run, _verdict, "label randomisation")
    return table.assign(learnt=(("stage", "seed"), learnt)).assign_coords(seed=np.arange(seed, seed + seeds))


def _permuted(labels: list[str], rng: np.random.Generator) -> list[str]:
    """The labels in another order, which is not the same sequence."""
    while True:
        found = [labels[i] for i in rng.permutation(len(labels))]
        if found != labels:
            return found


def _verdict(run: Run, explainer: int, measure: int) -> str:
    """The sentence: whether maps of true labels are more alike than maps of permuted ones."""
    name = run.question.measures[measure]
    values = run.found[explainer, :, measure]
    kept, lost = run.mean(explainer, 0, measure), run.mean(explainer, 1, measure)
    difference = run.means.crossed(values[0] - values[1], (-2.0, 2.0))
    said = f"{name} {kept} after training anew, {lost} after training on permuted labels"
    if not difference.images:
        return "not testable: no image has maps of all networks"
    if difference.reason:
        return f"not testable: {difference.reason}; {said}"
    gap = f"difference {difference}"
    if difference.low > 0:
        return f"depends on the labels: {said}, {gap}"
    if difference.high < 0:
        return f"turned round: maps of permuted labels are the more alike: {said}, {gap}"
    return f"no difference shown between true and permuted labels: {said}, {gap}"

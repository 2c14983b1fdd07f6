"""Maps of whole sets of explainers, made for one fixed target and compared pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.classifiers.classifier import Classifier
from workbench.errors import UsageError, whole_numbers
from workbench.explain import explain_native, predict
from workbench.explain.native import Options
from workbench.explain.targets import Prediction
from workbench.explainers import NativeMaps, chosen
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.sanity.similarities import Floats, check_measures, similarity

Maps = Mapping[str, NativeMaps]


@dataclass(frozen=True)
class Question:
    """What is asked of every network and every version of the faces: checked once, before any work.

    names: explainers. measures: similarities. prediction: of the trained network on the faces as they are, so that
    one target holds throughout.
    """

    classifier: Classifier
    faces: FaceSet
    names: tuple[str, ...]
    measures: tuple[str, ...]
    target: str
    prediction: Prediction
    absolute: bool
    options: Options | None
    seed: int
    progress: bool

    def maps(
        self, classifier: Classifier | None = None, faces: FaceSet | None = None, seed: int | None = None
    ) -> dict[str, NativeMaps]:
        """Maps (explainer → maps) of another network, other pictures of the same faces, or another seed."""
        found = explain_native(
            classifier or self.classifier,
            self.faces if faces is None else faces,
            self.names,
            self.target,
            seed=self.seed if seed is None else seed,
            options=self.options,
            progress=self.progress,
            prediction=self.prediction,
        )
        return {name: maps for (name, _, _), maps in found.items()}

    def compared(self, one: Maps, other: Maps) -> Floats:
        """Similarities (explainer, measure, image) of two sets of maps."""
        return np.stack([self.pairs(one[name], other[name]) for name in self.names])

    def pairs(self, one: NativeMaps, other: NativeMaps) -> Floats:
        """Similarities (measure, image); NaN where one of the two maps is none."""
        if one.values.shape != other.values.shape:
            if "ok" in one.status and "ok" in other.status:
                raise UsageError(
                    f"maps of {one.values.shape[1:]} and of {other.values.shape[1:]} places cannot be compared; "
                    "the networks must be of one architecture"
                )
            return np.full((len(self.measures), len(one)), np.nan)
        found = np.stack([similarity(name, self.read(one), self.read(other)) for name in self.measures])
        found[:, ~(good(one) & good(other))] = np.nan
        return found

    def read(self, maps: NativeMaps) -> Floats:
        """Values as they are compared: without their sign where that was asked."""
        values = maps.values.astype(np.float64)
        return np.abs(values) if self.absolute else values


def asked(
    classifier: Classifier,
    faces: FaceSet,
    explainers: str | Sequence[str],
    target: str,
    measures: Sequence[str],
    absolute: bool,
    options: Options | None,
    seed: int,
    progress: bool,
) -> Question:
    """The question, checked: UsageError or UnknownNameError for what cannot be asked."""
    if not isinstance(classifier, Classifier):
        raise UsageError(f"a network is a Classifier, not {type(classifier).__name__}; make it with load_classifier(…)")
    if not isinstance(faces, FaceSet) or not len(faces):
        raise UsageError("there is no face to explain; give a FaceSet with one face or more, as load_faces(…) makes")
    if not isinstance(target, str):
        raise UsageError(f"a sanity check holds one target fixed, not {target!r}; ask once for each")
    whole_numbers(seed=seed)
    names = tuple(chosen(explainers, options))
    similarities = check_measures(measures)
    prediction = predict(classifier, faces, target)
    aim = prediction.aims[0]
    if not aim.weights.any():
        raise UsageError(f"the network {classifier.name!r} has nothing to explain as {target!r}: {aim.reason}")
    return Question(classifier, faces, names, similarities, target, prediction, bool(absolute), options, seed, progress)


def good(maps: NativeMaps) -> np.ndarray:
    """(N,): which of these are maps."""
    return np.array([word == "ok" for word in maps.status])


def why_not(maps: NativeMaps, of: str) -> list[str]:
    """For each map why it is none ("" where it is one), `of` being whose map it is."""
    words = {
        "constant": "constant",
        "zero-gradient": "zero, without a gradient",
        "non-finite": "not finite",
        "not computed": "not computed" + (f" ({maps.reason})" if maps.reason else ""),
    }
    return ["" if word == "ok" else f"the map of {of} is {words.get(word, word)}" for word in maps.status]

"""What a network says about the faces, and which of its classes is explained for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError
from workbench.vocabulary import expression

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier
    from workbench.faces.faceset import FaceSet


@dataclass(frozen=True)
class Prediction:
    """What one network says about N faces, and which class of each is explained.

    probability: (N, classes) float32 over `labels`. target: (N,) class index, −1 where nothing can be explained;
    `reason` says why in one line ("" if it is merely that an image has no label).
    """

    labels: tuple[str, ...]
    probability: np.ndarray
    target: np.ndarray
    reason: str = ""

    @property
    def predicted(self) -> list[str]:
        """The most probable class of each face."""
        return [self.labels[index] for index in self.probability.argmax(1)]

    @property
    def explained(self) -> list[str]:
        """The class that is explained for each face, "" where none is."""
        return [self.labels[index] if index >= 0 else "" for index in self.target]


def predict(classifier: Classifier, faces: FaceSet, target: str = "predicted") -> Prediction:
    """Probabilities of every face and the class to be explained.

    target: "predicted" (the network's own argmax), "labelled" (the face's label; none without one) or
    "expression:<name>". UsageError for anything else, and for "labelled" where no face has a label.
    """
    wanted = wanted_classes(target, faces)
    probability = np.asarray(classifier.probabilities(faces.images), np.float32)
    if wanted is None:
        return Prediction(classifier.labels, probability, probability.argmax(1))
    place = {label: index for index, label in enumerate(classifier.labels)}
    indices = np.array([place.get(name, -1) for name in wanted], np.int64)
    lacking = sorted({name for name in wanted if name and name not in place})
    reason = f"no class for {', '.join(lacking)}; its classes: {', '.join(classifier.labels)}" if lacking else ""
    return Prediction(classifier.labels, probability, indices, reason)


def wanted_classes(target: str, faces: FaceSet) -> list[str] | None:
    """The class that `target` asks for on each face ("" = none known), or None for the network's own choice."""
    if not isinstance(target, str):
        raise UsageError(f"target {target!r} is not understood; say predicted, labelled or expression:<name>")
    if target == "predicted":
        return None
    if target == "labelled":
        labels = [str(label) for label in faces.table["label"]]
        if not any(labels):
            raise UsageError(
                "target 'labelled' needs labels, and no face has one; put the pictures into folders named like "
                "expressions, or list them in a table with a column 'label'"
            )
        return labels
    kind, _, name = target.partition(":")
    if kind != "expression" or not name:
        raise UsageError(f"target {target!r} is not understood; say predicted, labelled or expression:<name>")
    return [expression(name)] * len(faces)

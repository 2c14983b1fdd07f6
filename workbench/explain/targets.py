"""Which score is explained for each face: targets by name, and what a network makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.classifiers.heads import action_unit
from workbench.errors import UsageError
from workbench.vocabulary import expression

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier
    from workbench.faces.faceset import FaceSet

WAYS = "predicted, labelled, expression:<name>, au:<number>, affect:<name>, or a contrast <head>:<one>-vs-<other>"


@dataclass(frozen=True)
class Target:
    """A score by its name: `predicted`, `labelled`, or outputs of one head, `minus` being the contrast's second."""

    name: str
    head: str = "expression"
    plus: str = ""
    minus: str = ""


@dataclass(frozen=True)
class Aim:
    """One target on N faces of one network.

    weights: (N, columns) float32, the score is their sum with the network's outputs; a row of zeros where nothing can
    be explained. explained: what that is for each face ("happiness", "au:12", "happiness-vs-fear", "" for nothing).
    reason: one line if the network lacks it ("" if it is merely that an image has no label).
    """

    target: str
    weights: np.ndarray
    explained: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Prediction:
    """What one network says about N faces, and what is explained of each.

    heads: head → labels, in the order of the columns. activated: (N, columns) float32, probabilities of expressions
    and action units, affect as it is. aims: one for each target asked for.
    """

    heads: Mapping[str, tuple[str, ...]]
    activated: np.ndarray
    aims: tuple[Aim, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes of the expression head, () without one."""
        return self.heads.get("expression", ())

    @property
    def probability(self) -> np.ndarray:
        """Probabilities (N, classes) of the expression head."""
        start = _start(self.heads, "expression") if self.labels else 0
        return self.activated[:, start : start + len(self.labels)]

    @property
    def predicted(self) -> list[str]:
        """The most probable expression of each face, "" without an expression head."""
        if not self.labels:
            return [""] * len(self.activated)
        return [self.labels[index] for index in self.probability.argmax(1)]


def _start(heads: Mapping[str, tuple[str, ...]], head: str) -> int:
    order = list(heads)
    return sum(len(heads[name]) for name in order[: order.index(head)])


def predict(classifier: Classifier, faces: FaceSet, target: str | Sequence[str] = "predicted") -> Prediction:
    """Outputs of every face, and the weights of every target.

    Targets: "predicted" (the network's own most probable expression), "labelled" (the face's label; none without
    one), "expression:<name>", "au:<FACS number>", "affect:valence", any head of the network by its name; a contrast
    is "expression:happiness-vs-fear". Raises UsageError for anything else, and for "labelled" where no face has a
    label, UnknownNameError for an expression or action unit that does not exist.
    """
    wanted = wanted_targets(target, faces)
    activated = classifier.answers(faces.images)
    heads = {name: head.labels for name, head in classifier.heads.items()}
    bare = Prediction(heads, activated, ())
    return Prediction(heads, activated, tuple(_aim(one, bare, faces) for one in wanted))


def wanted_targets(target: str | Sequence[str], faces: FaceSet | None = None) -> tuple[Target, ...]:
    """The targets asked for, each checked as far as it can be without a network (and without faces, for None)."""
    names = [target] if isinstance(target, str) or not isinstance(target, Sequence) else list(target)
    if not names:
        raise UsageError(f"no target was named; say {WAYS}")
    found = tuple(_read(name) for name in names)
    if len({one.name for one in found}) < len(found):
        raise UsageError(f"a target is named twice among {', '.join(map(str, names))}")
    labels = None if faces is None else faces.table["label"]
    if labels is not None and any(one.name == "labelled" for one in found) and not any(str(one) for one in labels):
        raise UsageError(
            "target 'labelled' needs labels, and no face has one; put the pictures into folders named like "
            "expressions, or list them in a table with a column 'label'"
        )
    return found


def _read(name: object) -> Target:
    if name in ("predicted", "labelled"):
        return Target(str(name))
    head, _, said = name.partition(":") if isinstance(name, str) else ("", "", "")
    if not head or not said.strip():
        raise UsageError(f"target {name!r} is not understood; say {WAYS}")
    plus, *others = (part.strip() for part in said.split("-vs-"))
    if len(others) > 1 or not all([plus, *others]):
        raise UsageError(f"target {name!r} is not understood; a contrast is {head}:<one>-vs-<other>")
    plus, minus = label_of(head, plus), label_of(head, others[0]) if others else ""
    if plus == minus:
        raise UsageError(f"target {name!r} sets {plus} against itself")
    return Target(f"{head}:{plus}" + (f"-vs-{minus}" if minus else ""), head, plus, minus)


def label_of(head: str, text: str) -> str:
    """A label as the workbench spells it: expressions by their vocabulary, action units by their FACS number."""
    if head == "expression":
        return expression(text)
    if head == "au":
        return action_unit(text)
    return text.lower() if head == "affect" else text


def _aim(target: Target, said: Prediction, faces: FaceSet) -> Aim:
    count, heads = said.activated.shape[0], said.heads
    weights = np.zeros((count, said.activated.shape[1]), np.float32)
    if target.head not in heads:
        return Aim(target.name, weights, ("",) * count, f"no head {target.head!r}; its heads: {', '.join(heads)}")
    labels, start = heads[target.head], _start(heads, target.head)
    if target.plus:
        plus, minus = [target.plus] * count, [target.minus] * count
    else:
        plus = said.predicted if target.name == "predicted" else [str(label) for label in faces.table["label"]]
        minus = [""] * count
    place = {label: start + index for index, label in enumerate(labels)}
    explained = []
    for row, (one, other) in enumerate(zip(plus, minus, strict=True)):
        if not one or any(label and label not in place for label in (one, other)):
            explained.append("")
            continue
        weights[row, place[one]] = 1
        if other:
            weights[row, place[other]] = -1
        words = f"{one}-vs-{other}" if other else one
        explained.append(words if target.head == "expression" else f"{target.head}:{words}")
    lacking = sorted({label for label in (*plus, *minus) if label and label not in place})
    what = "class" if target.head == "expression" else target.head
    reason = f"no {what} for {', '.join(lacking)}; its classes: {', '.join(labels)}" if lacking else ""
    return Aim(target.name, weights, tuple(explained), reason)

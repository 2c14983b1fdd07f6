"""What the calls of this room have in common: arguments checked, the engine's job, coordinates of faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.classifiers.classifier import Classifier
from workbench.errors import UsageError, whole_numbers
from workbench.explain.regions import face_pictures, region_masks
from workbench.explainers.explainer import Job
from workbench.explainers.perturbation.fills import check_fill
from workbench.explainers.run import check_precision
from workbench.explainers.spaces import check_space
from workbench.faces.faceset import FaceSet

if TYPE_CHECKING:
    from workbench.explain.targets import Prediction

_LEAST = {"steps": 2, "draws": 1, "seed": 0, "limit": 1}


def networks_of(classifiers: Classifier | Sequence[Classifier]) -> list[Classifier]:
    """The networks as a list; UsageError unless each has its own name."""
    networks = list(classifiers) if isinstance(classifiers, Sequence) else [classifiers]
    names = [network.name if isinstance(network, Classifier) else "" for network in networks]
    if not names or not all(names) or len(set(names)) < len(names):
        said = ", ".join(filter(None, names)) or "(none)"
        raise UsageError(f"classifiers named {said}; give at least one Classifier, each with its own name")
    return networks


def check(faces: FaceSet, target: str, fill: str, space: str, precision: str, **numbers: int | None) -> None:
    """UsageError for a value that is none; numbers that are None are not asked for."""
    if not isinstance(faces, FaceSet) or not len(faces):
        raise UsageError(f"faces are a FaceSet with at least one face, not {faces!r}")
    if not isinstance(target, str):
        raise UsageError(f"faithfulness is measured for one target at a time, not for {target!r}")
    for question in (lambda: check_space(space), lambda: check_fill(fill)):
        try:
            question()
        except UsageError as error:
            raise UsageError(str(error).removeprefix("option ")) from None
    check_precision(precision)
    for name, value in numbers.items():
        if value is not None:
            whole_numbers(_LEAST[name], **{name: value})


def refuse_nothing(networks: Sequence[Classifier], predictions: Sequence[Prediction]) -> None:
    """UsageError where no network has the target for any face."""
    if any(one.aims[0].weights.any() for one in predictions):
        return
    said = "; ".join(
        f"{network.name!r} has {one.aims[0].reason or 'no such label'}"
        for network, one in zip(networks, predictions, strict=True)
    )
    raise UsageError(f"there is nothing to explain: {said}")


def job_of(network: Classifier, faces: FaceSet, prediction: Prediction, seed: int, precision: str) -> Job:
    """What the engine is asked with: the faces' crops and the one target's weights."""
    (aim,) = prediction.aims
    return Job(
        network,
        np.ascontiguousarray(faces.images),
        aim.weights[:, None],
        (aim.target,),
        seed,
        precision=precision,
        regions=region_masks(faces),
        pictures=face_pictures(faces),
    )


def coordinates(
    networks: Sequence[Classifier], faces: FaceSet, count: int, predictions: Sequence[Prediction]
) -> dict[str, Any]:
    """Coordinates of model and image: what is known of the first `count` faces, predicted and explained."""
    coords: dict[str, Any] = {"model": [one.name for one in networks], "image": faces.names[:count]}
    for column in ("label", "subject", *faces.groups):
        shown = column if column in ("label", "subject") else f"group_{column}"
        values = faces.table[column].to_numpy()[:count]
        coords[shown] = ("image", values.astype(str) if values.dtype == object else values)
    coords["predicted"] = (("model", "image"), np.array([one.predicted[:count] for one in predictions], str))
    coords["explained"] = (("model", "image"), np.array([one.aims[0].explained[:count] for one in predictions], str))
    return coords

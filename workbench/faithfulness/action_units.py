"""Action units hidden one at a time, or shown alone, beside the same shapes elsewhere on the face."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import xarray as xr
from tqdm import tqdm

from workbench.classifiers.classifier import Classifier
from workbench.errors import UnknownNameError, UsageError
from workbench.explain import predict
from workbench.explain.regions import check_drawable, region_masks
from workbench.explainers.explainer import Job
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.asking import Network, lent
from workbench.faithfulness.placing import Shape, hull, painted, placements
from workbench.faithfulness.references import enlarged
from workbench.faithfulness.registry import Floats, Pictures, Sample
from workbench.faithfulness.request import check, coordinates, job_of, networks_of, refuse_nothing
from workbench.statistics.permutation import p_value, resolution
from workbench.vocabulary import is_expression

if TYPE_CHECKING:
    import torch

MODES: Final = ("occlude", "keep")
LEAST_PLACES: Final = 20


def au_occlusion(
    classifiers: Classifier | Sequence[Classifier],
    faces: FaceSet,
    masks: str = "facs-au",
    mode: str = "occlude",
    *,
    target: str = "predicted",
    fill: str = "blur",
    space: str = "logit",
    seed: int = 0,
    controls: int = LEAST_PLACES,
    precision: str = "float32",
    limit: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """What each action unit's region is worth to the network: hidden ("occlude"), or all that is shown ("keep").

    masks: a mask set by name or folder, drawn onto each face by its landmarks. controls: at how many random places of
    the face (inside the convex hull of the landmarks) the same shape is tried, 20 or more. Random numbers depend on
    seed and crop alone, so that all networks see the same places.

    Returns a Dataset (model, image, au): `worth`, in the units of the score: score of the whole face minus score
    without the region, or with "keep" score of the region alone minus score of the fill; positive where the region
    speaks for the target. `control_worth`: the mean of the same shape elsewhere; `above_control`: the difference;
    `p`: (1 + places worth at least as much) / (1 + places); `area`: share of the crop; `reason` where NaN: a region
    that covers no pixel, or that fits the face at fewer places. attrs: mode, fill, space, masks, target, seed,
    controls, resolution (of one p).

    Raises UsageError for landmarks on which nothing can be drawn and for fewer than 20 places, UnknownNameError for a
    mask set or mode that does not exist; before any work.
    """
    networks = networks_of(classifiers)
    if not isinstance(masks, str | Path):
        raise UsageError(
            f"masks are named here, as they are drawn onto each face, such as masks='facs-au', or a folder; "
            f"not a {type(masks).__name__}"
        )
    if mode not in MODES:
        raise UnknownNameError("mode", mode, MODES)
    check(faces, target, fill, space, precision, seed=seed, limit=limit)
    if isinstance(controls, bool) or not isinstance(controls, int) or controls < LEAST_PLACES:
        raise UsageError(f"controls={controls!r} should be a number of places, {LEAST_PLACES} or more")
    count = len(faces) if limit is None else min(limit, len(faces))
    check_drawable(faces, range(count), {"fill": fill, "regions": masks})
    units = region_masks(faces)(masks, 0)[0]
    if wrong := [name for name in units if is_expression(name)]:
        raise UsageError(
            f"the masks {masks!r} are of expressions ({wrong[0]}, …); name a set of action units or regions"
        )
    shape = (len(networks), count, len(units))
    found = {name: np.full(shape, np.nan) for name in ("worth", "control_worth", "above_control", "p", "area")}
    reason = np.full(shape, "", object)
    predictions = [predict(network, faces, target) for network in networks]
    refuse_nothing(networks, predictions)
    with tqdm(
        total=count * len(networks),
        desc="action units",
        unit="face",
        file=sys.stderr,
        disable=None if progress else True,
        leave=False,
    ) as bar:
        for place, (network, prediction) in enumerate(zip(networks, predictions, strict=True)):
            job = job_of(network, faces, prediction, seed, precision)
            with lent(job, fill, space) as module:
                for index in range(count):
                    _one_face(module, job, faces, index, masks, mode, controls, place, found, reason)
                    bar.update(1)
    dims = ("model", "image", "au")
    coords = coordinates(networks, faces, count, predictions) | {"au": units}
    attrs = {
        "mode": mode,
        "fill": fill,
        "space": space,
        "masks": str(masks),
        "target": target,
        "seed": seed,
        "controls": controls,
        "resolution": resolution(controls, enumerated=False),
        "precision": precision,
    }
    variables = {name: (dims, values) for name, values in found.items()} | {"reason": (dims, reason)}
    return xr.Dataset(variables, coords, attrs)


def _one_face(
    module: Network,
    job: Job,
    faces: FaceSet,
    index: int,
    masks: str,
    mode: str,
    controls: int,
    place: int,
    found: dict[str, np.ndarray],
    reason: np.ndarray,
) -> None:
    if not job.weights[index].any():
        reason[place, index] = "the network has nothing to explain on this face"
        return
    inputs = job.inputs(slice(index, index + 1))
    size = (int(inputs.shape[2]), int(inputs.shape[3]))
    units, drawn = job.regions(masks, index)
    regions = np.clip(enlarged(drawn, size), 0, 1)
    face = hull(faces.landmarks[index], size)
    found["area"][place, index] = regions.mean((1, 2))
    stack: list[Shape] = []
    tried: list[tuple[int, int, bool]] = []
    for k, (name, region) in enumerate(zip(units, regions, strict=True)):
        shape = Shape.of(region)
        if shape is None:
            reason[place, index, k] = "the region covers no pixel of the network's input"
            continue
        elsewhere = placements(shape, face, controls, job.stream(index, f"places of {name}"))
        if not elsewhere:
            reason[place, index, k] = f"the region fits the face at fewer than {controls} other places"
        tried.append((k, len(stack), bool(elsewhere)))
        stack += [shape, *elsewhere]
    if not stack:
        return
    sample = module.sample(index, inputs, np.zeros((0, *size)))
    scores = _asked(module, index, sample, stack, mode)
    for k, start, placed in tried:
        found["worth"][place, index, k] = scores[start]
        if placed:
            null = scores[start + 1 : start + 1 + controls]
            found["control_worth"][place, index, k] = null.mean()
            found["above_control"][place, index, k] = scores[start] - null.mean()
            found["p"][place, index, k] = p_value(scores[start], null, enumerated=False)


def _asked(module: Network, index: int, sample: Sample, stack: list[Shape], mode: str) -> Floats:
    """What each region of the stack is worth."""
    import torch

    there, elsewhere = (sample.filled, sample.inputs) if mode == "occlude" else (sample.inputs, sample.filled)

    def make(start: int, stop: int) -> torch.Tensor:
        shares = torch.from_numpy(painted(stack[start:stop], sample.size)).to(sample.inputs)
        return torch.lerp(elsewhere, there, shares[:, None])

    ends = Pictures((1,), lambda _start, _stop: elsewhere)
    (bare,), scores = module.scores(index, [ends, Pictures((len(stack),), make)], sample.inputs)
    return bare - scores if mode == "occlude" else scores - bare

"""Maps of the same explainer on inputs that hardly differ."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import EXPLAINERS, Job
from workbench.explainers.run import chosen
from workbench.faithfulness.registry import Floats

if TYPE_CHECKING:
    import torch

RADIUS: Final = 0.02  # of the noise, as a share of the input's range
COPIES: Final = 10


class Unstable(Exception):
    """An explainer that cannot be asked again; the reason in one line."""


def changed_maps(
    job: Job, explainer: str, options: str, faces: Sequence[int], *, copies: int = COPIES, radius: float = RADIUS
) -> Floats:
    """Maps (copies, n, h, w) of these faces with uniform noise of ± `radius` of each input's range added.

    options: JSON of those that the original maps were made with. Noise depends on seed, crop and copy alone. Raises
    Unstable where the explainer is none of the registry's, sees no input, or fails on this network.
    """
    if explainer not in EXPLAINERS:
        raise Unstable(f"{explainer!r} is no registered explainer and cannot be asked again")
    entry = EXPLAINERS[explainer].value
    if entry.role == "control":
        raise Unstable(f"{explainer!r} sees no network")
    try:
        stated = chosen(explainer, {explainer: json.loads(options)})[explainer]
    except UsageError as error:
        raise Unstable(str(error)) from None
    engine: Any = importlib.import_module(entry.engine)
    regions, pictures = job.regions, job.pictures
    part = replace(
        job,
        images=job.images[list(faces)],
        weights=job.weights[list(faces)],
        strict=True,
        regions=lambda name, index: regions(name, faces[index]),
        pictures=lambda name, index: pictures(name, faces[index]),
    )
    found = []
    for copy in range(copies):
        noisy = replace(part, disturb=_uniform(part, copy, radius))
        try:
            ((maps,),) = engine.compute(noisy, [(entry, stated)])
        except Exception as error:
            raise Unstable(" ".join(str(error).split())[:200] or type(error).__name__) from error
        found.append(np.asarray(maps.values, np.float64))
    return np.stack(found)


def _uniform(job: Job, copy: int, radius: float) -> Any:
    def disturb(inputs: torch.Tensor, first: int) -> torch.Tensor:
        shape = tuple(inputs.shape[1:])
        drawn = [
            job.stream(first + row, f"max-sensitivity {copy}").uniform(-1, 1, shape).astype(np.float32)
            for row in range(len(inputs))
        ]
        size = radius * (inputs.amax((1, 2, 3), keepdim=True) - inputs.amin((1, 2, 3), keepdim=True))
        return inputs + inputs.new_tensor(np.stack(drawn)) * size

    return disturb

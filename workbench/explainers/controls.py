"""Controls: maps that know nothing of the network. A score that they reach too is no evidence about it.

A method maps (crop (S, S, 3) uint8, random stream) to one map (h, w).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import (
    Explainer,
    Function,
    Job,
    NativeMaps,
    Request,
    add,
    checked,
    checks_of,
    options_of,
    statuses,
)


def control(name: str, *, reference: str = "") -> Callable[[Function], Function]:
    """Register `(crop, stream, *, options) -> map` with the role "control"."""

    def decorate(function: Function) -> Function:
        explainer = Explainer(
            name,
            function,
            "control",
            "control",
            options_of(function),
            engine=__name__,
            cost="none",
            classless=True,
            checks=checks_of(function),
        )
        add(explainer, reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """One crop at a time; the network is not asked, so that one map serves every target."""
    result = []
    for explainer, options in group:
        values = np.stack(
            [
                np.asarray(explainer.method(image, job.stream(index, explainer.name), **options), np.float32)
                for index, image in enumerate(job.images)
            ]
        )
        result.append([NativeMaps(values, statuses(values), "", options)] * job.targets)
    job.advance(len(job.images))
    return result


@control("random")
def random(crop: np.ndarray, stream: np.random.Generator, *, grid: int = 7) -> np.ndarray:
    """Uniform noise on a coarse grid (7 × 7, the resolution of a usual CAM), another for each crop."""
    return stream.random((grid, grid))


def _check_sigma(sigma: float) -> None:
    if sigma == 0:
        raise UsageError("option sigma=0 of 'centre' gives an empty map; give a share of the crop's side such as 0.25")


@control("centre")
@checked(_check_sigma)
def centre(crop: np.ndarray, stream: np.random.Generator, *, sigma: float = 0.25, grid: int = 56) -> np.ndarray:
    """One fixed Gaussian in the middle of the crop; `sigma` is a share of the crop's side."""
    _check_sigma(sigma)
    place = ((np.arange(grid) + 0.5) / grid - 0.5) / sigma
    return np.exp(-0.5 * (place[:, None] ** 2 + place[None, :] ** 2))


@control("edge_map", reference="Adebayo et al., NeurIPS 2018, section 5: an edge detector as the null explanation")
def edge_map(crop: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Sobel magnitude of the grey crop: what a map that merely traces edges would score."""
    from skimage.color import rgb2gray
    from skimage.filters import sobel

    return sobel(rgb2gray(crop))

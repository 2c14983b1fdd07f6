"""Our side, through the public door `workbench.explainers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.classifiers import Classifier
from workbench.explainers import NativeMaps, run, run_all

TEN = (
    "grad_cam",
    "grad_cam_pp",
    "x_grad_cam",
    "hires_cam",
    "grad_cam_elementwise",
    "layer_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "kpca_cam",
    "fem",
)


def cams(classifier: Classifier, images: np.ndarray, classes: Sequence[int]) -> dict[str, NativeMaps]:
    """Ten CAMs of one class each, at the layer's own resolution."""
    return run(classifier, images, TEN, classes, progress=False)


def cams_of_all_classes(classifier: Classifier, images: np.ndarray) -> dict[Any, NativeMaps]:
    """Ten CAMs of all seven classes."""
    return run_all(classifier, images, TEN, every(classifier), progress=False)


def upsampled(classifier: Classifier, images: np.ndarray, classes: Sequence[int], side: int) -> np.ndarray:
    """Ten CAMs, then each enlarged bilinearly to the input's size."""
    import torch
    from torch.nn import functional

    maps = torch.from_numpy(np.stack([one.values for one in cams(classifier, images, classes).values()]))
    return functional.interpolate(maps, (side, side), mode="bilinear", align_corners=False).numpy()


def perturbation(
    classifier: Classifier,
    images: np.ndarray,
    names: str | Sequence[str],
    samples: int,
    precision: str = "float32",
) -> dict[Any, NativeMaps]:
    """Perturbation methods for all seven classes with so many samples each."""
    listed = [names] if isinstance(names, str) else list(names)
    return run_all(
        classifier,
        images,
        listed,
        every(classifier),
        options={name: {"samples": samples} for name in listed},
        precision=precision,
        progress=False,
    )


def one(
    classifier: Classifier, images: np.ndarray, name: str, k: int, precision: str = "float32", **options: Any
) -> NativeMaps:
    """One explainer for one class."""
    found = run_all(
        classifier,
        images,
        [name],
        every(classifier)[k : k + 1],
        options={name: options},
        precision=precision,
        progress=False,
    )
    return next(iter(found.values()))


def every(classifier: Classifier) -> list[str]:
    """The seven expressions as targets."""
    return [f"expression:{label}" for label in classifier.labels]

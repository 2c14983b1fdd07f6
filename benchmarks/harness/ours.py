"""Our side, through the public door `workbench.explainers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.classifiers import Classifier
from workbench.explainers import NativeMaps, run
from workbench.explainers.run import run_all

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
    return run_all(classifier, images, TEN, *every(classifier, len(images)), progress=False)


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
        *every(classifier, len(images)),
        options={name: {"samples": samples} for name in listed},
        precision=precision,
        progress=False,
    )


def lime_and_shap(classifier: Classifier, images: np.ndarray, samples: int, draw: str) -> dict[Any, NativeMaps]:
    """LIME and KernelSHAP for all seven classes; with draw="uniform" both are estimated from one bank of samples."""
    options = {"lime": {"samples": samples}, "kernel_shap": {"samples": samples, "draw": draw}}
    targets = every(classifier, len(images))
    return run_all(classifier, images, list(options), *targets, options=options, progress=False)


def one(
    classifier: Classifier,
    images: np.ndarray,
    name: str,
    classes: Sequence[int],
    precision: str = "float32",
    **options: Any,
) -> NativeMaps:
    """One explainer for one class of each picture."""
    return run(classifier, images, name, classes, options={name: options}, precision=precision, progress=False)[name]


def every(classifier: Classifier, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The seven expressions as targets of `count` pictures: weights (count, 7, 7), names."""
    weights = np.broadcast_to(np.eye(len(classifier.labels), dtype=np.float32), (count, 7, 7))
    return weights, classifier.labels

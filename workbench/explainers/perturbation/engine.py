"""The perturbation engine: masked pictures streamed through the network, once for all methods of one design."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from scipy.special import expit, softmax

from workbench.errors import UsageError
from workbench.explainers._capture import expression_scores, pass_length, quick
from workbench.explainers.explainer import FLAT, Job, NativeMaps, Request, statuses
from workbench.explainers.perturbation.designs import Plan

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier

FILLS = ("black", "mean")
SPACES = ("logit", "probability")


def compute(job: Job, group: list[Request]) -> dict[str, NativeMaps]:
    """Answers of one design per image; each method makes its map of them.

    Pictures are masked in the network's own input space, after preprocessing, at input resolution.
    """
    first, options = group[0]
    assert first.design is not None
    design = {name: options[name] for name in first.shared if name != "fill"}
    black = job.classifier.inputs(np.zeros_like(job.images[:1]))
    kind = job.classifier.heads["expression"].kind
    maps: dict[str, list[np.ndarray]] = {explainer.name: [] for explainer, _ in group}
    silent: dict[str, list[bool]] = {explainer.name: [] for explainer, _ in group}
    with quick(job.classifier.module) as module, torch.inference_mode():
        for index, image in enumerate(job.images):
            inputs = job.classifier.inputs(image[None])
            picture = Image.fromarray(image).resize((inputs.shape[3], inputs.shape[2]), Image.Resampling.BILINEAR)
            plan = first.design(np.asarray(picture), job.stream(index, first.design.__name__), **design)
            logits = answers(job.classifier, module, plan, inputs, filling(options["fill"], inputs, black))
            for explainer, chosen in group:
                own = explainer.own(chosen)
                scores = in_space(own.pop("space"), logits, kind)[:, [job.targets[index]]]
                maps[explainer.name].append(explainer.method(plan, scores, **own)[0])
                silent[explainer.name].append(bool(np.ptp(scores) <= FLAT * np.abs(scores).max()))
            job.advance(1)
    result = {}
    for explainer, chosen in group:
        values = np.stack(maps[explainer.name])
        result[explainer.name] = NativeMaps(values, statuses(values, np.array(silent[explainer.name])), "", chosen)
    return result


def answers(
    classifier: Classifier, module: torch.nn.Module, plan: Plan, inputs: torch.Tensor, fill: torch.Tensor
) -> np.ndarray:
    """Logits (count, classes) float64 of one picture (1, C, H, W) under every mask of the plan."""
    result = np.empty((plan.count, len(classifier.labels)))
    for part, masks in plan.chunks(pass_length(inputs)):
        shown = torch.lerp(fill, inputs, masks[:, None].to(inputs.device))
        logits = expression_scores(module(shown.contiguous(memory_format=torch.channels_last)), classifier)
        result[part] = logits.double().cpu().numpy()
    return result


def filling(kind: str, inputs: torch.Tensor, black: torch.Tensor) -> torch.Tensor:
    """What stands in a hidden place, (1, C, H, W): preprocessed black, or the picture's own mean colour."""
    if kind not in FILLS:
        raise UsageError(f"option fill={kind!r} is not known; choose one of {', '.join(FILLS)}")
    return black if kind == "black" else inputs.mean((2, 3), keepdim=True).expand_as(inputs)


def in_space(space: str, logits: np.ndarray, kind: str = "softmax") -> np.ndarray:
    """Scores in the space that is explained: the logits themselves, or the probabilities of a head of that kind."""
    if space not in SPACES:
        raise UsageError(f"option space={space!r} is not known; choose one of {', '.join(SPACES)}")
    if space == "logit" or kind == "linear":
        return logits
    if kind == "sigmoid":
        return expit(logits)
    return softmax(logits, 1)

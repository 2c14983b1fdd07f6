"""The perturbation engine: masked pictures streamed through the network, once for all methods of one design."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from PIL import Image

from workbench.explainers._capture import Forward, borrowed, laid_like
from workbench.explainers.explainer import FLAT, Job, NativeMaps, Request, statuses
from workbench.explainers.passes import pass_length, streamed
from workbench.explainers.perturbation.fills import fill
from workbench.explainers.perturbation.plan import Plan, Scene
from workbench.explainers.spaces import check_space, in_space

ENGINE = __name__
_POOLS = re.compile("Adaptive.*Pool|Global.*Pool")


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """Answers of one design per image; each method makes its maps of them, all targets at once.

    Pictures are masked in the network's own input space, after preprocessing, at input resolution.
    """
    first, options = group[0]
    assert first.design is not None
    design = {name: options[name] for name in first.together if name != "fill"}
    for _, stated in group:
        check_space(stated["space"])
    maps: list[list[np.ndarray]] = [[] for _ in group]
    parts: list[list[np.ndarray]] = [[] for _ in group]
    silent: list[list[np.ndarray]] = [[] for _ in group]
    names: list[str] = []
    with borrowed(job.classifier.module) as own, precise(own, job.precision, job.classifier.outputs) as module:
        for index in range(len(job.images)):
            inputs = job.inputs(slice(index, index + 1))
            scene = _scene(job, own, index, inputs, first.design.__name__)
            plan = first.design(scene, **design)
            names = list(plan.names)
            outputs = answers(job, module, plan, inputs, fill(options["fill"], job, index, inputs))
            for place, (explainer, stated) in enumerate(group):
                method = {name: value for name, value in explainer.own(stated).items() if name != "space"}
                scores = weighted(in_space(outputs, job.classifier, stated["space"]).numpy(), job.weights[index])
                found = explainer.method(plan, scores, **method)
                values, values_of_parts = found if isinstance(found, tuple) else (found, None)
                maps[place].append(values)
                silent[place].append(np.ptp(scores, axis=0) <= FLAT * np.abs(scores).max(axis=0))
                if values_of_parts is not None:
                    parts[place].append(values_of_parts)
            job.advance(1)
    return [
        _native(job, stated, np.stack(maps[place]), np.stack(silent[place]), parts[place], names)
        for place, (_, stated) in enumerate(group)
    ]


def weighted(outputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Scores (count, T) of outputs (count, columns) under weights (T, columns); an output that is not finite spoils
    only the targets that it belongs to."""
    scores = [outputs[:, own != 0] @ own[own != 0] for own in weights]
    return np.stack(scores, axis=1)


def _native(
    job: Job,
    options: dict[str, object],
    values: np.ndarray,
    silent: np.ndarray,
    parts: list[np.ndarray],
    names: list[str],
) -> list[NativeMaps]:
    """Values (N, T, h, w), silent (N, T), parts N × (T, P) → one NativeMaps a target."""
    layer = str(options.get("layer") or job.classifier.cam_layer) if "layer" in options else ""
    result = []
    for target in range(values.shape[1]):
        own = np.ascontiguousarray(values[:, target], np.float32)
        table = np.stack([one[target] for one in parts]).astype(np.float32) if parts else None
        status = statuses(own, silent[:, target])
        result.append(NativeMaps(own, status, layer, options, "", table, names if parts else []))
    return result


def _scene(job: Job, module: torch.nn.Module, index: int, inputs: torch.Tensor, purpose: str) -> Scene:
    size = (inputs.shape[2], inputs.shape[3])
    picture = np.asarray(Image.fromarray(job.images[index]).resize(size[::-1], Image.Resampling.BILINEAR))

    def regions(name: str) -> tuple[list[str], np.ndarray]:
        names, masks = job.regions(name, index)
        resized = torch.nn.functional.interpolate(
            torch.from_numpy(np.array(masks, np.float32))[None],
            size=size,
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        return names, resized[0].clamp(0, 1).numpy()

    def activations(layer: str) -> np.ndarray:
        name = layer or job.classifier.cam_layer
        leaf = Forward(job.classifier, module, [name], inputs).leaves[name]
        return leaf[0].detach().float().cpu().numpy()

    return Scene(picture, job.stream(index, purpose), regions, activations, inputs.device)


@contextmanager
def precise(module: torch.nn.Module, precision: str, outputs: int) -> Iterator[torch.nn.Module]:
    """The module itself, or a copy of it in half precision whose pooling and last linear layers stay in single.

    Eight bits of mantissa are enough for features, of which many are added up; their sums and the score itself would
    be rounded to them at the end, and its small differences between samples are what is explained.
    """
    if precision == "float32":
        yield module
        return
    kind = getattr(torch, precision)
    half = copy.deepcopy(module).to(kind)
    for own, other in zip(module.modules(), half.modules(), strict=True):
        if isinstance(own, torch.nn.Linear) and own.out_features <= outputs:
            other.load_state_dict({name: value.float() for name, value in own.state_dict().items()}, assign=True)
            other.register_forward_pre_hook(partial(_cast, torch.float32))
        elif _POOLS.search(type(own).__name__):
            other.register_forward_pre_hook(partial(_cast, torch.float32))
        elif other._parameters:
            other.register_forward_pre_hook(partial(_cast, kind))
    yield half


def _cast(kind: torch.dtype, _module: torch.nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(one.to(kind) if isinstance(one, torch.Tensor) and one.is_floating_point() else one for one in inputs)


def answers(job: Job, module: torch.nn.Module, plan: Plan, inputs: torch.Tensor, filled: torch.Tensor) -> torch.Tensor:
    """Outputs (count, columns) float64 of one picture (1, C, H, W) under every mask of the plan."""
    hidden = laid_like(filled.expand_as(inputs), inputs)

    def pictures(start: int, stop: int) -> torch.Tensor:
        return torch.lerp(hidden, inputs, plan.masks(start, stop).to(inputs)[:, None])

    return asked(job, module, pictures, plan.count, inputs)


def asked(
    job: Job, module: torch.nn.Module, pictures: Callable[[int, int], torch.Tensor], count: int, inputs: torch.Tensor
) -> torch.Tensor:
    """Outputs (count, columns) float64 of `count` pictures made of one with inputs (1, C, H, W).

    pictures(start, stop): those of them as (stop − start, C, H, W), made when their turn comes.
    """
    kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), inputs.dtype)

    def work(part: slice) -> torch.Tensor:
        made = laid_like(pictures(part.start, part.stop).to(kind), inputs)
        return job.classifier.outputs_of(module(made)).double().cpu()

    with torch.inference_mode():
        found = torch.cat([part for _, part in streamed(work, count, pass_length(inputs))])
    return found.clone()

"""The engine of class activation maps: it reads layers once; a method is a pure function of what was read.

Maps are raw and signed: the final ReLU of the papers is left to whoever normalises (the positive part is taken there),
so that scale and sign are not lost here. A ReLU *inside* a weight stays, it is the method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import LayerError
from workbench.explainers.explainer import Explainer, Function, Job, NativeMaps, Request, add, options_of, statuses
from workbench.explainers.passes import streamed
from workbench.explainers.spaces import check_space

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.view import View

BATCH = 16
ENGINE = __name__
SHARED = {"layer": "", "space": "logit"}


def cam_method(
    name: str, *, reference: str, summary: str = "", classless: bool = False
) -> Callable[[Function], Function]:
    """Register `(activations, gradients, scores, *, options) -> maps`.

    Activations A and gradients G = dS/dA are (N, C, h, w), scores S (N,), maps (N, h, w) at the layer's own
    resolution. Options `layer` ("" = the classifier's `cam_layer`) and `space` ("logit" or "probability") are added.
    """
    cost = "1 forward, shared by all CAM methods"
    return _register(name, reference, summary, cost=cost, classless=classless)


def view_method(
    name: str,
    *,
    reference: str,
    cost: str,
    summary: str = "",
    classless: bool = False,
    expensive: bool = False,
    free_grid: bool = False,
) -> Callable[[Function], Function]:
    """Register `(view, *, options) -> maps` for a method that needs more than one gradient; see `View`.

    With `free_grid` its maps need not have the layer's resolution.
    """
    return _register(
        name,
        reference,
        summary,
        cost=cost,
        classless=classless,
        expensive=expensive,
        free_grid=free_grid,
        takes_view=True,
    )


def _register(name: str, reference: str, summary: str, **fields: Any) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        explainer = Explainer(
            name,
            function,
            "cam",
            options={**SHARED, **options_of(function)},
            shared=tuple(SHARED),
            engine=ENGINE,
            **fields,
        )
        add(explainer, summary=summary, reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """One forward of each batch for all methods, layers and targets, and one backward a target."""
    import torch

    from workbench.explainers._capture import Forward, borrowed
    from workbench.explainers.cam.view import Shared

    layers = [options["layer"] or job.classifier.cam_layer for _, options in group]
    for layer, (_, options) in zip(layers, group, strict=True):
        check_space(options["space"])
        _check_layer(job, layer)
    also = [name.strip() for _, options in group for name in str(options.get("fuse", "")).split(",") if name.strip()]
    read = list(dict.fromkeys([*layers, *also]))
    found: list[list[list[np.ndarray]]] = [[[] for _ in range(job.targets)] for _ in group]
    silent: list[list[list[np.ndarray]]] = [[[] for _ in range(job.targets)] for _ in group]

    with borrowed(job.classifier.module) as module:

        def work(part: slice) -> int:
            forward = Forward(job.classifier, module, read, job.inputs(part))
            shared = Shared(forward)
            weights = torch.as_tensor(job.weights[part], dtype=forward.outputs.dtype, device=forward.outputs.device)
            done = [
                _maps(job, shared, weights, part.start, layer, explainer, options)
                for layer, (explainer, options) in zip(layers, group, strict=True)
            ]
            for index, per_target in enumerate(done):
                for target, (values, mute) in enumerate(per_target):
                    found[index][target].append(values)
                    silent[index][target].append(mute)
            return part.stop - part.start

        for _, count in streamed(work, len(job.images), BATCH):
            job.advance(count)

    result = []
    for index, (layer, (_, options)) in enumerate(zip(layers, group, strict=True)):
        row = []
        for target in range(job.targets):
            values = np.concatenate(found[index][target])
            status = statuses(values, np.concatenate(silent[index][target]), "zero-gradient")
            row.append(NativeMaps(values, status, layer, options))
        result.append(row)
    return result


def _check_layer(job: Job, layer: str) -> None:
    if not layer:
        raise LayerError(
            f"{job.classifier.name!r} has no layer with a grid that a CAM could look at; state layer=, or take "
            "explainers of the gradient or perturbation family"
        )
    job.classifier.layout(layer)


def _maps(
    job: Job,
    shared: Any,
    weights: torch.Tensor,
    start: int,
    layer: str,
    explainer: Explainer,
    options: dict[str, Any],
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(maps, silent) of one method for each target of one batch."""
    from workbench.explainers.cam.view import View

    views = [
        View(shared, layer, weights[:, t], options["space"], lambda row, purpose: job.stream(start + row, purpose))
        for t in range(weights.shape[1])
    ]
    own = explainer.own(options)
    if explainer.classless:
        maps = explainer.method(views[0], **own) if explainer.takes_view else _pure(explainer, views[:1], own)[0]
        values = _checked(explainer, maps, views[0])
        still = np.zeros(len(values), bool)
        return [(values, still)] * len(views)
    if explainer.takes_view:
        given = [explainer.method(view, **own) for view in views]
    else:
        given = _pure(explainer, views, own)
    return [
        (_checked(explainer, maps, view), view.silent.cpu().numpy()) for maps, view in zip(given, views, strict=True)
    ]


def _pure(explainer: Explainer, views: list[View], own: dict[str, Any]) -> list[torch.Tensor]:
    """A method of tensors, all targets at once: each row is treated by itself, so they are stacked."""
    if explainer.classless:
        return [explainer.method(views[0].activations, None, None, **own)]
    maps: torch.Tensor = explainer.method(*views[0].shared.stacked(views), **own)
    each = len(views[0].inputs)
    if len(maps) != each * len(views):
        return [maps] * len(views)  # refused by its shape
    return list(maps.split(each))


def _checked(explainer: Explainer, maps: torch.Tensor, view: View) -> np.ndarray:
    count = len(view.inputs)
    grid = maps.shape[1:] if explainer.free_grid else view.activations.shape[2:]
    if maps.ndim != 3 or maps.shape != (count, *grid):
        raise ValueError(f"{explainer.name} gave maps of shape {tuple(maps.shape)}; expected (N, h, w)")
    return maps.detach().float().cpu().numpy()

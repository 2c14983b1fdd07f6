"""The engine of class activation maps: it reads layers once; a method is a pure function of what was read.

Maps are raw and signed: the final ReLU of the papers is left to whoever normalises (the positive part is taken there),
so that scale and sign are not lost here. A ReLU *inside* a weight stays, it is the method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import LayerError
from workbench.explainers.explainer import (
    Explainer,
    Found,
    Function,
    Job,
    NativeMaps,
    Request,
    add,
    checks_of,
    options_of,
    recordable,
    statuses,
)
from workbench.explainers.passes import out_of_memory, streamed
from workbench.explainers.spaces import check_space

if TYPE_CHECKING:
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
            checks=(check_space, *checks_of(function)),
            **fields,
        )
        add(explainer, summary=summary, reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> list[Found]:
    """One forward of each batch for all methods, layers and targets, and one backward a target.

    In a job that is not strict, a method that fails is left out from then on and gives its error.
    """

    from workbench.explainers._capture import Forward, borrowed
    from workbench.explainers.cam.view import Shared

    layers = [options["layer"] or job.classifier.cam_layer for _, options in group]
    for layer, (_, options) in zip(layers, group, strict=True):
        check_space(options["space"])
        _check_layer(job, layer)
    also = [name.strip() for _, options in group for name in str(options.get("fuse", "")).split(",") if name.strip()]
    read = list(dict.fromkeys([*layers, *also]))
    found: list[list[np.ndarray]] = [[] for _ in group]  # of each request, (T, n, h, w) a batch
    silent: list[list[np.ndarray]] = [[] for _ in group]
    failed: dict[int, Exception] = {}

    with borrowed(job.classifier.module) as module:

        def work(part: slice) -> int:
            shared = Shared(Forward(job.classifier, module, read, job.inputs(part)), job, part.start)
            done = {}
            for index, (layer, (explainer, options)) in enumerate(zip(layers, group, strict=True)):
                if index in failed:
                    continue
                try:
                    done[index] = _maps(shared.views(layer, options["space"]), explainer, explainer.own(options))
                except Exception as error:
                    if job.strict or out_of_memory(error) or not recordable(error):
                        raise
                    failed[index] = error
            for index, (values, mute) in done.items():
                found[index].append(values)
                silent[index].append(mute)
            return part.stop - part.start

        for _, count in streamed(work, len(job.images), BATCH):
            job.advance(count)

    result: list[Found] = []
    for index, (layer, (_, options)) in enumerate(zip(layers, group, strict=True)):
        if index in failed:
            result.append(failed[index])
            continue
        values, mute = np.concatenate(found[index], axis=1), np.concatenate(silent[index], axis=1)
        result.append(
            [
                NativeMaps(own, statuses(own, still, "zero-gradient"), layer, options)
                for own, still in zip(values, mute, strict=True)
            ]
        )
    return result


def _check_layer(job: Job, layer: str) -> None:
    if not layer:
        raise LayerError(
            f"{job.classifier.name!r} has no layer with a grid that a CAM could look at; state layer=, or take "
            "explainers of the gradient or perturbation family"
        )
    job.classifier.layout(layer)


def _maps(views: list[View], explainer: Explainer, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Maps (T, n, h, w) of one method for the targets of one batch, and which have no gradient behind them (T, n)."""
    import torch

    first, own = views[0], views[:1] if explainer.classless else views
    if explainer.takes_view:
        maps = torch.cat([explainer.method(view, **options) for view in own])
    elif explainer.classless:
        maps = explainer.method(first.activations, None, None, **options)
    else:
        maps = explainer.method(*first.shared.stacked(views), **options)  # each row is treated by itself
    count = len(first.inputs)
    grid = maps.shape[1:] if explainer.free_grid else first.activations.shape[2:]
    if maps.ndim != 3 or maps.shape != (count * len(own), *grid):
        raise ValueError(f"{explainer.name} gave maps of shape {tuple(maps.shape)}; expected (N, h, w)")
    values = maps.detach().float().cpu().numpy().reshape(len(own), count, *grid)
    if explainer.classless:
        return np.broadcast_to(values, (len(views), *values.shape[1:])), np.zeros((len(views), count), bool)
    return values, first.shared.silent(views)

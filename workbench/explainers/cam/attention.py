"""The engine of attention methods: one forward of each batch with every block's attention table, for all of them.

A method maps a view of the tables to maps (N, h, w) on the grid of places. For a class-token network what the class
token took from each place is read, for an average-pooled one the mean over what all places took; which tokens are
read is found from the network. Networks without attention over all of their places are refused in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.explainers.explainer import (
    Explainer,
    Function,
    Job,
    NativeMaps,
    Request,
    add,
    checks_of,
    options_of,
    statuses,
)
from workbench.explainers.passes import pass_length, streamed
from workbench.explainers.spaces import check_space

if TYPE_CHECKING:
    import torch

    from workbench.explainers.cam.attention_view import AttentionView

ENGINE = __name__


def attention_method(
    name: str, *, reference: str, cost: str, summary: str = "", classless: bool = False
) -> Callable[[Function], Function]:
    """Register `(view, *, options) -> maps (N, h, w)`; see `AttentionView`.

    Option `space` is added unless the method is `classless`; such a method is given the view of the first target.
    """

    def decorate(function: Function) -> Function:
        own = options_of(function)
        explainer = Explainer(
            name,
            function,
            "cam",
            options=own if classless else {"space": "logit", **own},
            shared=() if classless else ("space",),
            engine=ENGINE,
            cost=cost,
            classless=classless,
            checks=(*(() if classless else (check_space,)), *checks_of(function)),
        )
        add(explainer, summary=summary, reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """Maps [request][target]; all methods and targets share each batch's forward."""
    import torch

    from workbench.explainers._capture import borrowed
    from workbench.explainers.cam.attention_view import AttentionView, Batch

    for _, options in group:
        check_space(options.get("space", "logit"))
    gradients = not all(explainer.classless for explainer, _ in group)
    found: list[list[list[tuple[np.ndarray, np.ndarray]]]] = [[[] for _ in range(job.targets)] for _ in group]
    layer = ""

    with borrowed(job.classifier.module) as module, torch.inference_mode(False), torch.enable_grad():

        def work(part: slice) -> list[list[tuple[np.ndarray, np.ndarray]]]:
            nonlocal layer
            batch = Batch.of(job.classifier, module, job.inputs(part), gradients=gradients)
            layer = batch.layer
            weights = torch.as_tensor(job.weights[part]).to(batch.seen.outputs)
            result: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in group]
            for target in range(job.targets):
                views: dict[str, AttentionView] = {}  # of one target only: gradients at all tables are large
                for row, (explainer, options) in zip(result, group, strict=True):
                    if explainer.classless and row:
                        row.append(row[0])
                        continue
                    space = options.get("space", "logit")
                    view = views.setdefault(space, AttentionView(batch, weights[:, target], space))
                    row.append(_checked(explainer, explainer.method(view, **explainer.own(options)), view))
            return result

        length = pass_length(job.inputs(slice(0, 1)), gradients)
        if gradients:  # the graph of the whole network and all of its tables is kept
            length = max(1, length // 2)
        for part, maps in streamed(work, len(job.images), length):
            for index, row in enumerate(maps):
                for target, one in enumerate(row):
                    found[index][target].append(one)
            job.advance(part.stop - part.start)

    result = []
    for (_, options), rows in zip(group, found, strict=True):
        native = []
        for parts in rows:
            values, silent = (np.concatenate(several) for several in zip(*parts, strict=True))
            native.append(NativeMaps(values, statuses(values, silent, "zero-gradient"), layer, options))
        result.append(native)
    return result


def _checked(explainer: Explainer, maps: torch.Tensor, view: AttentionView) -> tuple[np.ndarray, np.ndarray]:
    """Maps (N, h, w), and where nothing at all stands behind an empty one."""
    if maps.ndim != 3 or len(maps) != len(view.batch.inputs):
        raise ValueError(f"{explainer.name} gave maps of shape {tuple(maps.shape)}; expected (N, h, w)")
    values = maps.detach().float().cpu().numpy()
    empty = np.asarray(~values.any((1, 2)))
    if explainer.classless or not empty.any():
        return values, np.zeros(len(values), bool)
    return values, empty & view.silent.cpu().numpy()

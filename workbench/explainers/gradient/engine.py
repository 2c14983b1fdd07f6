"""The engine of gradients with respect to the input: one forward of each batch, one backward a target.

A method maps (batch, *, options) to maps (N, T, h, w), signed where the method is; it may give (N, T) besides that say
where the network's own gradient is zero, if that is not where the map is. The mathematics of captum's methods
is captum's; what is shared between methods and targets, streamed or refused is decided here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

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
from workbench.explainers.spaces import check_space, in_space

if TYPE_CHECKING:
    import torch

    Made = torch.Tensor | tuple[torch.Tensor, torch.Tensor]

ENGINE = __name__
SHARED = {"space": "logit"}
_particular: set[str] = set()
Kept = TypeVar("Kept")


def gradient_method(
    name: str,
    *,
    reference: str,
    cost: str = "1 forward, and 1 backward a target",
    summary: str = "",
    particular: bool = False,
) -> Callable[[Function], Function]:
    """Register `(batch, *, options) -> maps (N, T, h, w)`; the option `space` ("logit", "probability") is added.

    particular: suits some networks only; such methods are tried first, so that a refusal costs the others nothing.
    """
    if particular:
        _particular.add(name)

    def decorate(function: Function) -> Function:
        explainer = Explainer(
            name,
            function,
            "gradient",
            options={**SHARED, **options_of(function)},
            shared=tuple(SHARED),
            together=tuple(SHARED),
            engine=ENGINE,
            cost=cost,
            checks=(check_space, *checks_of(function)),
        )
        add(explainer, summary=summary, reference=reference)
        return function

    return decorate


def compute(job: Job, group: list[Request]) -> list[list[NativeMaps]]:
    """Batches of faces, each by itself within its batch; forwards and gradients at the input shared by the group."""
    import torch

    from workbench.explainers._capture import borrowed

    space = group[0][1]["space"]
    check_space(space)
    order = sorted(range(len(group)), key=lambda place: group[place][0].name not in _particular)
    found: list[list[np.ndarray]] = [[] for _ in group]
    silent: list[list[np.ndarray]] = [[] for _ in group]
    kept: dict[Any, Any] = {}

    with borrowed(job.classifier.module) as module, torch.inference_mode(False), torch.enable_grad():
        black = job.classifier.inputs(np.zeros_like(job.images[:1]))

        def work(part: slice) -> dict[int, Made]:
            inputs = job.inputs(part)
            weights = torch.as_tensor(job.weights[part], dtype=torch.float32, device=inputs.device)
            batch = Batch(job, module, inputs, weights, black, space, part.start, kept)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # captum announces its hooks
                return {place: group[place][0].method(batch, **group[place][0].own(group[place][1])) for place in order}

        for part, maps in streamed(work, len(job.images), pass_length(black, gradients=True)):
            for place, values in maps.items():
                values, still = values if isinstance(values, tuple) else (values, None)
                found[place].append(values.detach().float().cpu().numpy())
                silent[place].append((values.flatten(2).abs().amax(2) == 0 if still is None else still).cpu().numpy())
            job.advance(part.stop - part.start)

    result = []
    for place, (_, options) in enumerate(group):
        made, mute = np.concatenate(found[place]), np.concatenate(silent[place])
        layer = (options["layer"] or job.classifier.cam_layer) if "layer" in options else ""
        row = []
        for target in range(job.targets):
            own = np.ascontiguousarray(made[:, target])
            row.append(NativeMaps(own, statuses(own, mute[:, target], "zero-gradient"), layer, options))
        result.append(row)
    return result


@dataclass(eq=False)
class Batch:
    """Inputs (N, C, H, W) and the weights (N, T, columns) of the scores explained of them.

    black: (1, C, H, W), what a black picture becomes after preprocessing. module: borrowed. start: number of the first
    face. kept: what methods keep from batch to batch of one job.
    """

    job: Job
    module: torch.nn.Module
    inputs: torch.Tensor
    weights: torch.Tensor
    black: torch.Tensor
    space: str
    start: int = 0
    kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The classifier's name, for messages."""
        return self.job.classifier.name

    @property
    def length(self) -> int:
        """Pictures in one pass with gradients."""
        return pass_length(self.inputs, gradients=True)

    def outputs(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs (M, columns) in the space explained, of inputs (M, C, H, W); differentiable."""
        logits = self.job.classifier.outputs_of(self.module(inputs.clone()))  # a clone: networks may work in place
        return in_space(logits, self.job.classifier, self.space)

    def scores(self, outputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The scores (M, T) of outputs (M, columns), where output m is one of image rows[m]."""
        return (outputs[:, None] * self.weights[rows]).sum(2)

    def gradients(
        self,
        inputs: torch.Tensor,
        rows: torch.Tensor,
        outputs: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> Iterator[torch.Tensor]:
        """For each target in turn, the gradients (M, C, H, W) of its score at inputs that belong to images `rows`:
        one forward in all, of the network itself or of `outputs`."""
        import torch

        leaf = inputs.detach().requires_grad_()
        scores = self.scores((outputs or self.outputs)(leaf), rows).sum(0)
        for target, score in enumerate(scores):
            more = target + 1 < len(scores)
            found = None
            if score.requires_grad:
                found = torch.autograd.grad(score, leaf, retain_graph=more, allow_unused=True)[0]
            yield torch.zeros_like(leaf) if found is None else found

    @cached_property
    def rows(self) -> torch.Tensor:
        """0 … N − 1."""
        import torch

        return torch.arange(len(self.inputs), device=self.inputs.device)

    @cached_property
    def gradient(self) -> torch.Tensor:
        """Gradients of all scores at the inputs, (N, T, C, H, W); made once for all methods."""
        import torch

        return torch.stack(list(self.gradients(self.inputs, self.rows)), 1)

    @cached_property
    def white(self) -> torch.Tensor:
        """What a white picture becomes after preprocessing, (1, C, H, W)."""
        return self.job.classifier.inputs(np.full_like(self.job.images[:1], 255))

    def stream(self, row: int, purpose: str) -> np.random.Generator:
        """Random numbers of one image that no other image, batch or order can change."""
        return self.job.stream(self.start + row, purpose)

    def once(self, key: Any, make: Callable[[], Kept]) -> Kept:
        """What `make` gave when it was first asked under `key` in this job."""
        if key not in self.kept:
            self.kept[key] = make()
        kept: Kept = self.kept[key]
        return kept

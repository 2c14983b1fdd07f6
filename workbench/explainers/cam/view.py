"""What a CAM method may look at: one batch at one layer under one target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from workbench.explainers._capture import Forward, Tail
from workbench.explainers.passes import streamed
from workbench.explainers.spaces import scores

if TYPE_CHECKING:
    import numpy as np

    from workbench.classifiers.classifier import Classifier
    from workbench.classifiers.layout import Layout
    from workbench.explainers.explainer import Job


@dataclass(eq=False)
class Shared:
    """What all views of one batch share: the forward, gradients by target, the tails behind its layers.

    start: number of the batch's first face in the job.
    """

    forward: Forward
    job: Job
    start: int = 0
    gradients: dict[tuple[bytes, str], tuple[torch.Tensor, dict[str, torch.Tensor]]] = field(default_factory=dict)
    tails: dict[str, Tail] = field(default_factory=dict)
    stacks: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    known: dict[tuple[str, str], list[View]] = field(default_factory=dict)
    empty: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def views(self, layer: str, space: str) -> list[View]:
        """One view a target of this batch."""
        if (layer, space) not in self.known:
            outputs = self.forward.outputs
            part = slice(self.start, self.start + len(outputs))
            weights = torch.as_tensor(self.job.weights[part], dtype=outputs.dtype, device=outputs.device)
            self.known[layer, space] = [View(self, layer, one, space) for one in weights.unbind(1)]
        return self.known[layer, space]

    def of(self, weights: torch.Tensor, space: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Scores and gradients at every layer, computed once for each target."""
        key = (weights.cpu().numpy().tobytes(), space)
        if key not in self.gradients:
            self.gradients[key] = self.forward.gradients(weights, space)
        return self.gradients[key]

    def stacked(self, views: Sequence[View]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Activations, gradients and scores of views of one layer and space, one target below the other."""
        first = views[0]
        if len(views) == 1:
            return first.activations, first.gradients, first.scores
        key = (first.layer, first.space)
        if key not in self.stacks:
            self.stacks[key] = (
                torch.cat([view.activations for view in views]),
                torch.cat([view.gradients for view in views]),
                torch.cat([view.scores for view in views]),
            )
        return self.stacks[key]

    def silent(self, views: Sequence[View]) -> np.ndarray:
        """Where the whole gradient is zero, (T, N) bool."""
        key = (views[0].layer, views[0].space)
        if key not in self.empty:
            gradients = self.stacked(views)[1]
            self.empty[key] = ~gradients.flatten(1).any(1).reshape(len(views), -1).cpu().numpy()
        return self.empty[key]


@dataclass(frozen=True, eq=False)
class View:
    """One batch of N inputs at one layer under one target; everything is computed when it is first asked for.

    weights: (N, columns), the score is their sum with the outputs in `space`.
    """

    shared: Shared
    layer: str
    weights: torch.Tensor
    space: str

    @property
    def classifier(self) -> Classifier:
        """The network under study."""
        return self.shared.forward.classifier

    @property
    def module(self) -> torch.nn.Module:
        """The borrowed module: evaluation mode, frozen."""
        return self.shared.forward.module

    @property
    def layout(self) -> Layout:
        """How the layer's output lies."""
        return self.classifier.layout(self.layer)

    @property
    def inputs(self) -> torch.Tensor:
        """What the network was given, (N, channels, H, W)."""
        return self.shared.forward.inputs

    @property
    def outputs(self) -> torch.Tensor:
        """What the network said, (N, columns) logits, without a graph."""
        return self.shared.forward.outputs.detach()

    @cached_property
    def activations(self) -> torch.Tensor:
        """What the layer gave, (N, C, h, w)."""
        return self.shared.forward.leaves[self.layer].detach()

    @cached_property
    def gradients(self) -> torch.Tensor:
        """Gradient of the score at the layer, (N, C, h, w)."""
        return self.shared.of(self.weights, self.space)[1][self.layer]

    @cached_property
    def scores(self) -> torch.Tensor:
        """The explained scores, (N,)."""
        return self.score(self.outputs)

    def stream(self, row: int, purpose: str) -> np.random.Generator:
        """Random numbers of one image that no other image, batch or order can change."""
        return self.shared.job.stream(self.shared.start + row, purpose)

    def score(self, outputs: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """The explained score of outputs (M, columns); row m belongs to image rows[m], to image m without `rows`."""
        weights = self.weights if rows is None else self.weights[rows.to(self.weights.device)]
        return scores(outputs, weights, self.classifier, self.space)

    def tail(self, grids: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Outputs (M, columns) where, for image rows[m], the layer's places are grids[m] (M, C, h, w).

        Nothing before the layer is computed again. With gradient mode on and grids that require it, differentiable
        and in one pass; otherwise in passes of a length that fits, and the network may then work in place on `grids`.
        """
        behind = self._behind()
        if torch.is_grad_enabled() and grids.requires_grad:
            return behind(grids.clone(), rows)  # the network may work in place on what the layer gave
        with torch.no_grad():
            parts = streamed(lambda part: behind(grids[part], rows[part]), len(rows), 64)
            return torch.cat([found for _, found in parts])

    def _behind(self) -> Tail:
        tails = self.shared.tails
        if self.layer not in tails:
            tails[self.layer] = Tail(self.classifier, self.module, self.layer, self.inputs)
        return tails[self.layer]

    def again(self, inputs: torch.Tensor) -> View:
        """The same layer and target at other inputs (N, channels, H, W): one more forward."""
        return replace(self, shared=self._shared([self.layer], inputs))

    def retarget(self, weights: torch.Tensor) -> View:
        """The same forward under another target (N, columns): one more backward."""
        return replace(self, weights=weights)

    def at(self, layer: str) -> View:
        """Another layer: of the same forward if it was read there, else of one more."""
        if layer in self.shared.forward.leaves:
            return replace(self, layer=layer)
        return replace(self, layer=layer, shared=self._shared([layer], self.inputs))

    def _shared(self, layers: Sequence[str], inputs: torch.Tensor) -> Shared:
        forward = Forward(self.classifier, self.module, layers, inputs)
        return Shared(forward, self.shared.job, self.shared.start)

    def product(self, direction: torch.Tensor) -> torch.Tensor:
        """Second derivative of the score at the layer times `direction`, both (N, C, h, w)."""
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with torch.inference_mode(False), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            leaf = self.activations.clone().requires_grad_()
            rows = torch.arange(len(leaf), device=leaf.device)
            score = self.score(self._behind()(leaf.clone(), rows), rows).sum()
            (first,) = torch.autograd.grad(score, leaf, create_graph=True)
            if not first.requires_grad:  # the score is linear in the layer
                return torch.zeros_like(direction)
            (second,) = torch.autograd.grad((first * direction).sum(), leaf, allow_unused=True)
        return torch.zeros_like(direction) if second is None else second.detach()

"""A view of a network that is written down as two functions, before a layer and behind it."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import torch

from workbench.explainers._capture import Forward, borrowed
from workbench.explainers.cam.view import Shared
from workbench.explainers.explainer import Job
from workbench.explainers.spaces import scores


class Heads:
    """As much of a classifier as methods ask for: its heads and their columns."""

    def __init__(self, heads, name="written"):
        self.heads, self.name = heads, name

    def columns(self, wanted):
        start = sum(len(head.labels) for name, head in list(self.heads.items())[: list(self.heads).index(wanted)])
        return slice(start, start + len(self.heads[wanted].labels))


class Written:
    """What `View` gives, by plain differentiation of `behind(front(inputs))`; N images, one target each."""

    def __init__(self, behind, inputs, weights, *, front=None, heads=None, shared=None):
        self.behind, self.front, self.inputs = behind, front or (lambda x: x), inputs
        self.weights, self.heads, self.layer, self.space = weights, heads, "layer", "logit"
        self.classifier = Heads(heads) if heads else None
        self.shared = shared or Batch()
        self.tails = 0

    @property
    def activations(self):
        return self.front(self.inputs).detach()

    @property
    def outputs(self):
        return self.behind(self.activations).detach()

    @property
    def scores(self):
        return self.score(self.outputs)

    def score(self, outputs, rows=None):
        return scores(outputs, self.weights if rows is None else self.weights[rows], self.classifier, self.space)

    @property
    def gradients(self):
        leaf = self.activations.clone().requires_grad_()
        return torch.autograd.grad(self.score(self.behind(leaf)).sum(), leaf)[0]

    def tail(self, grids, rows):
        self.tails += len(rows)
        return self.behind(grids)

    def product(self, direction):
        def total(layer):
            return self.score(self.behind(layer)).sum()

        return torch.autograd.functional.hvp(total, self.activations, direction)[1]

    def again(self, inputs):
        return Written(self.behind, inputs, self.weights, front=self.front, heads=self.heads)

    def retarget(self, weights):
        return Written(self.behind, self.inputs, weights, front=self.front, heads=self.heads)

    def stream(self, row, purpose):
        return np.random.default_rng([row, *purpose.encode()])


class Batch:
    """Stands for what all targets of a batch share."""


@pytest.fixture
def viewed():
    """The engine's own view of a classifier at a layer: made inside, and the network given back at the end."""
    with ExitStack() as stack:

        def make(classifier, inputs, weights, layer=""):
            module = stack.enter_context(borrowed(classifier.module))
            layer = layer or classifier.cam_layer
            images = np.zeros((len(inputs), 2, 2, 3), np.uint8)
            job = Job(classifier, images, np.asarray(weights, np.float32)[:, None])
            return Shared(Forward(classifier, module, [layer], inputs), job).views(layer, "logit")[0]

        yield make


@pytest.fixture(scope="session")
def written():
    return Written

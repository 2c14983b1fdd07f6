"""Networks for gradients: a linear one whose answer is known, and ReLU networks written in different ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.explainers.run import run_all


class Weighted(nn.Module):
    """A linear network: the gradient is its weight, wherever it is asked."""

    def __init__(self):
        super().__init__()
        stream = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(3, 3, 8, 8, generator=stream))

    def forward(self, x):
        return torch.einsum("nchw,kchw->nk", x, self.weight)


class Written(nn.Module):
    """One network, whose ReLUs are modules of their own, functions, in place, or one module for all."""

    def __init__(self, how="modules"):
        super().__init__()
        self.how = how
        with torch.random.fork_rng():
            torch.manual_seed(11)
            self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
            self.norm, self.between, self.pool = nn.BatchNorm2d(6), nn.BatchNorm2d(6), nn.MaxPool2d(3, 2, 1)
            self.head = nn.Linear(6, 4)
            for norm in (self.norm, self.between):
                norm.running_mean.normal_(0.2, 0.2)
                norm.running_var.uniform_(0.5, 2)
                norm.weight.data.uniform_(0.5, 2)
                norm.bias.data.normal_(0, 0.3)
        self.one, self.two, self.three = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.over = nn.ReLU(inplace=True)

    def bend(self, x, which):
        bends = {
            "modules": which,
            "functions": F.relu,
            "methods": lambda x: x.relu(),
            "in_place": self.over,
            "in_place_function": F.relu_,
            "shared": self.one,
        }
        return bends[self.how](x)

    def forward(self, x):
        x = self.pool(self.bend(self.norm(self.a(x)), self.one))
        x = self.bend(x + self.b(self.bend(self.between(x), self.two)), self.three)
        return self.head(x.mean((2, 3)))


WAYS = ("modules", "functions", "methods", "in_place", "in_place_function", "shared")


@pytest.fixture(scope="session")
def linear(toy):
    return toy(Weighted(), size=(8, 8), channels=3)


@pytest.fixture(scope="session")
def written(toy):
    made = {how: toy(Written(how), "b", classes=4, size=(12, 12), channels=3, name=how) for how in WAYS}
    return made.__getitem__


@pytest.fixture(scope="session")
def asked():
    """Maps by (explainer, target), for rows of weights that all crops share."""

    def ask(classifier, crops, names, weights, **settings):
        rows = np.repeat(np.asarray(weights, np.float32)[None], len(crops), 0)
        labels = [str(number) for number in range(rows.shape[1])]
        found = run_all(classifier, crops, names, rows, labels, progress=False, **settings)
        return {(name, int(target)): maps for (name, _, target), maps in found.items()}

    return ask


@pytest.fixture(scope="session")
def faces():
    """Two 64 × 64 crops."""
    return np.random.default_rng(8).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)

"""Small networks with known answers, wrapped as a Classifier."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workbench.classifiers.classifier import Classifier, Head, Preprocessing

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def toy():
    def make(module, cam_layer="", *, classes=3, size=(16, 16), channels=1, name="toy"):
        labels = ("anger", "happiness", "fear", "sadness", "surprise", "disgust", "neutral")[:classes]
        prepared = Preprocessing(size, channels, (0.5,), (0.5,))  # black becomes −1
        return Classifier(name, module.eval(), {"expression": Head(labels)}, prepared, cam_layer)

    return make


@pytest.fixture(scope="session")
def crops():
    """Four 32 × 32 crops with structure: a bright disc that moves."""
    rows, columns = np.mgrid[:32, :32]
    stream = np.random.default_rng(3)
    pictures = []
    for centre in (8, 14, 18, 24):
        disc = np.exp(-((rows - centre) ** 2 + (columns - 32 + centre) ** 2) / 60)[..., None] * [255, 200, 150]
        pictures.append(np.clip(disc + stream.normal(40, 15, (32, 32, 3)), 0, 255))
    return np.array(pictures).astype(np.uint8)


class Plain(nn.Module):
    """Convolutions, an in-place ReLU, pooling and a linear read-out."""

    def __init__(self, channels=1, classes=3):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, classes)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = self.norm(self.relu(self.last(x)))
        return self.head(x.mean((2, 3)))


class Branched(nn.Module):
    """A residual branch, max-pooling and a flattened head: the gradient differs from place to place."""

    def __init__(self, channels=3, classes=4, side=12):
        super().__init__()
        self.stem = nn.Conv2d(channels, 5, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(5, 5, 3, padding=1), nn.ELU(), nn.Dropout(0.5))
        self.head = nn.Sequential(
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5 * (side // 2) ** 2, 8), nn.Tanh(), nn.Linear(8, classes)
        )

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        return self.head(x + self.branch(x))


@pytest.fixture(scope="session")
def networks(toy):
    """One grey and one colour network of different structure, with fixed weights."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return {
            "plain": toy(Plain(), "norm", name="plain"),
            "branched": toy(Branched(), "branch", classes=4, size=(12, 12), channels=3, name="branched"),
        }

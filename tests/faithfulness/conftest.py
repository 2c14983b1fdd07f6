"""Faces with known landmarks, and networks whose answers can be worked out by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from families import SIZE, family
from torch import nn

from workbench.canonical import load_frame
from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.faces.faceset import FaceSet, crop_sha256

torch.set_num_threads(1)
LABELS = ("anger", "happiness", "fear")


def faces_of(images, subjects=None, labels=None):
    """Crops whose landmarks are the canonical face itself."""
    frame, count = load_frame(), len(images)
    low, high = frame.points.min(0), frame.points.max(0)
    shares = np.full((478, 2), 0.5, np.float32)
    shares[: len(frame.points)] = (frame.points - low) / (high - low).max() * 0.9 + 0.05
    table = pd.DataFrame(
        {
            "name": [f"face {index}" for index in range(count)],
            "label": labels or [""] * count,
            "subject": subjects or [""] * count,
            "source": "drawn",
            "sha256": [crop_sha256(image) for image in images],
        }
    )
    return FaceSet(np.asarray(images, np.uint8), np.repeat(shares[None], count, 0), table)


@pytest.fixture(scope="session")
def make_faces():
    return faces_of


@pytest.fixture(scope="session")
def small():
    """Six grey crops of 8 × 8."""
    pixels = np.random.default_rng(2).integers(30, 256, (6, 8, 8, 1), dtype=np.uint8)
    return faces_of(np.repeat(pixels, 3, axis=3), subjects=list("aabcde"))


@pytest.fixture(scope="session")
def make_network():
    def make(module, size=(8, 8), name="toy", channels=1, labels=LABELS):
        prepared = Preprocessing(size, channels, (0.0,) * channels, (1.0,) * channels)
        return Classifier(name, module.eval(), {"expression": Head(labels)}, prepared, "")

    return make


class Linear(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))

    def forward(self, x):
        return (x.sum(1).flatten(1)) @ self.weights.flatten(1).T


@pytest.fixture(scope="session")
def linear(make_network):
    """Score of class c: Σ w_c · x over 8 × 8 pixels; the weights are `linear.module.weights` (3, 8, 8)."""
    return make_network(Linear(np.random.default_rng(1).normal(size=(3, 8, 8))), name="linear")


@pytest.fixture(scope="session")
def bent(make_network):
    """A small network that is not linear."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3)
        )
        with torch.no_grad():
            module[-1].weight *= 4
    return make_network(module, name="bent")


BOX = (slice(40, 56), slice(20, 44))  # of 64 × 64: the only place that counts


class Looking(nn.Module):
    """A network that is shown nothing but the box: undecided where it is black, sure of something elsewhere."""

    def __init__(self, name):
        super().__init__()
        self.inner = family(name)
        box = torch.zeros(1, 1, SIZE, SIZE)
        box[0, 0, BOX[0], BOX[1]] = 1
        self.register_buffer("box", box)

    def forward(self, x):
        return 30 * (self.inner(x * self.box) - self.inner(0 * x[:1]))


@pytest.fixture(scope="session")
def make_looking(make_network):
    def make(name):
        from families import LABELS as SEVEN

        return make_network(Looking(name), (SIZE, SIZE), name, 3, SEVEN)

    return make


@pytest.fixture(scope="session")
def blobs():
    """Eight colour crops of 64 × 64 of coarse noise."""
    coarse = np.random.default_rng(5).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    return faces_of(np.kron(coarse, np.ones((1, 4, 4, 1), np.uint8)), subjects=[f"s{i}" for i in range(8)])


@pytest.fixture(scope="session")
def true_map():
    found = np.zeros((SIZE, SIZE), np.float32)
    found[BOX] = 1
    return found

"""Small networks with known answers, and faces that differ from each other."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from workbench.classifiers.classifier import Classifier, Head, Preprocessing
from workbench.faces.faceset import FaceSet, crop_sha256

LABELS = ("anger", "happiness", "fear")


def network(module, *, size=16, channels=1, name="toy", labels=LABELS):
    prepared = Preprocessing((size, size), channels, (0.5,), (0.5,))
    return Classifier(name, module.eval(), {"expression": Head(labels)}, prepared, "")


def faces_of(images, labels=None, subjects=None):
    count = len(images)
    table = pd.DataFrame(
        {
            "name": [f"face-{i}" for i in range(count)],
            "label": labels or [""] * count,
            "subject": subjects or [""] * count,
            "source": "drawn",
            "sha256": [crop_sha256(image) for image in images],
        }
    )
    return FaceSet(images, np.full((count, 478, 2), 0.5, np.float32), table)


@pytest.fixture(scope="session")
def twelve():
    """Twelve 16 × 16 crops of noise with a disc, no subjects."""
    stream = np.random.default_rng(1)
    rows, columns = np.mgrid[:16, :16]
    images = stream.integers(0, 120, (12, 16, 16, 3))
    for image, (y, x) in zip(images, stream.uniform(3, 13, (12, 2)), strict=True):
        image[(rows - y) ** 2 + (columns - x) ** 2 < 9] += 120
    return faces_of(images.astype(np.uint8))


@pytest.fixture
def linear():
    """Three dense read-outs of 256 pixels: the gradient is the row of weights, whatever the picture."""
    torch.manual_seed(5)
    return network(nn.Sequential(nn.Flatten(), nn.Linear(256, 3)))


class Conv(nn.Module):
    """Convolutions with or without padding, ReLU, a flattened head."""

    def __init__(self, padding=0, channels=1, bias=True):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3, padding=padding, bias=bias)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4 * (12 + 2 * padding) ** 2, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.head(torch.relu(self.second(x)).flatten(1))


@pytest.fixture
def conv():
    torch.manual_seed(2)
    return network(Conv())

"""Faces whose landmarks are the canonical face itself."""

import numpy as np
import pandas as pd
import pytest

from workbench.canonical import load_frame
from workbench.faces.faceset import FaceSet, crop_sha256


@pytest.fixture(scope="session")
def face_set():
    """Four crops whose landmarks are the canonical face itself, fitted into the crop."""
    frame = load_frame()
    low, high = frame.points.min(0), frame.points.max(0)
    shares = np.zeros((478, 2), np.float32)
    shares[: len(frame.points)] = (frame.points - low) / (high - low).max() * 0.9 + 0.05
    shares[len(frame.points) :] = 0.5
    images = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8)
    images[:, 10:20, 10:20] //= 3
    table = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d"],
            "label": ["anger", "", "surprise", "happiness"],
            "subject": ["x", "x", "y", ""],
            "source": "drawn",
            "sha256": [crop_sha256(image) for image in images],
            "age": [20, 30, 40, 50],
        }
    )
    return FaceSet(images, np.repeat(shares[None], 4, 0), table)

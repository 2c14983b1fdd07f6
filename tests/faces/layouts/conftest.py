"""Drawn faces saved wherever a data set keeps its pictures, and loading without a detector."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from workbench.faces import load_faces


def drawn(side=48, shade=200):
    """An RGB picture of a drawn face: head, eyes, mouth."""
    picture = Image.new("RGB", (side, side), (60, 70, 80))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((side * 0.15, side * 0.05, side * 0.85, side * 0.95), fill=(shade, shade - 40, shade - 60))
    for x in (0.35, 0.65):
        pen.ellipse((side * (x - 0.06), side * 0.36, side * (x + 0.06), side * 0.44), fill=(30, 20, 20))
    pen.arc((side * 0.35, side * 0.55, side * 0.65, side * 0.8), 20, 160, fill=(120, 30, 30), width=2)
    return picture


@pytest.fixture
def draw(tmp_path):
    """draw("a/b.png", shade=200) → the saved file below tmp_path."""

    def save(name, side=48, shade=200):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn(side, shade).save(path)
        return path

    return save


@pytest.fixture
def write(tmp_path):
    """write("a/b.txt", text) → the saved file below tmp_path."""

    def save(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return save


@pytest.fixture
def load():
    """load_faces without a detector: the canonical face is laid over every picture, which is a crop."""

    def read(source, **options):
        usual = {"landmarks": "template", "cropped": True, "size": 32}
        return load_faces(source, progress=False, **(usual | options))

    return read


@pytest.fixture
def ring():
    """68 points on a ring around (24, 24) of radius 12, in pixels."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.column_stack([24 + 12 * np.cos(angle), 24 + 12 * np.sin(angle)])

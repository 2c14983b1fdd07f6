"""Drawn faces and synthetic maps; the browser's notebook runs the same file as its first cell."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DRAWN = Path(__file__).resolve().parents[1] / "browser" / "drawn.py"


@pytest.fixture(scope="session")
def drawn():
    spec = importlib.util.spec_from_file_location("drawn", DRAWN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def faces(drawn):
    return drawn.drawn_faces()


@pytest.fixture(scope="session")
def maps(drawn, faces):
    return drawn.synthetic_maps(faces)

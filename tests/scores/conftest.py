"""Toy masks and maps on a 6×6 grid that belongs to no frame."""

import numpy as np
import pytest
import xarray as xr

from workbench.masks import MaskSet
from workbench.vocabulary import BASIC_EXPRESSIONS

GRID = (6, 6)


def box(top, left, height, width):
    values = np.zeros(GRID, np.float32)
    values[top : top + height, left : left + width] = 1
    return values


BOXES = {
    "anger": box(0, 0, 2, 6),
    "disgust": box(2, 2, 2, 2),
    "fear": box(0, 0, 6, 3),
    "happiness": box(4, 0, 2, 6),
    "sadness": box(0, 0, 3, 3),
    "surprise": box(3, 3, 3, 3),
}


@pytest.fixture
def toy_masks():
    values = np.stack(list(BOXES.values()))
    maps = xr.DataArray(values, dims=("expression", "y", "x"), coords={"expression": list(BOXES)})
    return MaskSet("toy", maps, "image", xr.DataArray(np.ones(GRID, bool), dims=("y", "x")))


@pytest.fixture
def au_masks():
    maps = xr.DataArray(
        np.stack([BOXES["anger"], BOXES["happiness"] * 0.4, BOXES["fear"] * 0.8]),
        dims=("au", "y", "x"),
        coords={"au": ["AU1", "AU12", "AU4"]},
    ).astype(np.float32)
    maps[1, 4:, :3] = 0.9  # soft: only this part counts
    return MaskSet("units", maps, "image", xr.DataArray(np.ones(GRID, bool), dims=("y", "x")))


def build_heat(maps, *, model="net", explainer="cam", **coords):
    """Global maps of one network and explainer from {expression: (y, x)}; NaN for the others."""
    values = np.full((1, 1, 6, *GRID), np.nan, np.float32)
    for name, each in maps.items():
        values[0, 0, BASIC_EXPRESSIONS.index(name)] = each
    return xr.DataArray(
        values,
        dims=("model", "explainer", "expression", "y", "x"),
        name="heatmap",
        coords={"model": [model], "explainer": [explainer], "expression": list(BASIC_EXPRESSIONS), **coords},
    )


@pytest.fixture
def heat_of():
    return build_heat


@pytest.fixture
def box_of():
    return box


@pytest.fixture
def noisy_maps():
    """Per-image maps of one network: 12 faces of 6 people, all called fear, a noisy left half."""
    rng = np.random.default_rng(0)
    values = np.maximum(BOXES["fear"] * 2 + rng.normal(0, 0.6, (1, 1, 12, *GRID)), 0).astype(np.float32)
    return xr.DataArray(
        values,
        dims=("model", "explainer", "image", "y", "x"),
        name="heatmap",
        coords={
            "model": ["net"],
            "explainer": ["cam"],
            "image": [f"f{i}" for i in range(12)],
            "predicted": (("model", "image"), [["fear"] * 12]),
            "subject": ("image", [f"person {i // 2}" for i in range(12)]),
        },
        attrs={"target": "predicted"},
    )

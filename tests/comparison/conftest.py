"""Toy networks whose maps are alike in a known way."""

import numpy as np
import pytest
import xarray as xr

from workbench.vocabulary import BASIC_EXPRESSIONS

GRID = (4, 5)


def heat_of(maps, explainers=("cam",), **coords):
    """Global maps of one expression, fear: {network: (y, x) or (explainer, y, x)}."""
    values = np.full((len(maps), len(explainers), 6, *GRID), np.nan, np.float32)
    for m, each in enumerate(maps.values()):
        values[m, :, BASIC_EXPRESSIONS.index("fear")] = each
    return xr.DataArray(
        values,
        dims=("model", "explainer", "expression", "y", "x"),
        name="heatmap",
        coords={
            "model": list(maps),
            "explainer": list(explainers),
            "expression": list(BASIC_EXPRESSIONS),
            **coords,
        },
    )


@pytest.fixture
def build_heat():
    return heat_of


@pytest.fixture
def patterns():
    """Two families: a and b are noisy copies of one pattern, c and d of another, e stands alone."""
    rng = np.random.default_rng(1)
    first, second, third = rng.normal(size=(3, *GRID))
    return {
        "a": first,
        "b": first + 0.2 * rng.normal(size=GRID),
        "c": second,
        "d": second + 0.3 * rng.normal(size=GRID),
        "e": third,
    }


@pytest.fixture
def face_maps(patterns):
    """Per-image maps: each network's pattern with noise, 10 images of 10 people, all called fear."""
    rng = np.random.default_rng(2)
    values = np.stack([np.maximum(p + 3 + rng.normal(0, 0.4, (10, *GRID)), 0) for p in patterns.values()])[:, None]
    return xr.DataArray(
        values.astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        name="heatmap",
        coords={
            "model": list(patterns),
            "explainer": ["cam"],
            "image": [f"f{i}" for i in range(10)],
            "predicted": (("model", "image"), [["fear"] * 10] * 5),
            "subject": ("image", [f"p{i}" for i in range(10)]),
        },
        attrs={"target": "predicted"},
    )

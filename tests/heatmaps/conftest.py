"""Hand-made per-image maps: two networks, four images of three people, 2×2 pixels."""

import numpy as np
import pytest
import xarray as xr


def build(values, predicted, label=None, *, model=None, explainer=("cam",), status=None, subject=None, **attrs):
    values = np.asarray(values, dtype=np.float32)
    models = model or [f"net{m}" for m in range(values.shape[0])]
    n = values.shape[2]
    coords = {
        "model": list(models),
        "explainer": list(explainer),
        "image": [f"face{i}" for i in range(n)],
        "predicted": (("model", "image"), np.array(predicted)),
        "label": ("image", np.array(label if label is not None else predicted[0])),
        "subject": ("image", np.array(subject if subject is not None else [""] * n)),
    }
    if status is not None:
        coords["status"] = (("model", "explainer", "image"), np.array(status))
    return xr.DataArray(
        values,
        dims=("model", "explainer", "image", "y", "x"),
        name="heatmap",
        coords=coords,
        attrs={"frame": "", "target": "predicted", **attrs},
    )


@pytest.fixture
def build_maps():
    return build


@pytest.fixture
def four_faces():
    """net0 says anger, anger, fear, anger (the last map is constant); net1 says fear for all."""
    maps = [
        [[0.0, 1.0], [2.0, 4.0]],
        [[8.0, 0.0], [-8.0, 0.0]],
        [[0.0, 0.0], [0.0, 3.0]],
        [[5.0, 5.0], [5.0, 5.0]],
    ]
    return build(
        [[maps], [maps]],
        [["anger", "anger", "fear", "anger"], ["fear"] * 4],
        ["anger", "fear", "fear", "anger"],
        subject=["ann", "ann", "bob", "eve"],
    )

"""Smooth toy maps of two groups, with and without a difference."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter


def toy(
    groups, grid=(16, 14), *, seed=0, shift=0.0, subject=None, blur=1.5, where=(slice(5, 10), slice(4, 9)), models=1
):
    """One map an image, all of fear: smooth noise about 1, and `shift` at `where` for images of group "a"."""
    rng = np.random.default_rng(seed)
    groups = np.array(list(groups)) if isinstance(groups, str) else np.asarray(groups)
    noise = gaussian_filter(rng.normal(size=(models, len(groups), *grid)), (0, 0, blur, blur))
    values = 1 + 0.2 * noise / noise.std()
    values[:, groups == "a", where[0], where[1]] += shift
    return xr.DataArray(
        values[:, None].astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": [f"m{i}" for i in range(models)],
            "explainer": ["cam"],
            "image": [f"i{i}" for i in range(len(groups))],
            "group_kind": ("image", groups.astype(str)),
            "predicted": (("model", "image"), [["fear"] * len(groups)] * models),
            **({} if subject is None else {"subject": ("image", [str(s) for s in subject])}),
        },
        attrs={"target": "predicted"},
    )


@pytest.fixture
def build():
    return toy

"""Support where the truth is known: groups far apart, and networks between which there is no difference."""

import numpy as np
import xarray as xr

from workbench.comparison import cluster

GRID = (6, 5)


def networks(patterns, images, noise, seed):
    """Maps of single images: each network's pattern and noise of its own."""
    rng = np.random.default_rng(seed)
    values = np.maximum(np.stack([p + noise * rng.normal(size=(images, *GRID)) for p in patterns]) + 8, 0)
    return xr.DataArray(
        values[:, None].astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": [f"n{k}" for k in range(len(patterns))],
            "explainer": ["drawn"],
            "image": [f"i{k}" for k in range(images)],
            "predicted": (("model", "image"), [["fear"] * images] * len(patterns)),
        },
        attrs={"target": "predicted"},
    )


def test_groups_far_apart_are_certain():
    first, second = np.random.default_rng(0).normal(size=(2, *GRID))
    found = cluster(networks([first] * 3 + [second] * 3, 25, 0.7, 1), support="multiscale", draws=50)["fear"]
    assert sum(found.linkage[:, 3] == 3) == 2
    for k in np.flatnonzero(found.linkage[:, 3] == 3):
        assert found.support[k] == 1
        assert found.multiscale[k].p == 1


def test_exchangeable_networks_are_rarely_certain():
    """One pattern for all: any branch is noise. 300 such tables had support and p below .95 in every branch."""
    common = np.random.default_rng(0).normal(size=GRID)
    support, p = [], []
    for seed in range(6):
        tree = cluster(
            networks([common] * 5, 25, 1.0, seed), support="multiscale", draws=30, seed=seed, normalise="none"
        )["fear"]
        support += tree.support[:-1]
        p += [each.p for each in tree.multiscale[:-1]]
    assert np.median(support) < 0.6
    assert np.mean(np.array(support) >= 0.95) <= 0.05
    assert np.mean(np.array(p) >= 0.95) <= 0.1

"""How often branches are called certain where nothing is there, and where two groups of networks differ.

    OMP_NUM_THREADS=1 python benchmarks/branch_support.py --tables 100
    OMP_NUM_THREADS=1 python benchmarks/branch_support.py --agreement

Six networks, 40 images, maps of 6 × 5 pixels: a pattern common to all, for the last three networks `apart` times
another one on top, and in each image noise of its own (standard deviation 1). Average linkage on 1 − correlation, 100
resamples of each of ten sizes. At `apart` 0 every branch is noise; elsewhere the groups of three are there, and what is
counted is whether they are found. Prints one row for each `apart`.

--agreement: agreement over distances and linkages of 30 trees of twelve maps of smooth noise (55 × 45 pixels, Gaussian
of 5 pixels), in which there is no group at all.
"""

from __future__ import annotations

import argparse

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from workbench.comparison import cluster
from workbench.comparison.linkages import leaf_sets
from workbench.vocabulary import BASIC_EXPRESSIONS

GRID = (6, 5)
NETWORKS, IMAGES, DRAWS = 6, 40, 100
GROUPS = (frozenset({0, 1, 2}), frozenset({3, 4, 5}))
LEVEL = 0.95


def table(apart: float, seed: int) -> xr.DataArray:
    """Maps of single images, all of one expression."""
    rng = np.random.default_rng(seed)
    common, other = rng.normal(size=(2, *GRID))
    patterns = np.stack([common + apart * other * (k >= 3) for k in range(NETWORKS)])
    values = np.maximum(patterns[:, None] + rng.normal(size=(NETWORKS, IMAGES, *GRID)) + 8, 0)
    return xr.DataArray(
        values[:, None].astype(np.float32),
        dims=("model", "explainer", "image", "y", "x"),
        coords={
            "model": [f"n{k}" for k in range(NETWORKS)],
            "explainer": ["drawn"],
            "image": [f"i{k}" for k in range(IMAGES)],
            "predicted": (("model", "image"), [["fear"] * IMAGES] * NETWORKS),
        },
        attrs={"target": "predicted"},
    )


def agreement() -> None:
    """Agreement of the branches of trees that mean nothing."""
    rng, shares = np.random.default_rng(0), []
    for _ in range(5):
        values = gaussian_filter(rng.normal(size=(12, 1, 6, 55, 45)), (0, 0, 0, 5, 5)).astype(np.float32)
        coords = {"model": [f"n{k}" for k in range(12)], "explainer": ["drawn"], "expression": list(BASIC_EXPRESSIONS)}
        heat = xr.DataArray(values, dims=("model", "explainer", "expression", "y", "x"), coords=coords)
        for tree in cluster(heat).expressions.values():
            assert tree.agreement is not None
            shares += tree.agreement.share[:-1]
    found = np.array(shares)
    print(
        f"{len(found)} branches: median {np.median(found):.3f}, all combinations {np.mean(found == 1):.3f}, "
        f"three quarters {np.mean(found >= 0.75):.3f}, fewer than half {np.mean(found < 0.5):.3f}"
    )


def main() -> None:
    """Read the arguments, print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tables", type=int, default=100)
    parser.add_argument("--apart", type=float, nargs="+", default=[0.0, 0.2, 0.4])
    parser.add_argument("--agreement", action="store_true")
    args = parser.parse_args()
    if args.agreement:
        agreement()
        return
    print("apart  branches  bootstrap≥.95  multiscale≥.95  chosen≥.95  tables with any multiscale≥.95")
    for apart in args.apart:
        rows, tables = [], []
        for seed in tqdm(range(args.tables), leave=False, disable=None):
            maps = table(apart, seed)
            tree = cluster(maps, support="multiscale", draws=DRAWS, seed=seed, normalise="none")["fear"]
            assert tree.support is not None
            assert tree.multiscale is not None
            found = leaf_sets(tree.linkage)[:-1]
            each = [(s, m.p, m.chosen) for s, m in zip(tree.support, tree.multiscale, strict=True) if m is not None]
            if apart:
                each = [each[found.index(g)] if g in found else (0.0, 0.0, 0.0) for g in GROUPS]
            rows += each
            tables.append(max(p for _, p, _ in each) >= LEVEL)
        shares = (np.array(rows) >= LEVEL).mean(axis=0)
        print(
            f"{apart:5}  {len(rows):8}  " + "  ".join(f"{s:.4f}" for s in shares) + f"  {np.mean(tables):.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""Superpixels: SLIC regions of the photograph, shown and hidden as wholes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import UsageError
from workbench.explainers.explainer import checked
from workbench.explainers.perturbation import coalitions
from workbench.explainers.perturbation.plan import Plan, Scene

if TYPE_CHECKING:
    import torch

DRAWS = ("uniform", "kernel")


def _check_draw(draw: str, samples: int) -> None:
    if draw not in DRAWS:
        raise UsageError(f"option draw={draw!r} is not known; choose one of {', '.join(DRAWS)}")
    coalitions.check_samples(samples, 3 if draw == "uniform" else 4)


@checked(_check_draw)
def superpixels(
    scene: Scene, *, segments: int = 30, compactness: float = 20.0, samples: int = 1000, draw: str = "uniform"
) -> Plan:
    """Coalitions of superpixels; the first sample shows all, the second nothing.

    draw: "uniform", each superpixel shown with probability one half (LIME, Banzhaf values), or "kernel", after the
    Shapley kernel (`coalitions.kernel`). Superpixels are those of the colour picture at the network's input size, also
    for a grey network: the regions then belong to the photograph and not to the network. SLIC finds fewer than
    `segments` where the picture is plain.
    """
    _check_draw(draw, samples)
    regions = segmented(scene, segments, compactness)
    players = int(regions.max()) + 1
    if draw == "uniform":
        return partition(scene, regions, coalitions.uniform(players, samples, scene.stream))
    features, weights = coalitions.kernel(players, samples, scene.stream)
    return partition(scene, regions, features, weights=weights)


def superpixels_in_turn(scene: Scene, *, segments: int = 30, compactness: float = 20.0) -> Plan:
    """Each superpixel hidden alone; the first sample hides nothing. No random numbers."""
    regions = segmented(scene, segments, compactness)
    return partition(scene, regions, coalitions.in_turn(int(regions.max()) + 1))


@checked(coalitions.at_least(4))
def superpixel_orders(scene: Scene, *, segments: int = 30, compactness: float = 20.0, samples: int = 1000) -> Plan:
    """Superpixels entering one by one in random orders; every coalition once where `samples` allow that."""
    regions = segmented(scene, segments, compactness)
    players = int(regions.max()) + 1
    if 2**players <= samples:
        features, weights = coalitions.kernel(players, samples, scene.stream)
        return partition(scene, regions, features, weights=weights)
    features, orders = coalitions.permutations(players, samples, scene.stream)
    return partition(scene, regions, features, orders=orders)


def segmented(scene: Scene, segments: int, compactness: float) -> np.ndarray:
    """SLIC superpixels of the scene's picture, numbered from 0 without gaps: (H, W) int."""
    picture = np.ascontiguousarray(scene.picture)
    return _slic(picture.tobytes(), picture.shape, segments, compactness)


def partition(
    scene: Scene,
    regions: np.ndarray,
    features: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    orders: np.ndarray | None = None,
) -> Plan:
    """The plan that shows the regions (H, W) int of each sample's features (count, P) 0/1."""
    import torch

    shown = torch.from_numpy(features).float().to(scene.device)
    places = torch.tensor(regions, device=scene.device).flatten()

    def masks(start: int, stop: int) -> torch.Tensor:
        return shown[start:stop].index_select(1, places).reshape(-1, *regions.shape)

    return Plan(scene.size, len(features), masks, features=features, regions=regions, weights=weights, orders=orders)


@lru_cache(maxsize=4)  # several methods ask for the superpixels of the same face in turn
def _slic(picture: bytes, shape: tuple[int, ...], segments: int, compactness: float) -> np.ndarray:
    from skimage.segmentation import slic

    pixels = np.frombuffer(picture, np.uint8).reshape(shape)
    found = slic(pixels, n_segments=segments, compactness=compactness, start_label=0, channel_axis=-1)
    result: np.ndarray = np.unique(found, return_inverse=True)[1].reshape(found.shape)
    result.setflags(write=False)
    return result

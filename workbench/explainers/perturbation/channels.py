"""Channels of a layer as masks, and their scores as weights: Score-CAM and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench.explainers.perturbation.plan import Plan, Scene

if TYPE_CHECKING:
    import torch

MOST = 4096
FLAT = 1e-6  # a channel whose range is below this share of its largest absolute value has no structure


def channels(scene: Scene, *, layer: str = "", channels: int = MOST) -> Plan:
    """Each channel of the layer's activation, enlarged bilinearly to the input and scaled to [0, 1], as a mask.

    Wang et al. 2020, section 3.2. layer: "" is the network's own CAM layer. channels: at most so many, those that vary
    most over the picture (the default is all of any usual layer). A channel without structure shows nothing.
    """
    return _masked(scene, _kept(scene, layer, channels))


def noisy_channels(scene: Scene, *, layer: str = "", channels: int = MOST, n: int = 35, sigma: float = 2.0) -> Plan:
    """As `channels`, `n` times each with Gaussian noise of standard deviation `sigma` added to the scaled mask.

    Wang et al. 2020b, the first of two variants: noise on the activation. It is drawn for each pixel of the input,
    keyed by face, channel and repeat; masks are not clipped.
    """
    import torch

    grids = _kept(scene, layer, channels)
    seeds = scene.stream.integers(0, 2**63, len(grids) * n)

    def disturbed(masks: torch.Tensor, start: int) -> torch.Tensor:
        for place, mask in enumerate(masks):
            noise = np.random.default_rng(seeds[start + place]).standard_normal(scene.size, np.float32)
            mask.add_(torch.from_numpy(noise).to(mask), alpha=sigma)
        return masks

    return _masked(scene, grids, n, disturbed)


def scaled_channels(scene: Scene, *, layer: str = "", channels: int = MOST, n: int = 10) -> Plan:
    """As `channels`, each mask at 1/n, 2/n … 1 of its strength: a path from nothing to the mask.

    Naidu et al. 2020. torch-cam adds the steps up and so multiplies a mask by as much as (n + 1) / 2; here a mask never
    shows more than the picture.
    """
    import torch

    def weakened(masks: torch.Tensor, start: int) -> torch.Tensor:
        steps = (torch.arange(start, start + len(masks), device=masks.device) % n + 1) / n
        return masks.mul_(steps[:, None, None])

    return _masked(scene, _kept(scene, layer, channels), n, weakened)


def channel_weights(plan: Plan, scores: np.ndarray) -> np.ndarray:
    """Activations weighted by the softmax over channels of the mean score that each channel's masks leave.

    Wang et al. 2020, algorithm 1, without the final ReLU; a baseline's score would cancel in the softmax. Maps
    (T, h, w) at the layer's own resolution.
    """
    from scipy.special import softmax

    if plan.grids is None:
        raise ValueError("channel weights need a design that masks by channels")
    weights = softmax(np.asarray(scores, np.float64).reshape(len(plan.grids), plan.repeats, -1).mean(1), axis=0)
    result: np.ndarray = np.tensordot(weights.T, plan.grids, 1)
    return result.astype(np.float32)


def _kept(scene: Scene, layer: str, most: int) -> np.ndarray:
    """The layer's channels (C, h, w) float32, or the `most` of largest variance in their own order."""
    grids = np.asarray(scene.activations(layer), np.float32)
    if len(grids) <= most:
        return grids
    chosen = np.argsort(-grids.var((1, 2)), kind="stable")[:most]
    return grids[np.sort(chosen)]


def _masked(
    scene: Scene,
    grids: np.ndarray,
    repeats: int = 1,
    change: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
) -> Plan:
    """The plan that shows the picture through each channel, `repeats` times; change(masks, first) alters them."""
    import torch
    from torch.nn import functional

    leaves = torch.from_numpy(grids).to(scene.device)
    flat = np.ptp(grids, axis=(1, 2)) <= FLAT * np.abs(grids).max((1, 2))
    structured = torch.from_numpy(~flat).float().to(scene.device)

    def masks(start: int, stop: int) -> torch.Tensor:
        numbers = torch.arange(start, stop, device=scene.device) // repeats
        large = functional.interpolate(leaves[numbers][:, None], scene.size, mode="bilinear", align_corners=False)[:, 0]
        lowest = large.amin((1, 2), keepdim=True)
        span = large.amax((1, 2), keepdim=True) - lowest
        scaled = (large - lowest) / torch.where(span > 0, span, 1) * structured[numbers][:, None, None]
        return scaled if change is None else change(scaled, start)

    return Plan(scene.size, len(grids) * repeats, masks, grids=grids, repeats=repeats)

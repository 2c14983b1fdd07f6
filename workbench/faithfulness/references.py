"""Maps that know nothing of the network's decision, tried on every face beside the maps of the explainers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from workbench.faithfulness.registry import Floats

RANDOM_GRID: Final = 32
SMOOTHNESS: Final = 0.1  # standard deviation of the smoothing of random maps, as a share of the side
CENTRE: Final = 0.25  # standard deviation of the Gaussian in the middle, as a share of the side


def enlarged(values: np.ndarray, size: tuple[int, int]) -> Floats:
    """Maps (N, h, w) at another resolution (N, H, W), bilinear, antialiased where they shrink."""
    import torch

    if values.shape[1:] == size:
        return np.asarray(values, np.float64)
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float64))[:, None]
    shrinks = values.shape[1] > size[0] or values.shape[2] > size[1]
    found = torch.nn.functional.interpolate(tensor, size=size, mode="bilinear", antialias=shrinks, align_corners=False)
    return np.asarray(found[:, 0].numpy(), np.float64)


def random_maps(stream: np.random.Generator, draws: int, size: tuple[int, int]) -> Floats:
    """Smooth Gaussian fields with mean 0 (draws, H, W), as coarse as a usual CAM."""
    from scipy.ndimage import gaussian_filter

    noise = stream.standard_normal((draws, RANDOM_GRID, RANDOM_GRID))
    width = SMOOTHNESS * RANDOM_GRID
    return enlarged(gaussian_filter(noise, (0, width, width), mode="reflect"), size)


def centre_map(size: tuple[int, int]) -> Floats:
    """A Gaussian in the middle of the crop (H, W)."""
    down, across = (((np.arange(side) + 0.5) / side - 0.5) / CENTRE for side in size)
    return np.exp(-0.5 * (down[:, None] ** 2 + across[None, :] ** 2))


def edge_map(crop: np.ndarray, size: tuple[int, int]) -> Floats:
    """Sobel magnitude of a crop (S, S, 3) uint8 (H, W): a map that merely traces edges."""
    from skimage.color import rgb2gray
    from skimage.filters import sobel

    return enlarged(sobel(rgb2gray(crop))[None], size)[0]


class OtherMaps:
    """Mean of one explainer's maps (N, h, w) of all images but one, each scaled so that its largest value is ±1.

    usable: (N,) bool, which maps there are. keys: N texts; images with the same one are left out together.
    """

    def __init__(self, values: np.ndarray, usable: np.ndarray, keys: Sequence[str]) -> None:
        self._values, self._usable, self._keys = values, usable, np.array(keys, object)
        self._sum = np.zeros(values.shape[1:])
        for index in np.flatnonzero(usable):
            self._sum += self._scaled(int(index))
        self._count = int(usable.sum())

    def _scaled(self, index: int) -> Floats:
        values = np.asarray(self._values[index], np.float64)
        return values / np.abs(values).max()

    def without(self, index: int) -> Floats | None:
        """The mean (h, w) of all others, None where there is none."""
        own = np.flatnonzero((self._keys == self._keys[index]) & self._usable)
        if self._count - len(own) < 1:
            return None
        return (self._sum - sum(self._scaled(int(place)) for place in own)) / (self._count - len(own))

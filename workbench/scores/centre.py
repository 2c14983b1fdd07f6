"""The content-free control: one Gaussian blob in the middle of the frame, which has seen neither face nor network."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

SIGMA_DOWN: Final = 60 / 275  # of the frame's height
SIGMA_ACROSS: Final = 50 / 224  # of its width


def centre_blob(grid: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The centred Gaussian on a grid (height, width), 8-bit grey as heatmaps are: ⌊255 · exp(−d²/2)⌋.

    d is the distance from ((height−1)/2, (width−1)/2) in units of 60/275 of the height and 50/224 of the width: 60 and
    50 pixels on the published 275×224 canvas.
    """
    height, width = grid
    down = (np.arange(height) - (height - 1) / 2) / (SIGMA_DOWN * height)
    across = (np.arange(width) - (width - 1) / 2) / (SIGMA_ACROSS * width)
    blob = np.exp(-0.5 * (down[:, None] ** 2 + across[None, :] ** 2))
    return np.floor(255 * blob).astype(np.uint8)

"""Clusters of neighbouring pixels that differ in one direction, and their masses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Ints = npt.NDArray[np.int64]


def clusters(t: npt.NDArray[np.floating], threshold: float) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Four-neighbour clusters of t > threshold and of t < −threshold on a grid (y, x): (labels, masses).

    labels: (y, x), 0 outside every cluster, else 1, 2, … by falling mass; masses: Σ |t| of each, in that order.
    Source: Maris & Oostenveld 2007, Journal of Neuroscience Methods 164.
    """
    above, count = ndimage.label(t > threshold)
    below, more = ndimage.label(t < -threshold)
    labels = np.where(below > 0, below + count, above)
    masses = np.bincount(labels.ravel(), np.abs(t).ravel(), minlength=count + more + 1)[1:]
    order = np.argsort(-masses, kind="stable")
    rank = np.zeros(len(masses) + 1, dtype=np.int64)
    rank[order + 1] = np.arange(1, len(masses) + 1)
    return np.asarray(rank[labels], dtype=np.int64), np.asarray(masses[order], dtype=np.float64)


def largest(t: npt.NDArray[np.floating], threshold: float, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Mass of the heaviest cluster of each map t (draws, P), P the pixels `inside` (y, x); 0 where there is none.

    All maps of the block are labelled at once, as layers that do not touch.
    """
    layers = np.zeros((len(t), *inside.shape), dtype=np.float32)
    layers[:, inside] = t
    touching = np.zeros((3, 3, 3), dtype=bool)
    touching[1] = ndimage.generate_binary_structure(2, 1)
    heaviest = np.zeros(len(t))
    for sign in (1, -1):
        over = sign * layers > threshold
        labels, count = ndimage.label(over, touching)
        if not count:
            continue
        at = labels[over]
        masses = np.bincount(at, np.abs(layers[over]), minlength=count + 1)
        layer = np.zeros(count + 1, dtype=np.int64)
        layer[at] = np.nonzero(over)[0]
        np.maximum.at(heaviest, layer[1:], masses[1:])
    return heaviest

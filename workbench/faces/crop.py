"""The square crop around a face, from its landmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Crop:
    """image: (size, size, 3) uint8; landmarks: (P, 2) float32 shares of it; padding: its share outside the picture."""

    image: np.ndarray
    landmarks: np.ndarray
    padding: float


def crop_face(rgb: np.ndarray, landmarks: np.ndarray, size: int = 256, margin: float = 1.15) -> Crop:
    """The landmarks' bounding box, made square about its centre, × `margin`, resized to `size` with antialiasing.

    rgb: (H, W, 3) uint8. landmarks: (P, 2) in pixels, 0 = left/top edge. What lies outside the picture is black.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    side = float(max((high - low).max() * margin, 1.0))
    left, top = (low + high) / 2 - side / 2
    return _cut(rgb, landmarks, float(left), float(top), side, size)


def crop_whole(rgb: np.ndarray, landmarks: np.ndarray, size: int = 256) -> Crop:
    """The whole picture, which is a crop already, resized to `size`; one that is not square gets black bars."""
    height, width = rgb.shape[:2]
    side = float(max(height, width))
    return _cut(rgb, landmarks, (width - side) / 2, (height - side) / 2, side, size)


def _cut(rgb: np.ndarray, landmarks: np.ndarray, left: float, top: float, side: float, size: int) -> Crop:
    """The square of `side` pixels at (left, top)."""
    from PIL import Image

    height, width = rgb.shape[:2]
    x0, y0 = math.floor(left), math.floor(top)
    x1, y1 = math.ceil(left + side), math.ceil(top + side)
    region = np.zeros((y1 - y0, x1 - x0, 3), dtype=np.uint8)
    ax, ay, bx, by = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    if ax < bx and ay < by:
        region[ay - y0 : by - y0, ax - x0 : bx - x0] = rgb[ay:by, ax:bx]
    box = (left - x0, top - y0, min(left - x0 + side, x1 - x0), min(top - y0 + side, y1 - y0))
    image = Image.fromarray(region).resize((size, size), Image.Resampling.BICUBIC, box=box)
    inside_x = max(0.0, min(left + side, width) - max(left, 0.0))
    inside_y = max(0.0, min(top + side, height) - max(top, 0.0))
    shares = ((landmarks - (left, top)) / side).astype(np.float32)
    return Crop(np.array(image, dtype=np.uint8), shares, float(max(0.0, 1 - inside_x * inside_y / side**2)))

"""Small changes of a face picture that no explanation should mind, and the way back for its map."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import ndimage

from workbench.errors import UsageError
from workbench.faces.faceset import FaceSet, crop_sha256
from workbench.faithfulness.sanity.similarities import Floats

BRIGHTER: Final = 1.1
CONTRAST: Final = 1.1
BLUR: Final = 0.005  # of the crop's side, at least half a pixel
JPEG: Final = 85  # quality
MARGIN: Final = 0.03  # of the crop's side, left away all around so that crops can be moved without inventing pixels
Window = tuple[int, int, int]  # left, top, side; in pixels of the crop


@dataclass(frozen=True)
class Change:
    """Changed pictures of the same faces; `back` turns maps (N, h, w) so that they lie as the unchanged do. `window`
    is the part of the original crop that is seen, None for all of it."""

    name: str
    faces: FaceSet
    back: Callable[[Floats], Floats] = lambda maps: maps
    window: Window | None = None


def augmentations(faces: FaceSet) -> list[Change]:
    """10 % brighter, contrast raised by 10 %, blurred by .5 % of the side, JPEG of quality 85, and mirrored."""
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "brightness": lambda image: image * BRIGHTER,
        "contrast": lambda image: image.mean() + (image - image.mean()) * CONTRAST,
        "blur": _blurred,
        "jpeg": _compressed,
    }
    found = [
        Change(name, _of(faces, np.stack([_bytes(way(image.astype(np.float64))) for image in faces.images])))
        for name, way in ways.items()
    ]
    mirrored = faces.landmarks.copy()
    mirrored[..., 0] = 1 - mirrored[..., 0]
    flipped = _of(faces, np.ascontiguousarray(faces.images[:, :, ::-1]), mirrored)
    return [*found, Change("flip", flipped, lambda maps: maps[:, :, ::-1])]


def crops(faces: FaceSet) -> tuple[Change, list[Change]]:
    """The middle 94 % of each crop, and windows moved by 1 and 3 % of the side (left, right, up, down), and 2 %
    smaller and larger. UsageError for crops of fewer than 32 pixels."""
    side = faces.images.shape[1]
    if side < 32:
        raise UsageError(f"crops of {side} pixels are too small to be moved by 1 to 3 %; 32 or more are needed")
    margin = max(1, round(MARGIN * side))
    inner = side - 2 * margin
    found = []
    for share in (0.01, 0.03):
        step = min(margin, max(1, round(share * side)))
        moves = {"left": (-step, 0), "right": (step, 0), "up": (0, -step), "down": (0, step)}
        for way, (x, y) in moves.items():
            found.append(_window(faces, f"{way} {share:.0%}", (margin + x, margin + y, inner)))
    grown = min(margin, max(1, round(0.01 * side)))
    found.append(_window(faces, "closer 2%", (margin + grown, margin + grown, inner - 2 * grown)))
    found.append(_window(faces, "wider 2%", (margin - grown, margin - grown, inner + 2 * grown)))
    return _window(faces, "as it is", (margin, margin, inner)), found


def common(maps: Floats, window: Window, other: Window, points: tuple[int, int]) -> Floats:
    """Maps (N, h, w) of a window at so many points (rows, columns), spread over what another window shows too; linear
    between the places of the map."""
    found = []
    for axis, places, count in zip((1, 0), maps.shape[1:], points, strict=True):
        low, high = max(window[axis], other[axis]), min(window[axis] + window[2], other[axis] + other[2])
        at = low + (np.arange(count) + 0.5) / count * (high - low)
        found.append((at - window[axis]) / window[2] * places - 0.5)
    grid = np.meshgrid(*found, indexing="ij")
    return np.stack([ndimage.map_coordinates(one, grid, order=1, mode="nearest") for one in maps])


def _window(faces: FaceSet, name: str, window: Window) -> Change:
    left, top, side = window
    images = np.ascontiguousarray(faces.images[:, top : top + side, left : left + side])
    landmarks = (faces.landmarks * faces.images.shape[1] - np.array([left, top], np.float32)) / side
    return Change(name, _of(faces, images, landmarks.astype(np.float32)), window=window)


def _of(faces: FaceSet, images: np.ndarray, landmarks: np.ndarray | None = None) -> FaceSet:
    table = faces.table.assign(sha256=[crop_sha256(image) for image in images])
    return replace(faces, images=images, landmarks=faces.landmarks if landmarks is None else landmarks, table=table)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _blurred(image: np.ndarray) -> np.ndarray:
    sigma = max(0.5, BLUR * len(image))
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest"))


def _compressed(image: np.ndarray) -> np.ndarray:
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(_bytes(image)).save(written, "JPEG", quality=JPEG, subsampling=0)
    return np.asarray(Image.open(written).convert("RGB"))

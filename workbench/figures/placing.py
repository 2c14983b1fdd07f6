"""Heat on photographs: resample a map to a picture's pixels and blend the two."""

from __future__ import annotations

import matplotlib
import numpy as np

from workbench.figures import theme


def resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An array (h, w) or (h, w, c) resampled to `size` (height, width): linear up, area-averaged down.

    Pixels without data (NaN) stay without data. Range and type of colour arrays are kept.
    """
    from skimage.transform import resize

    if values.shape[:2] == size:
        return values
    if values.dtype == np.uint8:
        shrink = values.shape[0] > size[0]
        out = resize(values, size, order=1, anti_aliasing=shrink, preserve_range=True, mode="edge")
        return np.clip(np.rint(out), 0, 255).astype(np.uint8)
    values = np.asarray(values, np.float64)
    known = np.isfinite(values)
    shrink = values.shape[0] > size[0]
    filled = resize(np.where(known, values, 0), size, order=1, anti_aliasing=shrink, mode="edge")
    weight = resize(known.astype(float), size, order=1, anti_aliasing=shrink, mode="edge")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight > 0.5, filled / weight, np.nan)


def grey(image: np.ndarray) -> np.ndarray:
    """Luma of an RGB picture (h, w, 3) uint8, in [0, 1]; a grey picture (h, w) is taken as it is."""
    pixels = np.asarray(image, float) / 255
    return pixels if pixels.ndim == 2 else pixels[..., :3] @ np.array([0.299, 0.587, 0.114])


def blend(image: np.ndarray, heat: np.ndarray, opacity: float = 0.75) -> np.ndarray:
    """A grey photograph under heat in [0, 1]: (h, w, 3) uint8.

    Heat of 0 is clear, from .5 upwards it covers with `opacity`; so the face stays visible where the map is low.
    """
    base = np.repeat(grey(image)[..., None], 3, axis=2)
    return (255 * _over(base, heat, opacity) + 0.5).astype(np.uint8)


def scale_colours(opacity: float = 0.75, steps: int = 128) -> np.ndarray:
    """The colours of `blend`'s scale over a middle grey, (steps, 3) in [0, 1]: what a colour bar must show."""
    heat = np.linspace(0, 1, steps)
    return _over(np.full((steps, 3), 0.5), heat, opacity)


def _over(base: np.ndarray, heat: np.ndarray, opacity: float) -> np.ndarray:
    known = np.nan_to_num(np.clip(heat, 0, 1), nan=0.0)
    cover = (opacity * np.clip(known / 0.5, 0, 1))[..., None]
    colours = matplotlib.colormaps[theme.HEAT](known)[..., :3]
    return np.asarray(base * (1 - cover) + colours * cover)

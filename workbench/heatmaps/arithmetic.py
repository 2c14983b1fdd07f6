"""Arithmetic on single maps: normalising, 8-bit grey, Otsu's threshold, foreground."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UnknownNameError, UsageError

NORMALISATIONS: Final = ("max", "none", "sum", "min-max")
_VALUE: Final = "value:"

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
GreyArray = npt.NDArray[np.uint8]


def normalise(values: npt.ArrayLike, how: str = "max") -> npt.NDArray[np.float32]:
    """Each map of (…, y, x) on a scale that maps of one network share.

    `max`: positive part divided by its largest value; `sum`: positive part divided by its sum; `none`: positive part
    as it is; `min-max`: signed values stretched to [0, 1]. NaN pixels stay NaN. A map for which the scale does not
    exist (no positive value, or constant for `min-max`) becomes all NaN. Raises UnknownNameError for another `how`.
    """
    if how not in NORMALISATIONS:
        raise UnknownNameError("normalisation", how, NORMALISATIONS)
    v = np.asarray(values, dtype=np.float32)
    missing = np.isnan(v)
    if how == "min-max":
        low = np.where(missing, np.inf, v).min(axis=(-2, -1), keepdims=True)
        high = np.where(missing, -np.inf, v).max(axis=(-2, -1), keepdims=True)
        shifted, scale = v - low, high - low
    else:
        shifted = np.maximum(v, 0)  # NaN stays NaN
        filled = np.where(missing, np.float32(0), shifted)
        if how == "none":
            return np.asarray(shifted, dtype=np.float32)
        if how == "max":
            scale = filled.max(axis=(-2, -1), keepdims=True)
        else:
            scale = filled.sum(axis=(-2, -1), keepdims=True, dtype=np.float64)
    usable = np.isfinite(scale) & (scale > 0)
    with np.errstate(invalid="ignore"):
        return np.where(usable, shifted / np.where(usable, scale, 1), np.nan).astype(np.float32)


def inside(values: FloatArray, domain: npt.ArrayLike | None = None) -> BoolArray:
    """Pixels that count: with data (not NaN) and in the domain (y, x), all of it where None.

    Raises UsageError where the domain's shape is not the map's.
    """
    data = ~np.isnan(values)
    if domain is None:
        return data
    d = np.asarray(domain, dtype=bool)
    if d.shape != values.shape[-d.ndim :]:
        raise UsageError(f"the domain is {_size(d.shape)} and the map {_size(values.shape)}; give both on one grid")
    return data & d


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(str(n) for n in shape)


def grey(values: npt.ArrayLike, domain: npt.ArrayLike | None = None) -> GreyArray:
    """One map (y, x), or domain pixels in a row, as 8-bit grey: min–max over the counted pixels, rounded to 0 … 255.

    Pixels outside the domain are clipped to that scale, pixels without data are 0, a constant map is 0 everywhere.
    An 8-bit map that spans 0 … 255 is returned unchanged.
    """
    v = np.asarray(values, dtype=np.float64)
    counted = v[inside(v, domain)]
    if counted.size == 0 or not np.isfinite(counted).all():
        return np.zeros(v.shape, dtype=np.uint8)
    low, high = counted.min(), counted.max()
    if not high > low:
        return np.zeros(v.shape, dtype=np.uint8)
    scaled = np.clip(np.rint((v - low) * (255.0 / (high - low))), 0, 255)
    return np.where(np.isnan(scaled), 0, scaled).astype(np.uint8)


def eight_bit(values: FloatArray, domain: npt.ArrayLike | None = None) -> GreyArray:
    """The map that Otsu's threshold is set on: an 8-bit map as it is, any other as `grey` makes it.

    Whole numbers from 0 to 255 with something above 1 are an 8-bit map: a PNG that does not span the range keeps its
    own histogram.
    """
    counted = values[inside(values, domain)]
    if counted.size and counted.min() >= 0 and 1 < counted.max() <= 255 and (counted == np.rint(counted)).all():
        return np.where(np.isnan(values), 0, np.clip(values, 0, 255)).astype(np.uint8)
    return grey(values, domain)


def otsu(grey_uint8: npt.ArrayLike, domain: npt.ArrayLike | None = None) -> int:
    """Otsu's threshold of an 8-bit map; the foreground is `value > threshold`.

    The threshold maximises the variance between the two classes of the 256-bin histogram of the domain's pixels
    (the lowest such value where several do). Raises UsageError for values that are not 8-bit, or for no pixel.

    Source: N. Otsu, IEEE Trans. SMC 9(1), 1979, equation 18.
    """
    g = np.asarray(grey_uint8)
    if g.dtype != np.uint8:
        raise UsageError(f"otsu() takes 8-bit values, not {g.dtype}; pass grey(values)")
    pixels = g if domain is None else g[np.asarray(domain, dtype=bool)]
    if pixels.size == 0:
        raise UsageError("otsu() was given no pixel: the domain is empty")
    counts = np.bincount(pixels.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    sums = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between[(below == 0) | (above == 0)] = -1.0
    best = int(np.argmax(between))
    return best if between[best] >= 0 else int(pixels.flat[0])


def share(how: str | float) -> float | None:
    """The threshold rule as a number: None for Otsu's, else the share of the domain that shall be foreground.

    Raises UsageError for anything but `"otsu"` or a share strictly between 0 and 1.
    """
    if isinstance(how, str) and how.strip().lower() == "otsu":
        return None
    area = _number(how)
    if not 0 < area < 1:
        raise UsageError(f"the threshold {how!r} is neither 'otsu' nor a share of the domain between 0 and 1 (0.25)")
    return area


def rule(how: str | float) -> str | float:
    """A threshold rule in its one form: "otsu", a share of the domain between 0 and 1, or "value:0.5".

    `threshold` takes what this gives. Raises UsageError, naming the three, for anything else.
    """
    text = how.strip().lower() if isinstance(how, str) else ""
    if text.startswith(_VALUE):
        height = _number(text.removeprefix(_VALUE))
        if 0 <= height < 1:
            return f"{_VALUE}{height!r}"
    elif text == "otsu":
        return text
    elif 0 < (area := _number(how)) < 1:
        return area
    raise UsageError(
        f"the threshold {how!r} is none of: 'otsu'; a share of the domain between 0 and 1, such as 0.25; a height "
        "between the map's minimum (0) and its maximum (1), such as 'value:0.5'"
    )


def threshold(values: npt.ArrayLike, how: str | float = "otsu", domain: npt.ArrayLike | None = None) -> BoolArray:
    """Foreground of one map (y, x): a boolean array, False outside the domain and where there is no data.

    `otsu`: the 8-bit map (`eight_bit`) above Otsu's threshold. A share of the domain, such as 0.25: the largest set of
    brightest pixels that does not exceed it (pixels of one value stay together; the brightest value always counts).
    `value:0.5`: what lies strictly above that share of the way from the map's minimum to its maximum in the domain, 0
    inclusive and 1 exclusive. A constant map has no foreground. UsageError for other rules.
    """
    how = rule(how)
    v = np.asarray(values, dtype=np.float64)
    counted = inside(v, domain)
    pixels = v[counted]
    if pixels.size == 0 or not np.isfinite(pixels).all() or not pixels.max() > pixels.min():
        return np.zeros(v.shape, dtype=bool)
    if how == "otsu":
        g = eight_bit(v, counted)
        return counted & (g > otsu(g, counted))
    if isinstance(how, str):
        low, high = pixels.min(), pixels.max()
        return counted & (v > low + _number(how.removeprefix(_VALUE)) * (high - low))
    wanted = round(how * pixels.size)
    if wanted >= pixels.size:
        return counted
    cut = np.partition(pixels, pixels.size - wanted - 1)[pixels.size - wanted - 1]  # the (wanted + 1)-th brightest
    brightest = pixels.max()
    return counted & ((v > cut) if cut < brightest else (v >= brightest))


def _number(text: object) -> float:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")

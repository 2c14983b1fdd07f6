"""Sums of products under every shift of one picture over another on the torus of their grid, by FFT."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.statistics.multiplicity import Floats


def shifted_sums(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Floats:
    """Σ_p first(p − s) · second(p) for every shift s = (rows down, columns right) on the torus: (y, x) at [s].

    first, second: (y, x), or one of them with leading axes; finite. Where both hold whole numbers (bool or integer, or
    float64 without a fraction) the sums are rounded and thereby exact as long as the error bound of the transform stays
    below one half; it does for grey maps of 0 … 255 and masks on grids of up to 10⁹ pixels.
    """
    from scipy.fft import irfft2, rfft2

    a, b = np.asarray(first), np.asarray(second)
    grid = a.shape[-2:]
    product = np.conj(rfft2(a.astype(np.float64))) * rfft2(b.astype(np.float64))
    sums = np.asarray(irfft2(product, s=grid), dtype=np.float64)
    return np.rint(sums) if _whole(a) and _whole(b) else sums


def _whole(values: npt.NDArray[Any]) -> bool:
    return values.dtype.kind in "biu" or bool((values == np.rint(values)).all())

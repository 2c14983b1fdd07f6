"""Sums of products under every shift of one picture over another on the torus of their grid, by FFT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from workbench.errors import UsageError
from workbench.statistics.multiplicity import Floats

ERROR: Final = 16 * float(np.finfo(np.float64).eps)  # of a sum, times log2 of the pixels and the pictures' norms


@dataclass(frozen=True)
class Spectrum:
    """A picture (y, x) transformed once, to be laid over many others; whole: it holds whole numbers only."""

    grid: tuple[int, int]
    transform: npt.NDArray[np.complex128]
    norm: float
    whole: bool

    @classmethod
    def of(cls, picture: npt.NDArray[Any]) -> Spectrum:
        """Transform a picture of finite numbers (bool, integer or float); UsageError for any other."""
        from scipy.fft import rfft2

        values = np.asarray(picture, dtype=np.float64)
        if values.ndim != 2 or not values.size or not np.isfinite(values).all():
            raise UsageError(
                f"sums under shifts are of finite pictures (y, x); this one has the shape {values.shape} and "
                f"{int((~np.isfinite(values)).sum())} values that are not finite: put 0 where there is nothing"
            )
        whole = np.asarray(picture).dtype.kind in "biu" or bool((values == np.rint(values)).all())
        return cls((values.shape[0], values.shape[1]), rfft2(values), float(np.linalg.norm(values)), whole)


def shifted_sums(first: npt.NDArray[Any] | Spectrum, second: npt.NDArray[Any] | Spectrum) -> Floats:
    """Σ_p first(p − s) · second(p) for every shift s = (rows down, columns right) on the torus: (y, x), at [s].

    Pictures (y, x) of one grid, or their `Spectrum`. Where both hold whole numbers the sums are rounded, and exact: a
    transform of n pixels errs by less than 16 ε log2(n) ‖first‖ ‖second‖, which for grey values of 0 … 255 in a mask on
    a 275 × 224 grid is 10⁻⁶, and beyond one half nothing is rounded. UsageError for different grids.

    Source of the bound: Percival 2003, Mathematics of Computation 72(241), theorem 5.1 (13 log2(n) unit roundoffs).
    """
    from scipy.fft import irfft2

    a, b = (p if isinstance(p, Spectrum) else Spectrum.of(p) for p in (first, second))
    if a.grid != b.grid:
        raise UsageError(f"pictures on {a.grid} and {b.grid} cannot be laid over each other; resize one")
    sums = np.asarray(irfft2(np.conj(a.transform) * b.transform, s=a.grid), dtype=np.float64)
    error = ERROR * np.log2(max(sums.size, 2)) * a.norm * b.norm
    return np.rint(sums) if a.whole and b.whole and error < 0.5 else sums

"""Times: processor milliseconds of one thread on a CPU, wall milliseconds between two synchronisations on a GPU."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Clock:
    """Measures calls on one device."""

    device: str = "cpu"

    def __call__(self, work: Work) -> float:
        """Milliseconds of one call."""
        if self.device == "cpu":
            start = time.process_time()
            work()
            return (time.process_time() - start) * 1e3
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) * 1e3

    def interleaved(self, work: Mapping[str, Work], repetitions: int, warm: bool = True) -> dict[str, np.ndarray]:
        """Milliseconds (repetitions,) of each contestant, all of them in turn in every repetition.

        With `warm` each runs once before, untimed. The garbage of one is collected before the next begins.
        """
        found: dict[str, list[float]] = {name: [] for name in work}
        if warm:
            for call in work.values():
                call()
        for _ in range(repetitions):
            for name, call in work.items():
                gc.collect()
                found[name].append(self(call))
        return {name: np.array(times) for name, times in found.items()}


def ratio(upper: np.ndarray, lower: np.ndarray) -> tuple[float, float]:
    """Ratio of the minima, and median over repetitions of the ratio within one."""
    return float(upper.min() / lower.min()), float(np.median(upper / lower))

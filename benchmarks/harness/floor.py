"""The floor: what the bare network costs per picture, at its best, in fp32."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from harness.clock import Clock


@dataclass(frozen=True)
class Floor:
    """The fastest way found to stream pictures through a bare network in fp32: `module`, `length` pictures a pass."""

    module: torch.nn.Module
    batch: torch.Tensor
    text: str

    @property
    def length(self) -> int:
        """Pictures in one pass."""
        return len(self.batch)

    def stream(self, count: int) -> Callable[[], None]:
        """A call that passes at least `count` pictures; `passed` tells how many it really passes."""

        def call() -> None:
            with torch.inference_mode():
                for _ in range(self.passed(count) // self.length):
                    self.module(self.batch)

        return call

    def passed(self, count: int) -> int:
        """`count` rounded up to whole passes."""
        return -(-count // self.length) * self.length


def best(net: torch.nn.Module, picture: torch.Tensor, clock: Clock) -> Floor:
    """Channels-first and channels-last weights at several batch sizes, each timed twice after one untimed pass."""
    found: list[tuple[float, Floor]] = []
    lengths = (8, 16, 32) if clock.device == "cpu" else (32, 64, 128, 256)
    for layout, text in ((torch.contiguous_format, "channels-first"), (torch.channels_last, "channels-last")):
        own = copy.deepcopy(net).to(memory_format=layout)  # type: ignore[call-overload]
        for length in lengths:
            batch = picture.expand(length, -1, -1, -1).contiguous(memory_format=layout)
            floor = Floor(own, batch, f"{text}, {length} a pass")
            times = clock.interleaved({"floor": floor.stream(length)}, 2)["floor"]
            found.append((float(np.min(times)) / length, floor))
    return min(found, key=lambda pair: pair[0])[1]

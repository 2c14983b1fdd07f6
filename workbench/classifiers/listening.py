"""One forward with an ear at every layer. The hooks are gone when `listening` ends, also on error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from workbench.classifiers.classifier import Preprocessing
from workbench.errors import ClassifierError

Ear = Callable[[str, nn.Module, tuple[Any, ...], Any], None]


class Enough(Exception):
    """Raised by an ear that has heard what it wanted: the forward ends there."""


@contextmanager
def listening(module: nn.Module, ear: Ear) -> Iterator[None]:
    """While it lasts, `ear(name, part, inputs, output)` is called after every layer's run."""
    handles = [
        part.register_forward_hook(lambda part, inputs, output, name=name: ear(name, part, inputs, output))
        for name, part in module.named_modules()
        if name
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def noise(preprocessing: Preprocessing, count: int, seed: int = 0) -> Tensor:
    """Fixed images (count, channels, height, width), every value drawn evenly from [0, 1]."""
    stream = torch.Generator().manual_seed(seed)
    return torch.rand(count, preprocessing.channels, *preprocessing.size, generator=stream)


def memory_format_of(module: nn.Module) -> torch.memory_format:
    """Channels-last where a weight lies so and in no other way, else contiguous."""
    for tensor in module.parameters():
        if tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last):
            return torch.channels_last
    return torch.contiguous_format


def run(module: nn.Module, images: Tensor) -> Any:
    """What the module makes of `images`, moved to its device and into the memory format of its weights; None where
    an ear had enough.

    Raises ClassifierError, in one line, where the module fails on them.
    """
    tensor = next(chain(module.parameters(), module.buffers()), images)
    try:
        return module(images.to(tensor.device).contiguous(memory_format=memory_format_of(module)))
    except Enough:
        return None
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError, AttributeError, KeyError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise ClassifierError(
            f"the module fails on an input of {'×'.join(map(str, images.shape[1:]))} ({line}); "
            "state size= and channels= as it was trained"
        ) from None

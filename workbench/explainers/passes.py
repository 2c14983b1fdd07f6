"""How many pictures go through the network at once, and what happens when that was too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")

LARGEST = 512  # pictures in one pass on a GPU
SHARE = 0.5  # of a GPU's free memory that one pass may fill
BYTES_PER_VALUE = 700  # of memory that a pass without gradients takes for each value of an input picture, generously


def pass_length(inputs: torch.Tensor, gradients: bool = False) -> int:
    """Pictures in one pass: what fits a CPU's cache (measured), or half of a GPU's free memory.

    A number that depends on the input's size alone keeps results equal to the last bit from run to run on a CPU.
    """
    values = int(inputs[0].numel())
    if inputs.device.type != "cuda":
        return 16 if inputs.shape[2] * inputs.shape[3] <= 128**2 else 8
    import torch

    free = torch.cuda.mem_get_info(inputs.device)[0] * SHARE
    length = int(free / (values * BYTES_PER_VALUE * (4 if gradients else 1)))
    return max(1, min(LARGEST, 1 << max(0, length.bit_length() - 1)))


def streamed(work: Callable[[slice], Result], total: int, length: int) -> Iterator[tuple[slice, Result]]:
    """`work` on consecutive slices of `total`, at most `length` long.

    After an out-of-memory error the slice is halved and tried again, and later ones are as short; what was done is
    kept. The error goes on to the caller where a single picture does not fit.
    """
    start, length = 0, max(1, length)
    while start < total:
        part = slice(start, min(start + length, total))
        try:
            result = work(part)
        except Exception as error:
            if part.stop - part.start == 1 or not out_of_memory(error):
                raise
            length = (part.stop - part.start + 1) // 2
            _release()
            continue
        yield part, result
        start = part.stop


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or in torch's CPU allocator."""
    import torch

    said = str(error)
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in said or "out of memory" in said)
    )


def _release() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()

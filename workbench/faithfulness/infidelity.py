"""Infidelity: how far the change that a map foretells lies from the change of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.faithfulness.registry import Answer, Floats, Pictures, Sample, faithfulness_score

if TYPE_CHECKING:
    import torch

PAPER = "Yeh et al., NeurIPS 2019, arXiv 1901.09392, definition 2.1"
DRAWN: Final = 100
SQUARE: Final = (0.1, 0.4)  # side of a hidden square as a share of the picture's
NOISE: Final = 0.1  # standard deviation as a share of the input's range
_NO_BOUND: Final = (0.0, float("inf"))


def squares_hidden(sample: Sample) -> Pictures:
    """The face without one random square, a hundred times, the same for all maps; every place is as likely."""
    import torch

    stream, (height, width) = sample.stream("infidelity squares"), sample.size
    side = stream.uniform(*SQUARE, DRAWN)
    edges = []
    for length in (height, width):
        inner = np.maximum(np.rint(side * length), 1)
        start = np.floor(stream.uniform(-inner + 1, length, DRAWN)).astype(int)
        edges.append((np.clip(start, 0, length), np.clip(start + inner.astype(int), 0, length)))
    (top, bottom), (left, right) = edges
    total = np.zeros((len(sample.maps), height + 1, width + 1))
    total[:, 1:, 1:] = sample.maps.cumsum(1).cumsum(2)
    inside = total[:, bottom, right] - total[:, top, right] - total[:, bottom, left] + total[:, top, left]

    def make(start: int, stop: int) -> torch.Tensor:
        hidden = torch.zeros(stop - start, 1, height, width, dtype=torch.bool, device=sample.inputs.device)
        for place, k in enumerate(range(start, stop)):
            hidden[place, 0, top[k] : bottom[k], left[k] : right[k]] = True
        return torch.where(hidden, sample.filled, sample.inputs)

    return Pictures((DRAWN,), make, {"foretold": inside})


def noise_subtracted(sample: Sample) -> Pictures:
    """The face minus Gaussian noise that is the same in all channels, a hundred times, the same for all maps."""
    inputs = sample.inputs
    height, width = sample.size
    scale = NOISE * float(inputs.max() - inputs.min())
    drawn = scale * sample.stream("infidelity noise").standard_normal((DRAWN, height, width), np.float32)

    def make(start: int, stop: int) -> torch.Tensor:
        return inputs - inputs.new_tensor(drawn[start:stop])[:, None]

    foretold = drawn.reshape(DRAWN, -1).astype(np.float64) @ sample.maps.reshape(len(sample.maps), -1).T
    return Pictures((DRAWN,), make, {"foretold": foretold.T})


def _scaled_error(answer: Answer) -> Floats:
    """Mean squared error of the foretold changes times the β ≥ 0 that makes it least."""
    change, foretold = answer.whole - answer.scores, answer.about["foretold"]
    squares = (foretold**2).mean(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        beta = np.clip((foretold * change).mean(-1) / squares, 0, None)
    return np.where(squares > 0, ((beta[:, None] * foretold - change) ** 2).mean(-1), np.nan)


@faithfulness_score(
    "infidelity",
    takes="attributions",
    asks=(squares_hidden,),
    best=0,
    span=_NO_BOUND,
    reference=f"{PAPER} and section 3.2 (square removal), optimal scaling β kept at or above 0",
)
def infidelity(answer: Answer) -> Floats:
    """Mean squared error of the sum of attributions in a random square as the fall of the score without it."""
    return _scaled_error(answer)


@faithfulness_score(
    "infidelity_noise",
    takes="gradient",
    asks=(noise_subtracted,),
    best=0,
    span=_NO_BOUND,
    reference=f"{PAPER} with Gaussian noise of .1 of the input's range, optimal scaling β kept at or above 0",
)
def infidelity_noise(answer: Answer) -> Floats:
    """The same for noise all over the face, of which signed gradients foretell the change; other maps do not try to."""
    return _scaled_error(answer)

"""Sensitivity-n: do attributions add up to what the score loses when their places are hidden together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.faithfulness.registry import Answer, Floats, Pictures, Sample, faithfulness_score

if TYPE_CHECKING:
    import torch

GRID: Final = 8
SIZES: Final = (2, 4, 8, 16, 32)
DRAWN: Final = 40  # subsets of each size


def sizes(_steps: int) -> Floats:
    """How many of the 8 × 8 cells are hidden together."""
    return np.array(SIZES, np.float64)


def random_cells(sample: Sample) -> Pictures:
    """The face without n random cells of an 8 × 8 grid, 40 times for n = 2, 4, 8, 16, 32; the same for all maps."""
    import torch

    stream = sample.stream("sensitivity-n")
    hidden = np.zeros((len(SIZES), DRAWN, GRID * GRID), bool)
    for size, row in zip(SIZES, hidden, strict=True):
        for one in row:
            one[stream.choice(GRID * GRID, size, replace=False)] = True
    height, width = sample.size
    cell = (np.arange(height) * GRID // height)[:, None] * GRID + np.arange(width) * GRID // width
    sums = np.stack([np.bincount(cell.ravel(), one.ravel(), GRID * GRID) for one in sample.maps])
    flat = torch.from_numpy(hidden.reshape(-1, GRID * GRID)).to(sample.inputs.device)
    where = torch.from_numpy(cell).to(sample.inputs.device)

    def make(start: int, stop: int) -> torch.Tensor:
        return torch.where(flat[start:stop][:, where][:, None], sample.filled, sample.inputs)

    return Pictures(hidden.shape[:2], make, {"attributed": np.einsum("nkc,mc->mnk", hidden, sums)})


@faithfulness_score(
    "sensitivity_n",
    takes="attributions",
    asks=(random_cells,),
    best=1,
    span=(-1, 1),
    axis=("n", sizes),
    reference="Ancona et al., ICLR 2018, arXiv 1711.06104, section 3.1",
)
def sensitivity_n(answer: Answer) -> tuple[Floats, Floats]:
    """Correlation of the sum of attributions in random cells with the fall of the score when they are hidden."""
    curve = correlations(answer.about["attributed"], answer.whole - answer.scores)
    return curve.mean(-1), curve


def correlations(one: Floats, other: Floats) -> Floats:
    """Pearson's r along the last axis; NaN where one of both hardly varies."""
    deviations = [values - values.mean(-1, keepdims=True) for values in (one, other)]
    spread = [np.sqrt((part**2).mean(-1)) for part in deviations]
    flat = [s <= 1e-9 * np.abs(v).max(-1) for s, v in zip(spread, (one, other), strict=True)]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (deviations[0] * deviations[1]).mean(-1) / (spread[0] * spread[1])
    return np.where(flat[0] | flat[1], np.nan, r)

"""Deletion and insertion: the score while pixels are hidden, or shown, in the order of the map."""

from __future__ import annotations

import numpy as np

from workbench.faithfulness.registry import Answer, Floats, Pictures, Sample, faithfulness_score

PAPER = "Petsiuk et al., RISE, BMVC 2018, section 3.3"


def shares(steps: int) -> Floats:
    """Shares of the pixels at which a curve is taken: 0, 1/steps, …, 1."""
    return np.linspace(0, 1, steps + 1)


def deleted(sample: Sample) -> Pictures:
    """The face without its most relevant pixels, at every share between 0 and 1 (those two are known)."""
    return _curve(sample, hide=True)


def inserted(sample: Sample) -> Pictures:
    """The fill with the most relevant pixels of the face, at every share between 0 and 1."""
    return _curve(sample, hide=False)


def _curve(sample: Sample, *, hide: bool) -> Pictures:
    import torch

    between = shares(sample.steps)[1:-1]
    ranks = sample.ranks
    first = torch.from_numpy(np.rint(between * ranks[0].numel()).astype(np.int32)).to(ranks.device)
    there, not_there = (sample.filled, sample.inputs) if hide else (sample.inputs, sample.filled)

    def make(start: int, stop: int) -> torch.Tensor:
        place = torch.arange(start, stop, device=ranks.device)
        most = ranks[place // len(first)] < first[place % len(first), None, None]
        return torch.where(most[:, None], there, not_there)

    return Pictures((len(ranks), len(first)), make)


def _area(answer: Answer, first: float, last: float) -> tuple[Floats, Floats]:
    ends = np.ones((len(answer.scores), 1))
    curve = np.concatenate([first * ends, answer.scores, last * ends], axis=1)
    return np.trapezoid(curve, dx=1 / (curve.shape[1] - 1), axis=1), curve


@faithfulness_score(
    "deletion", takes="order", asks=(deleted,), best=0, span=(0, 1), axis=("share", shares), reference=PAPER
)
def deletion(answer: Answer) -> tuple[Floats, Floats]:
    """Area under the score as pixels are hidden, most relevant first: low where the map finds what the score needs."""
    return _area(answer, answer.whole, answer.empty)


@faithfulness_score(
    "insertion", takes="order", asks=(inserted,), best=1, span=(0, 1), axis=("share", shares), reference=PAPER
)
def insertion(answer: Answer) -> tuple[Floats, Floats]:
    """Area under the score as pixels appear, most relevant first: high where the map finds what suffices."""
    return _area(answer, answer.empty, answer.whole)


@faithfulness_score(
    "insertion_deletion", takes="order", asks=(inserted, deleted), best=1, span=(-1, 1), reference=PAPER
)
def insertion_deletion(appearing: Answer, vanishing: Answer) -> Floats:
    """Insertion minus deletion, which a map cannot win by the fill alone."""
    return insertion(appearing)[0] - deletion(vanishing)[0]

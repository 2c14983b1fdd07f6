"""ROAD: deletion whose holes are filled from around them, so that their outline does not give the class away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.faithfulness.registry import Answer, Floats, Pictures, Sample, faithfulness_score

if TYPE_CHECKING:
    import torch

PAPER = "Rong et al., ICML 2022, arXiv 2202.00449, sections 4 and 5"
REMOVED: Final = np.arange(1, 10) / 10  # shares of the pixels, as the reference implementation takes them
NOISE: Final = 0.01  # standard deviation in units of the network's input


def removed_shares(_steps: int) -> Floats:
    """Shares of the pixels that are removed: .1, .2, …, .9, whatever the steps of other curves."""
    return REMOVED


def most_relevant_removed(sample: Sample) -> Pictures:
    """The face with its most relevant pixels imputed, at nine shares."""
    return _imputed(sample, least=False)


def least_relevant_removed(sample: Sample) -> Pictures:
    """The face with its least relevant pixels imputed, at nine shares."""
    return _imputed(sample, least=True)


def _imputed(sample: Sample, *, least: bool) -> Pictures:
    import torch

    from workbench.faithfulness.imputation import impute

    ranks, inputs = sample.ranks, sample.inputs
    pixels = ranks[0].numel()
    first = torch.from_numpy(np.rint(REMOVED * pixels).astype(np.int32)).to(ranks.device)
    noise = inputs.new_tensor(NOISE * sample.stream("road").standard_normal(tuple(inputs.shape), np.float32))

    def make(start: int, stop: int) -> torch.Tensor:
        place = torch.arange(start, stop, device=ranks.device)
        own = ranks[place // len(REMOVED)]
        count = first[place % len(REMOVED), None, None]
        gone = (own >= pixels - count if least else own < count)[:, None]
        return impute(inputs, gone) + noise * gone

    return Pictures((len(ranks), len(REMOVED)), make)


@faithfulness_score(
    "road_morf",
    takes="order",
    asks=(most_relevant_removed,),
    best=0,
    span=(0, 1),
    axis=("removed", removed_shares),
    reference=PAPER,
)
def road_morf(most: Answer) -> tuple[Floats, Floats]:
    """Mean score with the most relevant pixels imputed: low where the map finds what the score needs."""
    return most.scores.mean(1), most.scores


@faithfulness_score(
    "road_lerf",
    takes="order",
    asks=(least_relevant_removed,),
    best=1,
    span=(0, 1),
    axis=("removed", removed_shares),
    reference=PAPER,
)
def road_lerf(least: Answer) -> tuple[Floats, Floats]:
    """Mean score with the least relevant pixels imputed: high where the map finds what can be spared."""
    return least.scores.mean(1), least.scores


@faithfulness_score(
    "road",
    takes="order",
    asks=(least_relevant_removed, most_relevant_removed),
    best=0.5,
    span=(-0.5, 0.5),
    reference=f"{PAPER}; combined as in pytorch-grad-cam's ROADCombined",
)
def road(least: Answer, most: Answer) -> Floats:
    """(LeRF − MoRF) / 2: how much less it hurts to impute what the map calls irrelevant."""
    return (least.scores.mean(1) - most.scores.mean(1)) / 2

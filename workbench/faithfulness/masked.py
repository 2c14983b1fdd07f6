"""Average drop, gain and increase: the face seen through the map."""

from __future__ import annotations

import numpy as np

from workbench.faithfulness.registry import Answer, Floats, Pictures, Sample, Undefined, faithfulness_score

PAPER = "Chattopadhay et al., Grad-CAM++, WACV 2018, section 4.1"


def through_the_map(sample: Sample) -> Pictures:
    """The face times the map and the fill times the rest; the map is its positive part, its largest value 1."""
    import torch

    positive = np.clip(sample.maps, 0, None)
    top = positive.max((1, 2), keepdims=True)
    shown = torch.from_numpy(positive / np.where(top > 0, top, 1)).to(sample.inputs)

    def make(start: int, stop: int) -> torch.Tensor:
        return torch.lerp(sample.filled, sample.inputs, shown[start:stop, None])

    return Pictures((len(sample.maps),), make)


def _confidence(answer: Answer) -> float:
    if not answer.whole > 0:
        raise Undefined("the score of the whole face is not above 0, so that a share of it says nothing")
    return answer.whole


@faithfulness_score(
    "average_drop", takes="values", asks=(through_the_map,), best=0, span=(0, 1), reference=f"{PAPER}, equation (i)"
)
def average_drop(answer: Answer) -> Floats:
    """Share of the score that is lost when the face is seen through the map; 0 where it rises."""
    return np.clip(1 - answer.scores / _confidence(answer), 0, None)


@faithfulness_score(
    "increase", takes="values", asks=(through_the_map,), best=1, span=(0, 1), reference=f"{PAPER}, equation (ii)"
)
def increase(answer: Answer) -> Floats:
    """1 where the face seen through the map scores higher than the whole face, else 0; the mean is the share."""
    return np.asarray(answer.scores > answer.whole, np.float64)


@faithfulness_score(
    "average_gain",
    takes="values",
    asks=(through_the_map,),
    best=1,
    span=(0, 1),
    reference="Zhang et al., Opti-CAM, CVIU 2024, arXiv 2301.07002, section 4: what drop and increase leave out",
)
def average_gain(answer: Answer) -> Floats:
    """Share of the missing probability that is won when the face is seen through the map; 0 where it falls."""
    if answer.space != "probability":
        raise Undefined("a gain is a share of the missing probability, and the scores are logits")
    if not answer.whole < 1:
        raise Undefined("the probability of the whole face is 1 already")
    return np.clip((answer.scores - answer.whole) / (1 - answer.whole), 0, None)

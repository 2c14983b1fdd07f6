"""One network asked about all pictures of a face in one stream, whatever the score, the step or the map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.explainers._capture import borrowed, laid_like
from workbench.explainers.explainer import Job
from workbench.explainers.perturbation.engine import asked, precise, weighted
from workbench.explainers.perturbation.fills import fill
from workbench.explainers.spaces import in_space
from workbench.faithfulness.registry import Answer, Design, Floats, Pictures, Sample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Network:
    """A network lent for asking, and how its outputs become one score a picture."""

    job: Job
    module: torch.nn.Module
    fill: str
    space: str
    steps: int

    def sample(self, index: int, inputs: torch.Tensor, maps: Floats) -> Sample:
        """Face `index` with maps (M, H, W)."""
        hidden = laid_like(fill(self.fill, self.job, index, inputs).expand_as(inputs), inputs)
        return Sample(
            inputs, hidden, maps, lambda purpose: self.job.stream(index, purpose), steps=self.steps, space=self.space
        )

    def scores(self, index: int, pictures: Sequence[Pictures], inputs: torch.Tensor) -> list[Floats]:
        """The explained score of every picture, in the shape that each of these asks has."""
        ends = np.cumsum([one.count for one in pictures]).tolist()

        def make(start: int, stop: int) -> torch.Tensor:
            import torch

            made = []
            for one, end in zip(pictures, ends, strict=True):
                begin = end - one.count
                low, high = max(start, begin), min(stop, end)
                if low < high:
                    made.append(one.make(low - begin, high - begin))
            return torch.cat(made) if len(made) > 1 else made[0]

        outputs = asked(self.job, self.module, make, ends[-1], inputs)
        found = weighted(in_space(outputs, self.job.classifier, self.space).numpy(), self.job.weights[index])[:, 0]
        return [part.reshape(one.shape) for part, one in zip(np.split(found, ends[:-1]), pictures, strict=True)]

    def answers(self, index: int, sample: Sample, designs: Sequence[Design]) -> dict[Design, Answer]:
        """What the network says to every design."""
        import torch

        ends = Pictures((2,), lambda start, stop: torch.cat([sample.inputs, sample.filled])[start:stop])
        made = [design(sample) for design in designs]
        (whole, empty), *scores = self.scores(index, [ends, *made], sample.inputs)
        return {
            design: Answer(own, float(whole), float(empty), sample.maps, pictures.about, self.space)
            for design, own, pictures in zip(designs, scores, made, strict=True)
        }


@contextmanager
def lent(job: Job, fill: str, space: str, steps: int = 20) -> Iterator[Network]:
    """The network in evaluation mode, in the job's precision; as it was afterwards, also after an error."""
    with borrowed(job.classifier.module) as own, precise(own, job.precision, job.classifier.outputs) as module:
        yield Network(job, module, fill, space, steps)

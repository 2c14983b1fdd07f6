"""What a faithfulness score is, and the registry that a newcomer adds one to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from workbench.registry import Registry, first_line

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float64]
Takes = Literal["order", "values", "attributions", "gradient", "explainer"]
Function = TypeVar("Function", bound=Callable[..., Any])


class Undefined(Exception):
    """A score that has no value for this face, whatever the map; the reason in one line."""


@dataclass(frozen=True)
class Sample:
    """One face and the M maps that are tried on it, as designs see them.

    inputs, filled: (1, C, H, W), the network's input and what stands in hidden places. maps: (M, H, W) at the input's
    resolution, finite, raw and signed. stream(purpose): random numbers that depend on seed, crop and purpose alone.
    steps: how many steps a curve has. space: "probability" or "logit".
    """

    inputs: torch.Tensor
    filled: torch.Tensor
    maps: Floats
    stream: Callable[[str], np.random.Generator]
    steps: int = 20
    space: str = "probability"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return int(self.inputs.shape[2]), int(self.inputs.shape[3])

    @cached_property
    def ranks(self) -> torch.Tensor:
        """(M, H, W) int32: 0 for the most relevant pixel of a map; equal pixels in an order drawn for this face."""
        import torch

        pixels = self.maps.shape[1] * self.maps.shape[2]
        drawn = self.stream("order of equal pixels").permutation(pixels)
        found = np.empty((len(self.maps), pixels), np.int32)
        for row, values in zip(found, self.maps.reshape(len(self.maps), -1), strict=True):
            row[drawn[np.argsort(-values[drawn], kind="stable")]] = np.arange(pixels, dtype=np.int32)
        return torch.from_numpy(found.reshape(self.maps.shape)).to(self.inputs.device)


@dataclass(frozen=True)
class Pictures:
    """What a design asks about one face.

    shape: how the answers lie, (M, …) for pictures of each map, (n,) for pictures that all maps share. make(start,
    stop): those pictures, (stop − start, C, H, W), rows of `shape` in C order. about: what estimators need to know.
    """

    shape: tuple[int, ...]
    make: Callable[[int, int], torch.Tensor]
    about: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of pictures."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Answer:
    """What the network said: `scores` in the `shape` of the pictures; `whole` and `empty`, of the face itself and of
    the fill alone."""

    scores: Floats
    whole: float
    empty: float
    maps: Floats
    about: Mapping[str, Floats]
    space: str


Design = Callable[[Sample], Pictures]


@dataclass(frozen=True)
class FaithfulnessScore:
    """How well a map says what the network's score depends on.

    takes: what is read of a map: "order" (which pixel before which), "values" (positive values as a mask),
        "attributions" (sums over regions, in units of the score), "gradient" (products with small changes), "explainer"
        (the method itself, asked again).
    asks: designs, whose answers the function is given in that order; scores with a design in common share its forwards.
    function: one Answer a design → values (M,), or (values, curves (M, K)); NaN where undefined, or raises Undefined.
        With takes="explainer": (map (h, w), maps of changed inputs (K, h, w)) → float.
    best, low, high: the ideal value and the range for a score that is a probability. axis: name and values of a curve's
        places.
    """

    function: Callable[..., Any]
    takes: Takes
    asks: tuple[Design, ...]
    best: float
    low: float
    high: float
    axis: tuple[str, Callable[[int], Floats]] | None = None

    @property
    def sign(self) -> int:
        """+1 where more is better, −1 where less is."""
        return 1 if self.best > self.low else -1


FAITHFULNESS: Final[Registry[FaithfulnessScore]] = Registry(
    "faithfulness score",
    homes=tuple(
        f"workbench.faithfulness.{name}"
        for name in ("deletion", "road", "masked", "subsets", "infidelity", "sensitivity")
    ),
)


def faithfulness_score(
    name: str,
    *,
    takes: Takes,
    asks: tuple[Design, ...] = (),
    best: float,
    span: tuple[float, float],
    axis: tuple[str, Callable[[int], Floats]] | None = None,
    reference: str = "",
) -> Callable[[Function], Function]:
    """Register a score; its docstring's first line is the summary. From then on `faithfulness(…, scores=name)` gives
    it beside the references. See `FaithfulnessScore`."""

    def decorate(function: Function) -> Function:
        score = FaithfulnessScore(function, takes, asks, best, *span, axis)
        text = first_line(function)
        details = {"takes": takes, "best": best, "low": span[0], "high": span[1]}
        FAITHFULNESS.add(name, score, summary=text, reference=reference, **details)
        return function

    return decorate

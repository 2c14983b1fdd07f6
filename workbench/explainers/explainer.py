"""What an explainer is, what it returns, and the registry that holds them all."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from workbench.registry import Registry

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier

Family = Literal["cam", "gradient", "perturbation", "control"]
Role = Literal["method", "control"]
Function = TypeVar("Function", bound=Callable[..., Any])

STATUSES = ("ok", "constant", "non-finite", "zero-gradient", "not computed")
FLAT = 1e-6  # a map whose range is below this share of its largest absolute value says nothing: "constant"


@dataclass(frozen=True)
class Explainer:
    """One way to explain a decision.

    method: a pure function; what it takes and gives is stated by its family's engine. family: the engine.
    options: every option with its default. shared: the options that the engine itself consumes; explainers of one
    family (and, for perturbation, one `design`) with equal shared options are computed together, sharing forwards.
    cost: rough number of forward passes per face, in words.
    """

    name: str
    method: Callable[..., Any]
    family: Family
    role: Role = "method"
    options: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    design: Callable[..., Any] | None = None
    cost: str = ""

    def group(self, options: Mapping[str, Any]) -> tuple[Any, ...]:
        """What explainers must agree on to be computed together."""
        design = self.design.__name__ if self.design else ""
        return (self.family, design, *((name, options[name]) for name in self.shared))

    def own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that go to the method itself."""
        return {name: value for name, value in options.items() if name not in self.shared}


@dataclass(frozen=True)
class NativeMaps:
    """Maps of one explainer for one network, as the method made them.

    values: (N, h, w) float32, raw and signed, each covering the whole crop at whatever resolution the method has;
    NaN where not computed. status: N of `STATUSES`. layer: what a CAM looked at ("" elsewhere). options: all, with
    defaults filled in. reason: one line if the explainer failed on this network ("" otherwise). With a limit, the
    maps are those of the first N faces.
    """

    values: np.ndarray
    status: list[str]
    layer: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.values) != len(self.status):
            raise ValueError(f"maps of shape {self.values.shape} with {len(self.status)} statuses; one status a map")

    def __len__(self) -> int:
        return len(self.status)

    @classmethod
    def missing(cls, count: int, reason: str = "", options: Mapping[str, Any] | None = None) -> NativeMaps:
        """`count` maps that do not exist, and why."""
        values = np.full((count, 1, 1), np.nan, np.float32)
        return cls(values, ["not computed"] * count, "", dict(options or {}), reason)


@dataclass(frozen=True)
class Job:
    """What every engine is given: N crops (N, S, S, 3) uint8 of one network with one class index each.

    `advance(n)` is called as faces are done, for the progress bar.
    """

    classifier: Classifier
    images: np.ndarray
    targets: np.ndarray
    seed: int = 0
    advance: Callable[[int], object] = lambda _: None

    def stream(self, index: int, purpose: str) -> np.random.Generator:
        """Random numbers that depend on seed, crop and purpose alone, so that batch and order cannot matter."""
        image = np.ascontiguousarray(self.images[index])
        digest = hashlib.sha256(f"{self.seed}|{purpose}|{image.shape}|".encode() + image.tobytes()).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32).tolist())


Request = tuple[Explainer, dict[str, Any]]

EXPLAINERS: Registry[Explainer] = Registry(
    "explainer",
    homes=(
        "workbench.explainers.cam",
        "workbench.explainers.gradient",
        "workbench.explainers.perturbation.methods",
        "workbench.explainers.controls",
    ),
)


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """A function's options are its keyword-only arguments; their defaults are the explainer's."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def add(explainer: Explainer, *, summary: str = "", reference: str = "") -> None:
    """Enter an explainer into the registry; the summary defaults to the first line of the method's docstring."""
    text = summary or (inspect.getdoc(explainer.method) or "").split("\n")[0]
    EXPLAINERS.add(
        explainer.name,
        explainer,
        summary=text,
        reference=reference,
        family=explainer.family,
        role=explainer.role,
        cost=explainer.cost,
        options=dict(explainer.options),
    )


def statuses(values: np.ndarray, silent: np.ndarray | None = None, word: str = "constant") -> list[str]:
    """Status of each map of (N, h, w).

    `silent` (N,) marks maps behind which there is no signal at all (no gradient, a score that no perturbation moves);
    they get `word` if they are flat too, or if `word` is "constant".
    """
    result = []
    for index, value in enumerate(values):
        mute = silent is not None and bool(silent[index])
        if not np.isfinite(value).all():
            result.append("non-finite")
        elif np.ptp(value) <= FLAT * np.abs(value).max():
            result.append(word if mute else "constant")
        else:
            result.append("constant" if mute and word == "constant" else "ok")
    return result

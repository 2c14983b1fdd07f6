"""What an explainer is, what it returns, and the registry that holds them all."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from workbench.errors import LayerError, UsageError
from workbench.registry import Registry

if TYPE_CHECKING:
    import torch

    from workbench.classifiers.classifier import Classifier

Family = Literal["cam", "gradient", "perturbation", "control"]
Role = Literal["method", "control"]
Function = TypeVar("Function", bound=Callable[..., Any])
Check = Callable[..., None]

STATUSES = ("ok", "constant", "non-finite", "zero-gradient", "not computed")
FLAT = 1e-6  # a map whose range is below this share of its largest absolute value says nothing: "constant"


@dataclass(frozen=True)
class Explainer:
    """One way to explain a decision.

    method: a function; what it takes and gives is stated by its engine. family: under which it is listed. engine: the
    module whose `compute` runs it. options: every option with its default. shared: the options that the engine itself
    consumes. together: those of them on which explainers must agree to be computed together, sharing forwards
    (perturbation: also the same `design`). cost: rough number of forward passes per face, in words; expensive: more
    than 200 of them by default. classless: the map knows no class, and is one for all targets. takes_view: a CAM
    method that is given the whole `View`. free_grid: its maps need not have the layer's resolution. checks: what
    refuses values of options, see `checked`.
    """

    name: str
    method: Callable[..., Any]
    family: Family
    role: Role = "method"
    options: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    design: Callable[..., Any] | None = None
    engine: str = ""
    cost: str = ""
    expensive: bool = False
    classless: bool = False
    takes_view: bool = False
    free_grid: bool = False
    checks: tuple[Check, ...] = ()

    def group(self, options: Mapping[str, Any]) -> tuple[Any, ...]:
        """What explainers must agree on to be computed together."""
        design = f"{self.design.__module__}.{self.design.__qualname__}" if self.design else ""
        return (self.engine, design, *((name, options[name]) for name in self.together))

    def own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options that go to the method itself."""
        return {name: value for name, value in options.items() if name not in self.shared}

    def check(self, options: Mapping[str, Any]) -> None:
        """UsageError, with the explainer's name, for a value that an option cannot have."""
        for check in self.checks:
            wanted = inspect.signature(check).parameters
            if not set(wanted) <= set(options):  # an estimator under a design that has no such option
                continue
            try:
                check(**{name: options[name] for name in wanted})
            except UsageError as error:
                line = str(error)
                raise UsageError(line if repr(self.name) in line else f"{self.name!r}: {line}") from None


@dataclass(frozen=True)
class NativeMaps:
    """Maps of one explainer for one network and one target, as the method made them.

    values: (N, h, w) float32, raw and signed, each covering the whole crop at whatever resolution the method has;
    NaN where not computed. status: N of `STATUSES`. layer: what a CAM looked at ("" elsewhere). options: all, with
    defaults filled in. reason: one line if the explainer failed on this network ("" otherwise). parts: (N, P) values
    of the named regions `part_names`, in the units of the explained score, where the method scores whole regions.
    With a limit, the maps are those of the first N faces.
    """

    values: np.ndarray
    status: list[str]
    layer: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    parts: np.ndarray | None = None
    part_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.values) != len(self.status):
            raise ValueError(f"maps of shape {self.values.shape} with {len(self.status)} statuses; one status a map")
        if self.parts is not None and self.parts.shape != (len(self.status), len(self.part_names)):
            raise ValueError(f"parts of shape {self.parts.shape} for {len(self.status)} maps, {self.part_names}")

    def __len__(self) -> int:
        return len(self.status)

    @classmethod
    def missing(
        cls, count: int, reason: str = "", options: Mapping[str, Any] | None = None, layer: str = ""
    ) -> NativeMaps:
        """`count` maps that do not exist, and why."""
        values = np.full((count, 1, 1), np.nan, np.float32)
        return cls(values, ["not computed"] * count, layer, dict(options or {}), reason)


def _no_regions(name: str, _: int) -> tuple[list[str], np.ndarray]:
    raise UsageError(f"the regions {name!r} lie on faces with landmarks; use workbench.explain with a FaceSet")


def _no_pictures(name: str, _: int) -> np.ndarray:
    raise UsageError(f"the picture {name!r} is made of faces with landmarks; use workbench.explain with a FaceSet")


@dataclass(frozen=True)
class Job:
    """What every engine is given: N crops (N, S, S, 3) uint8 of one network, and T scores to explain of each.

    weights: (N, T, columns) float32: a score is the sum of the network's outputs under these weights, one-hot for a
    class, +1 and −1 for a contrast. target_names: T texts. precision: "float32", or "bfloat16" where many forwards
    are made. strict: whether an explainer that fails is an error, or may come back as one. regions(mask set, face) →
    names and (P, S, S) float32 in [0, 1] on the crop; pictures(name, face) → (S, S, 3) uint8. disturb(inputs, first
    face) → inputs changes what the network sees (smoothing).
    `advance(n)` is called as faces are done, for the progress bar.
    """

    classifier: Classifier
    images: np.ndarray
    weights: np.ndarray
    target_names: tuple[str, ...] = ("",)
    seed: int = 0
    advance: Callable[[int], object] = lambda _: None
    precision: str = "float32"
    strict: bool = True
    regions: Callable[[str, int], tuple[list[str], np.ndarray]] = _no_regions
    pictures: Callable[[str, int], np.ndarray] = _no_pictures
    disturb: Callable[[torch.Tensor, int], torch.Tensor] | None = None

    @property
    def targets(self) -> int:
        """Number of scores explained of each face."""
        return int(self.weights.shape[1])

    def inputs(self, part: slice) -> torch.Tensor:
        """The network's inputs (n, channels, height, width) float32 for these faces, disturbed where that is asked."""
        tensor = self.classifier.inputs(self.images[part])
        return tensor if self.disturb is None else self.disturb(tensor, part.start or 0)

    def stream(self, index: int, purpose: str) -> np.random.Generator:
        """Random numbers that depend on seed, crop and purpose alone, so that batch and order cannot matter."""
        image = np.ascontiguousarray(self.images[index])
        digest = hashlib.sha256(f"{self.seed}|{purpose}|{image.shape}|".encode() + image.tobytes()).digest()
        return np.random.default_rng(np.frombuffer(digest, np.uint32).tolist())


Request = tuple[Explainer, dict[str, Any]]
Found = list[NativeMaps] | Exception  # one map set a target, or why there is none (of a job that is not strict)

EXPLAINERS: Registry[Explainer] = Registry(
    "explainer",
    homes=(
        "workbench.explainers.cam",
        "workbench.explainers.gradient",
        "workbench.explainers.smoothing",
        "workbench.explainers.perturbation.methods",
        "workbench.explainers.perturbation.extremal",
        "workbench.explainers.controls",
    ),
)


def recordable(error: Exception) -> bool:
    """Whether an error may be written down beside the other maps: not a wrong option, which is the caller's."""
    return isinstance(error, LayerError) or not isinstance(error, UsageError)


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """A function's options are its keyword-only arguments; their defaults are the explainer's."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def checked(check: Check) -> Callable[[Function], Function]:
    """Say of a method, a design or an estimator which values its options have, so that another is refused before work.

    `check` is called with the options that its parameters are named after, where all of them exist, and raises
    UsageError.
    """

    def decorate(function: Function) -> Function:
        vars(function)["checks"] = (*checks_of(function), check)
        return function

    return decorate


def checks_of(*functions: Callable[..., Any]) -> tuple[Check, ...]:
    """What `checked` said of these functions."""
    return tuple(check for function in functions for check in getattr(function, "checks", ()))


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
    flat = values.reshape(len(values), -1)
    finite = np.isfinite(flat).all(1)
    with np.errstate(invalid="ignore"):
        even = np.ptp(flat, axis=1) <= FLAT * np.abs(flat).max(1)
    mute = np.zeros(len(values), bool) if silent is None else np.asarray(silent, bool)
    constant = even | (mute & (word == "constant"))
    found = np.where(constant, np.where(mute & even, word, "constant"), "ok")
    return np.where(finite, found, "non-finite").tolist()

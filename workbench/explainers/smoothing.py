"""Any explainer, averaged over noisy copies of the input: "smooth(saliency)", "smooth(grad_cam, n=10, sigma=0.1)".

Such a name is taken wherever the name of an explainer is; options may stand in it or beside it, as with any other.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import UnknownNameError, UsageError
from workbench.explainers.explainer import EXPLAINERS, Explainer, Found, Job, NativeMaps, Request, add, statuses
from workbench.registry import Entry

if TYPE_CHECKING:
    import torch

ENGINE = __name__
NOISE: dict[str, Any] = {"n": 25, "sigma": 0.15}
PAPER = "Smilkov et al., arXiv 1706.03825, section 3"
_NAME = re.compile(r"\s*smooth\(\s*([^\s(),=]+)\s*((?:,[^(),=]+=[^(),=]*)*)\)\s*")


def smooth(explainer: str, **options: Any) -> str:
    """The name under which `explainer` is averaged over noisy copies of the input, options written into it.

    n (25): number of copies. sigma (0.15): standard deviation of the Gaussian noise, as a share of the input's range;
    both defaults are Smilkov et al.'s. All others are the explainer's own. Raises UnknownNameError for an unknown
    explainer or option, UsageError for a value of the wrong kind or an explainer that cannot be smoothed.
    """
    name = f"smooth({', '.join([str(explainer), *(f'{key}={value}' for key, value in options.items())])})"
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name} cannot be written as a name; give options with ( ) , or = in them beside the name")
    return EXPLAINERS[name].name


@dataclass(frozen=True)
class Smoothed:
    """The explainer whose maps are averaged; its own engine makes them."""

    base: Explainer

    def __call__(self) -> None:
        """TypeError; there is no function to call."""
        raise TypeError(f"maps of {self.base.name!r} are made and averaged by {ENGINE}.compute")

    @classmethod
    def under(cls, explainer: Explainer) -> Explainer:
        """The explainer that a smoothed one averages."""
        assert isinstance(explainer.method, cls)
        return explainer.method.base


def compute(job: Job, group: list[Request]) -> list[Found]:
    """The means over n noisy copies; explainers that share forwards on a picture share them on each of its copies.

    In a job that is not strict, one that fails on a copy is left out from then on and gives its error.
    """
    n, sigma = group[0][1]["n"], group[0][1]["sigma"]
    sets: dict[Any, list[int]] = {}
    inner = [(Smoothed.under(explainer), explainer.own(options)) for explainer, options in group]
    for place, (base, options) in enumerate(inner):
        sets.setdefault(base.group(options), []).append(place)
    sums = [[_Mean() for _ in range(job.targets)] for _ in group]
    failed: dict[int, Exception] = {}
    told = _Told(job.advance, n * len(sets))
    for copy in range(n):
        noisy = replace(job, disturb=_noise(job, copy, sigma), advance=told.add)
        for sharing in sets.values():
            places = [place for place in sharing if place not in failed]
            if not places:
                continue
            engine = importlib.import_module(inner[places[0]][0].engine)
            found: list[Found] = engine.compute(noisy, [inner[place] for place in places])
            for place, per_target in zip(places, found, strict=True):
                if isinstance(per_target, Exception):
                    failed[place] = per_target
                    continue
                for mean, maps in zip(sums[place], per_target, strict=True):
                    mean.add(maps)
    return [
        failed[place] if place in failed else [mean.maps(options) for mean in sums[place]]
        for place, (_, options) in enumerate(group)
    ]


def _noise(job: Job, copy: int, sigma: float) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Gaussian noise on inputs (N, C, H, W), another for each face and copy, whatever the batch."""
    before = job.disturb

    def disturb(inputs: torch.Tensor, first: int) -> torch.Tensor:
        shape = tuple(inputs.shape[1:])
        drawn = [
            job.stream(first + row, f"smooth {copy}").standard_normal(shape, np.float32) for row in range(len(inputs))
        ]
        size = sigma * (inputs.amax((1, 2, 3), keepdim=True) - inputs.amin((1, 2, 3), keepdim=True))
        noisy = inputs + inputs.new_tensor(np.stack(drawn)) * size
        return noisy if before is None else before(noisy, first)

    return disturb


class _Mean:
    """The mean of one explainer's maps over copies, and what is to be said of it."""

    def __init__(self) -> None:
        self._first: NativeMaps | None = None
        self._sum: np.ndarray = np.zeros(0)
        self._parts: np.ndarray | None = None
        self._silent: np.ndarray = np.zeros(0, bool)
        self._failed: np.ndarray = np.zeros(0, bool)
        self._count = 0

    def add(self, maps: NativeMaps) -> None:
        """One copy more."""
        if self._first is None:
            self._first = maps
            self._sum = np.zeros(maps.values.shape)
            self._parts = None if maps.parts is None else np.zeros(maps.parts.shape)
            self._silent, self._failed = np.ones(len(maps), bool), np.zeros(len(maps), bool)
        self._sum += maps.values
        if self._parts is not None and maps.parts is not None:
            self._parts += maps.parts
        self._silent &= np.array([word == "zero-gradient" for word in maps.status])
        self._failed |= np.array([word == "not computed" for word in maps.status])
        self._count += 1

    def maps(self, options: dict[str, Any]) -> NativeMaps:
        """The mean; "zero-gradient" where every copy's was, "not computed" where one copy's was not."""
        assert self._first is not None
        values = (self._sum / self._count).astype(np.float32)
        words = statuses(values, self._silent, "zero-gradient")
        words = ["not computed" if failed else word for word, failed in zip(words, self._failed, strict=True)]
        parts = None if self._parts is None else (self._parts / self._count).astype(np.float32)
        return replace(self._first, values=values, status=words, options=options, parts=parts)


class _Told:
    """Passes on how many faces are done, where each is done `times` times."""

    def __init__(self, advance: Callable[[int], object], times: int) -> None:
        self._advance, self._times, self._seen, self._told = advance, times, 0, 0

    def add(self, count: int) -> None:
        """`count` faces were done once."""
        self._seen += count
        whole = self._seen // self._times
        if whole > self._told:
            self._advance(whole - self._told)
            self._told = whole


def _derived(name: str) -> Entry[Explainer] | None:
    """The entry of a name such as "smooth(saliency, n=10)"; None for other names."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        return None
    base = EXPLAINERS[found[1]]
    explainer = _over(base, name)
    stated = dict(_stated(name, found[2], explainer.options))
    explainer = replace(explainer, options={**explainer.options, **stated})
    summary = f"{base.name}, averaged over noisy copies of the input."
    details = {"family": explainer.family, "role": explainer.role, "cost": explainer.cost}
    reference = f"{PAPER}; {base.reference}"
    return Entry(name, explainer, summary, reference, {**details, "options": dict(explainer.options)})


def _over(base: Entry[Explainer], name: str) -> Explainer:
    value = base.value
    if value.role == "control":
        raise UsageError(f"{base.name!r} is a control that sees no network, so that noise on its input changes nothing")
    own = [key for key in NOISE if key in value.options]
    if own or value.engine == ENGINE:
        raise UsageError(f"{base.name!r} averages noisy copies itself; take it as it is")
    return Explainer(
        name,
        Smoothed(value),
        value.family,
        options={**NOISE, **value.options},
        shared=tuple(NOISE),
        together=tuple(NOISE),
        engine=ENGINE,
        cost=f"n = {NOISE['n']} times: {value.cost}",
        expensive=value.expensive or value.family == "perturbation",
        classless=value.classless,
        checks=value.checks,
    )


def _stated(name: str, text: str, defaults: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options written into a name, as values of their defaults' kinds."""
    for part in text.split(",")[1:]:
        key, _, said = (piece.strip() for piece in part.partition("="))
        if key not in defaults:
            raise UnknownNameError(f"option of {name!r}:", key, defaults)
        yield key, _value(name, key, said, defaults[key])


def _value(name: str, key: str, said: str, default: Any) -> Any:
    from workbench.explainers.run import fitting

    if isinstance(default, str):
        return fitting(name, key, said, default)
    try:
        return fitting(name, key, ast.literal_eval(said), default)
    except (ValueError, SyntaxError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"option {key}={said} of {name!r} should be of type {type(default).__name__}, such as {default!r}"
        ) from None


EXPLAINERS.derived(_derived)
add(
    replace(_over(EXPLAINERS["saliency"], "smooth_grad")),
    summary="SmoothGrad: saliency (its largest absolute gradient, or with signed=True the gradient) over noisy copies.",
    reference=PAPER,
)

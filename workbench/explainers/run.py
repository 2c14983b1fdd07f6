"""Run explainers on one network and N crops: names and options checked first, forwards shared, failures named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm import tqdm

from workbench.errors import LayerError, UnknownNameError, UsageError
from workbench.explainers.explainer import EXPLAINERS, Job, NativeMaps, Request

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier

ENGINES = {
    "cam": "workbench.explainers.cam",
    "gradient": "workbench.explainers.gradient",
    "perturbation": "workbench.explainers.perturbation.engine",
    "control": "workbench.explainers.controls",
}
Options = Mapping[str, Mapping[str, Any]]


def chosen(names: str | Sequence[str], options: Options | None = None) -> dict[str, dict[str, Any]]:
    """Every explainer asked for with all its options, defaults filled in; the work itself is not begun.

    Raises UnknownNameError for an explainer or an option that does not exist, UsageError for a value of the wrong
    kind.
    """
    if not isinstance(names, str) and not isinstance(names, Iterable):
        raise UsageError(f"explainers are given by name, not as {names!r}; see `workbench list explainers`")
    for name in options or {}:
        EXPLAINERS[name]
    result = {}
    for name in dict.fromkeys([names] if isinstance(names, str) else names):
        defaults = EXPLAINERS[name].value.options
        stated = (options or {}).get(name, {})
        if not isinstance(stated, Mapping):
            raise UsageError(f"the options of {name!r} are a mapping from option to value, not {stated!r}")
        given = dict(stated)
        for key, value in given.items():
            if key not in defaults:
                raise UnknownNameError(f"option of {name!r}:", key, defaults)
            given[key] = _fitting(name, key, value, defaults[key])
        result[name] = {**defaults, **given}
    if not result:
        raise UsageError("no explainer was named; see `workbench list explainers`")
    return result


def _fitting(name: str, key: str, value: Any, default: Any) -> Any:
    kind = type(default)
    if kind is float and isinstance(value, int | np.number) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, np.integer):
        value = int(value)
    if type(value) is not kind:
        raise UsageError(f"option {key}={value!r} of {name!r} should be of type {kind.__name__}, such as {default!r}")
    if (kind is int and value < 1) or (kind is float and not 0 <= value < float("inf")):
        raise UsageError(f"option {key}={value!r} of {name!r} is out of range; the default is {default!r}")
    return value


def run(
    classifier: Classifier,
    images: np.ndarray,
    names: str | Sequence[str],
    targets: np.ndarray | Sequence[int],
    *,
    seed: int = 0,
    options: Options | None = None,
    progress: bool = True,
    on_error: Literal["raise", "record"] = "raise",
    on_done: Callable[[str, NativeMaps], object] | None = None,
) -> dict[str, NativeMaps]:
    """Maps of every explainer named, for crops (N, S, S, 3) uint8 and one class index each.

    Explainers that can share forward passes do. `options`: explainer → its options. `on_done(name, maps)` is called
    as soon as an explainer is through, so that a long run can be kept. With `on_error="record"` an explainer that
    fails on this network comes back with status "not computed" and the reason, and the rest goes on; a wrong name or
    option is refused before any work either way. The network is left as it was, also after an error or an interrupt.
    """
    requests = chosen(names, options)
    images = np.ascontiguousarray(images)
    targets = np.asarray(targets, dtype=np.int64)
    _check(classifier, images, targets)
    groups: dict[tuple[Any, ...], list[Request]] = {}
    for name, chosen_options in requests.items():
        explainer = EXPLAINERS[name].value
        groups.setdefault(explainer.group(chosen_options), []).append((explainer, chosen_options))
    result: dict[str, NativeMaps] = {}
    bar = tqdm(
        total=len(images) * len(groups),
        desc=classifier.name,
        unit="face",
        file=sys.stderr,
        disable=None if progress else True,  # no bars into files and pipes
        leave=False,
    )
    with bar:
        job = Job(classifier, images, targets, seed, bar.update)
        for group in groups.values():
            bar.set_postfix_str(", ".join(explainer.name for explainer, _ in group), refresh=False)
            for name, maps in _group(job, group, on_error).items():
                result[name] = maps
                if on_done is not None:
                    on_done(name, maps)
    return {name: result[name] for name in requests}


def _group(job: Job, group: list[Request], on_error: str) -> dict[str, NativeMaps]:
    engine = importlib.import_module(ENGINES[group[0][0].family])
    try:
        found: dict[str, NativeMaps] = engine.compute(job, group)
        return found
    except Exception as error:
        if on_error == "raise" or (isinstance(error, UsageError) and not isinstance(error, LayerError)):
            raise
        if len(group) > 1:  # one bad method must not take the others with it
            return {name: maps for request in group for name, maps in _group(job, [request], on_error).items()}
        explainer, options = group[0]
        line = " ".join(str(error).split()) or type(error).__name__
        return {explainer.name: NativeMaps.missing(len(job.images), line[:300], options)}


def _check(classifier: Classifier, images: np.ndarray, targets: np.ndarray) -> None:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise UsageError(f"crops of shape {images.shape} and type {images.dtype}; expected (N ≥ 1, S, S, 3) uint8")
    if targets.shape != (len(images),):
        raise UsageError(f"targets of shape {targets.shape} for {len(images)} crops; give one class index a crop")
    classes = len(classifier.labels)
    if targets.min() < 0 or targets.max() >= classes:
        wrong = targets[(targets < 0) | (targets >= classes)][0]
        raise UsageError(f"target {wrong} is no class of {classifier.name!r}; it has 0 to {classes - 1}")

"""Run explainers on one network and N crops: names and options checked first, forwards shared, failures named."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm import tqdm

from workbench.errors import UnknownNameError, UsageError
from workbench.explainers.explainer import EXPLAINERS, Found, Job, NativeMaps, Request, recordable

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier

Options = Mapping[str, Mapping[str, Any]]
Key = tuple[str, str, str]  # explainer, layer as asked for ("" = the classifier's own), target
OnError = Literal["raise", "record"]
PRECISIONS = ("float32", "bfloat16")


def chosen(names: str | Sequence[str], options: Options | None = None) -> dict[str, dict[str, Any]]:
    """Every explainer asked for with all its options, defaults filled in; the work itself is not begun.

    Raises UnknownNameError for an explainer or an option that does not exist, UsageError for a value of the wrong
    kind or one that the option cannot have.
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
            given[key] = fitting(name, key, value, defaults[key])
        result[name] = {**defaults, **given}
        EXPLAINERS[name].value.check(result[name])
    if not result:
        raise UsageError("no explainer was named; see `workbench list explainers`")
    return result


def fitting(name: str, key: str, value: Any, default: Any) -> Any:
    """The value of an option as its default's kind; UsageError for another kind, or out of range."""
    kind = type(default)
    if kind is float and isinstance(value, int | np.number) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, np.integer):
        value = int(value)
    if type(value) is not kind:
        raise UsageError(f"option {key}={value!r} of {name!r} should be of type {kind.__name__}, such as {default!r}")
    if (kind is int and value < min(1, default)) or (kind is float and not 0 <= value < float("inf")):
        raise UsageError(f"option {key}={value!r} of {name!r} is out of range; the default is {default!r}")
    return value


def layered(names: str | Sequence[str], layers: Sequence[str] | None, options: Options | None = None) -> list[str]:
    """The layers asked for ("" = each classifier's own); UsageError where they do not apply to every explainer."""
    if layers is None:
        return [""]
    given = [layers] if isinstance(layers, str) else list(layers)
    if not given or not all(isinstance(layer, str) and layer for layer in given) or len(set(given)) < len(given):
        raise UsageError(f"layers are names of layers, each once, not {layers!r}; see Classifier.spatial_layers()")
    for name, stated in chosen(names, options).items():
        if "layer" not in stated:
            raise UsageError(f"{name!r} looks at no layer; explain it in a call without layers=")
        if stated["layer"]:
            raise UsageError(f"{name!r} is given layer={stated['layer']!r} among its options, and layers= besides")
    return given


def run(
    classifier: Classifier,
    images: np.ndarray,
    names: str | Sequence[str],
    targets: np.ndarray | Sequence[int],
    *,
    on_done: Callable[[str, NativeMaps], object] | None = None,
    **settings: Any,
) -> dict[str, NativeMaps]:
    """Maps of every explainer named, for crops (N, S, S, 3) uint8 and one class index of the expression head each.

    The short form of `run_all`, which takes the rest of the arguments: seed, options, progress, on_error, ….
    """
    targets = np.asarray(targets, dtype=np.int64)
    if targets.shape != (len(images),):
        raise UsageError(f"targets of shape {targets.shape} for {len(images)} crops; give one class index a crop")
    weights = np.zeros((len(images), 1, classifier.outputs), np.float32)
    columns, count = classifier.columns("expression"), len(classifier.labels)
    if len(targets) and (targets.min() < 0 or targets.max() >= count):
        wrong = targets[(targets < 0) | (targets >= count)][0]
        raise UsageError(f"target {wrong} is no class of {classifier.name!r}; it has 0 to {count - 1}")
    weights[np.arange(len(targets)), 0, columns.start + targets] = 1
    done = None if on_done is None else lambda key, maps: on_done(key[0], maps)
    found = run_all(classifier, images, names, weights, on_done=done, **settings)
    return {name: maps for (name, _, _), maps in found.items()}


def run_all(
    classifier: Classifier,
    images: np.ndarray,
    names: str | Sequence[str],
    weights: np.ndarray,
    target_names: Sequence[str] = ("",),
    *,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    options: Options | None = None,
    precision: str = "float32",
    progress: bool = True,
    on_error: OnError = "raise",
    on_done: Callable[[Key, NativeMaps], object] | None = None,
    **faces: Callable[..., Any],
) -> dict[Key, NativeMaps]:
    """Maps of every explainer, layer and target, for crops (N, S, S, 3) uint8: (explainer, layer, target) → maps.

    weights: (N, T, columns), what each target makes of the network's outputs: one-hot for a class, +1 and −1 for a
    contrast. Forward passes are shared by all explainers, layers and targets that can share them. layers: for
    explainers that look at one ("" = the classifier's own, or the option `layer`). options: explainer → its options.
    precision: "bfloat16" computes perturbed forwards in half precision. faces: `regions` and `pictures` of `Job`.
    `on_done(key, maps)` is called as soon as an explainer is through, so that a long run can be kept. With
    on_error="record" an explainer that fails on this network comes back "not computed" with the reason, and the rest
    goes on; a wrong name or option is refused before any work either way. The network is left as it was, also after
    an error or an interrupt.
    """
    requests = chosen(names, options)
    wanted = layered(names, layers, options)
    images, weights = np.ascontiguousarray(images), np.ascontiguousarray(weights, dtype=np.float32)
    _check(classifier, images, weights, target_names, precision)
    groups: dict[tuple[Any, ...], list[tuple[str, Request]]] = {}
    for name, stated in requests.items():
        explainer = EXPLAINERS[name].value
        for layer in wanted:
            full = {**stated, "layer": layer} if layer else stated
            groups.setdefault(explainer.group(full), []).append((layer, (explainer, full)))
    result: dict[Key, NativeMaps] = {}
    bar = tqdm(
        total=len(images) * len(groups),
        desc=classifier.name,
        unit="face",
        file=sys.stderr,
        disable=None if progress else True,  # no bars into files and pipes
        leave=False,
    )
    with bar:
        job = Job(
            classifier,
            images,
            weights,
            tuple(target_names),
            seed,
            advance=bar.update,
            precision=precision,
            strict=on_error == "raise",
            **faces,
        )
        for group in groups.values():
            bar.set_postfix_str(", ".join(explainer.name for _, (explainer, _) in group), refresh=False)
            found = _group(job, [request for _, request in group], on_error)
            for (layer, (explainer, _)), per_target in zip(group, found, strict=True):
                for target, maps in zip(job.target_names, per_target, strict=True):
                    result[explainer.name, layer, target] = maps
                    if on_done is not None:
                        on_done((explainer.name, layer, target), maps)
    return {
        (name, layer, target): result[name, layer, target]
        for name in requests
        for layer in wanted
        for target in job.target_names
    }


def _group(job: Job, group: list[Request], on_error: str) -> list[list[NativeMaps]]:
    engine = importlib.import_module(group[0][0].engine)
    try:
        found: list[Found] = engine.compute(job, group)
    except Exception as error:
        if on_error == "raise" or not recordable(error):
            raise
        if len(group) > 1:  # one bad method must not take the others with it
            return [maps for request in group for maps in _group(job, [request], on_error)]
        found = [error]
    return [
        [_missing(job, one, options)] * job.targets if isinstance(one, Exception) else one
        for one, (_, options) in zip(found, group, strict=True)
    ]


def _missing(job: Job, error: Exception, options: Mapping[str, Any]) -> NativeMaps:
    line = " ".join(str(error).split()) or type(error).__name__
    return NativeMaps.missing(len(job.images), line[:300], options, str(options.get("layer", "")))


def _check(
    classifier: Classifier, images: np.ndarray, weights: np.ndarray, target_names: Sequence[str], precision: str
) -> None:
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise UsageError(f"crops of shape {images.shape} and type {images.dtype}; expected (N ≥ 1, S, S, 3) uint8")
    expected = (len(images), len(target_names), classifier.outputs)
    if weights.shape != expected or not len(target_names):
        raise UsageError(f"target weights of shape {weights.shape}; expected (crops, targets, outputs) = {expected}")
    if len(set(target_names)) < len(target_names):
        raise UsageError(f"a target is named twice among {', '.join(target_names)}")
    check_precision(precision)


def check_precision(precision: str) -> None:
    """UsageError for a precision that is none."""
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is not known; choose one of {', '.join(PRECISIONS)}")

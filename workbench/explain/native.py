"""Maps of one network as the methods made them: limits, controls and the store of finished maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.errors import UnknownNameError, UsageError
from workbench.explain.targets import Prediction, predict
from workbench.explainers import EXPLAINERS, NativeMaps, chosen, run
from workbench.vocabulary import ON_RANDOM_WEIGHTS, RANDOM_WEIGHTS

if TYPE_CHECKING:
    from workbench.classifiers.classifier import Classifier
    from workbench.faces.faceset import FaceSet

Options = Mapping[str, Mapping[str, Any]]


class Store(Protocol):
    """Where native maps are kept between runs; a key is everything that determines them, JSON-able."""

    def get(self, key: Mapping[str, Any]) -> NativeMaps | None:
        """The maps kept under `key`, or None."""

    def put(self, key: Mapping[str, Any], maps: NativeMaps) -> None:
        """Keep `maps` under `key`."""


def explain_native(
    classifier: Classifier,
    faces: FaceSet,
    names: str | Sequence[str],
    target: str = "predicted",
    *,
    seed: int = 0,
    options: Options | None = None,
    limit: Mapping[str, int] | None = None,
    controls: Sequence[str] = (),
    store: Store | None = None,
    progress: bool = True,
    prediction: Prediction | None = None,
) -> dict[str, NativeMaps]:
    """Maps of one network as the methods made them, methods first, then controls; arguments as in `explain`.

    An explainer that fails on this network comes back "not computed" with its reason; the rest goes on.
    """
    plan = planned(names, options, limit, controls)
    prediction = prediction or predict(classifier, faces, target)
    result: dict[str, NativeMaps] = {}
    for suffix in ("", ON_RANDOM_WEIGHTS):
        part = [name for name in plan if name.endswith(ON_RANDOM_WEIGHTS) == bool(suffix)]
        if not part:
            continue
        network = classifier
        if suffix:
            from workbench.classifiers.randomise import randomised

            network = randomised(classifier, seed)
        weights = fingerprint(network) if store is not None else ""
        for count in dict.fromkeys(_count(limit, name, len(faces)) for name in part):
            todo = {name.removesuffix(suffix) for name in part if _count(limit, name, len(faces)) == count}
            for name, maps in _some(network, faces, todo, prediction, count, seed, options, store, weights, progress):
                result[name + suffix] = maps
    return {name: result[name] for name in plan}


def _some(
    network: Classifier,
    faces: FaceSet,
    names: set[str],
    prediction: Prediction,
    count: int,
    seed: int,
    options: Options | None,
    store: Store | None,
    weights: str,
    progress: bool,
) -> Iterator[tuple[str, NativeMaps]]:
    """Maps of the first `count` faces: from the store where they are, computed and kept where they are not."""
    order = [name for name in EXPLAINERS.names() if name in names]
    requests = chosen(order, {name: value for name, value in (options or {}).items() if name in names})
    targets = prediction.target[:count]
    usable = np.flatnonzero(targets >= 0)
    if not len(usable):
        yield from ((name, NativeMaps.missing(count, "", requests[name])) for name in order)
        return
    digests = faces.table["sha256"].astype(str).tolist()
    keys = {
        name: {
            "weights": weights,
            "crops": [digests[i] for i in usable],
            "targets": targets[usable].tolist(),
            "places": usable.tolist(),
            "count": count,
            "explainer": name,
            "options": requests[name],
            "seed": seed,
            "version": package_version(),
        }
        for name in order
    }
    kept = {name: store.get(keys[name]) for name in order} if store is not None else {}
    fresh: dict[str, NativeMaps] = {}

    def keep(name: str, maps: NativeMaps) -> None:
        fresh[name] = _spread(maps, usable, count)
        if store is not None and not maps.reason:
            store.put(keys[name], fresh[name])

    todo = [name for name in order if kept.get(name) is None]
    if todo:
        run(
            network,
            faces.images[usable],
            todo,
            targets[usable],
            seed=seed,
            progress=progress,
            on_error="record",
            options={name: requests[name] for name in todo},
            on_done=keep,
        )
    for name in order:
        yield name, fresh[name] if name in fresh else kept[name]  # type: ignore[misc]


def _spread(maps: NativeMaps, places: np.ndarray, count: int) -> NativeMaps:
    if len(places) == count:
        return maps
    values = np.full((count, *maps.values.shape[1:]), np.nan, np.float32)
    values[places] = maps.values
    status = np.full(count, "not computed", object)
    status[places] = maps.status
    return NativeMaps(values, status.tolist(), maps.layer, maps.options, maps.reason)


def _count(limit: Mapping[str, int] | None, name: str, faces: int) -> int:
    limit = limit or {}
    return min(faces, limit.get(name, limit.get(name.removesuffix(ON_RANDOM_WEIGHTS), faces)))


def planned(
    names: str | Sequence[str], options: Options | None, limit: Mapping[str, int] | None, controls: Sequence[str]
) -> list[str]:
    """Every map set that will be made, in order; refuses unknown names before any work."""
    plan = list(chosen(names, options))
    free = [entry.name for entry in EXPLAINERS if entry.value.role == "control"]
    controls = [controls] if isinstance(controls, str) else list(controls)
    for name in controls:
        if name != RANDOM_WEIGHTS and name not in free:
            raise UnknownNameError("control", name, [RANDOM_WEIGHTS, *free])
    methods = [name for name in plan if EXPLAINERS[name].value.role == "method"]
    plan += [name for name in dict.fromkeys(controls) if name != RANDOM_WEIGHTS and name not in plan]
    plan += [name + ON_RANDOM_WEIGHTS for name in methods] if RANDOM_WEIGHTS in controls else []
    if limit is not None and not isinstance(limit, Mapping):
        raise UsageError(
            f"limit is a mapping from explainer to a number of faces, such as {{'lime': 8}}, not {limit!r}"
        )
    for name, count in (limit or {}).items():
        EXPLAINERS[name.removesuffix(ON_RANDOM_WEIGHTS)]
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise UsageError(f"limit {count!r} of {name!r} should be a number of faces, 0 or more")
    return plan


def package_version() -> str:
    """Version of the installed package, "unknown" in a bare checkout."""
    try:
        return version("facs-workbench")
    except PackageNotFoundError:
        return "unknown"


def fingerprint(classifier: Classifier) -> str:
    """SHA-256 of everything that decides a network's maps: structure, weights, preprocessing, labels, CAM layer."""
    said = (str(classifier.module), classifier.preprocessing, classifier.labels, classifier.cam_layer)
    digest = hashlib.sha256(repr(said).encode())
    for name, tensor in classifier.module.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).tobytes())
    return digest.hexdigest()

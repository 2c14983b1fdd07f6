"""Maps of one network as the methods made them: limits, controls and the store of finished maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.errors import UnknownNameError, UsageError
from workbench.explain.regions import Pictures, Regions, check_drawable, face_pictures, region_masks
from workbench.explain.targets import Aim, Prediction, predict
from workbench.explainers import EXPLAINERS, NativeMaps, chosen
from workbench.explainers.run import Key, layered, run_all
from workbench.explainers.smoothing import Smoothed
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
    target: str | Sequence[str] = "predicted",
    *,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    options: Options | None = None,
    limit: Mapping[str, int] | None = None,
    controls: Sequence[str] = (),
    precision: str = "float32",
    store: Store | None = None,
    progress: bool = True,
    prediction: Prediction | None = None,
) -> dict[Key, NativeMaps]:
    """Maps of one network as the methods made them, (explainer, layer, target) → maps; arguments as in `explain`.

    Methods come first, then controls; `layer` is "" where none was asked for. An explainer that fails on this network
    comes back "not computed" with its reason; the rest goes on.
    """
    plan = planned(names, options, limit, controls)
    stated = chosen(_methods(plan), options)
    prediction = prediction or predict(classifier, faces, target)
    wanted = layered(_methods(plan), layers, options)
    there = np.any([aim.weights.any(1) for aim in prediction.aims], axis=0)
    for name, given in stated.items():
        check_drawable(faces, np.flatnonzero(there[: _count(limit, name, len(faces))]).tolist(), given)
    regions, pictures = (
        region_masks(faces),
        face_pictures(faces),
    )  # what they keep serves the trained network and controls
    result: dict[Key, NativeMaps] = {}
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
            work = _Work(
                network,
                weights,
                faces,
                regions,
                pictures,
                prediction,
                count,
                layers,
                seed,
                options,
                precision,
                store,
                progress,
            )
            for (name, layer, aim), maps in work.maps(todo).items():
                result[name + suffix, layer, aim] = maps
    order = [(name, layer, aim.target) for name in plan for layer in wanted for aim in prediction.aims]
    return {key: result[key] for key in order}


@dataclass(frozen=True)
class _Work:
    """The first `count` faces of one network: maps from the store where they are, computed and kept elsewhere."""

    network: Classifier
    weights: str
    faces: FaceSet
    regions: Regions
    pictures: Pictures
    prediction: Prediction
    count: int
    layers: Sequence[str] | None
    seed: int
    options: Options | None
    precision: str
    store: Store | None
    progress: bool

    def maps(self, names: set[str]) -> dict[Key, NativeMaps]:
        order = sorted(names, key=_place)
        requests = chosen(order, {name: value for name, value in (self.options or {}).items() if name in names})
        wanted = layered(_methods(order), self.layers, requests)
        aims = self.prediction.aims
        keys = [(name, layer, aim.target) for name in order for layer in wanted for aim in aims]
        usable = np.flatnonzero(np.any([aim.weights[: self.count].any(1) for aim in aims], axis=0))
        if not len(usable):
            return {key: NativeMaps.missing(self.count, "", requests[key[0]], key[1]) for key in keys}
        kept = {key: self._kept(key, requests, usable) for key in keys}
        todo = list(dict.fromkeys(name for name, layer, aim in keys if kept[name, layer, aim] is None))
        fresh: dict[Key, NativeMaps] = {}

        def keep(key: Key, maps: NativeMaps) -> None:
            fresh[key] = self._spread(maps, usable, key[2])
            if self.store is not None and not maps.reason:
                self.store.put(self._key(key, requests, usable), fresh[key])

        if todo:
            run_all(
                self.network,
                self.faces.images[usable],
                todo,
                np.stack([aim.weights[usable] for aim in aims], axis=1),
                [aim.target for aim in aims],
                layers=self.layers if any("layer" in requests[name] for name in todo) else None,
                seed=self.seed,
                options={name: requests[name] for name in todo},
                precision=self.precision,
                progress=self.progress,
                on_error="record",
                on_done=keep,
                regions=lambda name, index: self.regions(name, int(usable[index])),
                pictures=lambda name, index: self.pictures(name, int(usable[index])),
            )
        return {key: fresh[key] if key in fresh else kept[key] for key in keys}  # type: ignore[misc]

    def _kept(self, key: Key, requests: Mapping[str, Mapping[str, Any]], usable: np.ndarray) -> NativeMaps | None:
        return None if self.store is None else self.store.get(self._key(key, requests, usable))

    def _aim(self, target: str) -> Aim:
        return next(aim for aim in self.prediction.aims if aim.target == target)

    def _key(self, key: Key, requests: Mapping[str, Mapping[str, Any]], usable: np.ndarray) -> dict[str, Any]:
        """Everything that determines these maps."""
        name, layer, target = key
        aim = self._aim(target)
        digests = self.faces.table["sha256"].astype(str).tolist()
        found = {
            "weights": self.weights,
            "crops": [digests[i] for i in usable],
            "targets": hashlib.sha256(np.ascontiguousarray(aim.weights[usable]).tobytes()).hexdigest(),
            "places": usable.tolist(),
            "count": self.count,
            "explainer": name,
            "options": {**requests[name], **({"layer": layer} if layer else {})},
            "seed": self.seed,
            "precision": self.precision,
            "version": package_version(),
        }
        average = requests[name].get("fill") == "average_face"
        if average:  # made of all faces
            found["faces"] = digests
        if average or "regions" in requests[name]:  # drawn by landmarks
            found["landmarks"] = hashlib.sha256(np.ascontiguousarray(self.faces.landmarks).tobytes()).hexdigest()
        return found

    def _spread(self, maps: NativeMaps, usable: np.ndarray, target: str) -> NativeMaps:
        """Maps of the usable faces as maps of the first `count`; none where this target has nothing to explain."""
        aim = self._aim(target)
        there = aim.weights[usable].any(1)
        if len(usable) == self.count and there.all():
            return maps
        values = np.full((self.count, *maps.values.shape[1:]), np.nan, np.float32)
        values[usable[there]] = maps.values[there]
        status = np.full(self.count, "not computed", object)
        status[usable[there]] = np.array(maps.status, object)[there]
        parts = None
        if maps.parts is not None:
            parts = np.full((self.count, maps.parts.shape[1]), np.nan, np.float32)
            parts[usable[there]] = maps.parts[there]
        return replace(maps, values=values, status=status.tolist(), parts=parts)


def _methods(names: Sequence[str]) -> list[str]:
    """Explainers as they are registered, controls on random weights by the method that they control."""
    return list(dict.fromkeys(name.removesuffix(ON_RANDOM_WEIGHTS) for name in names))


def _place(name: str) -> tuple[int, str]:
    """Order of registration; derived names behind."""
    known = EXPLAINERS.names()
    return (known.index(name) if name in known else len(known), name)


def _count(limit: Mapping[str, int] | None, name: str, faces: int) -> int:
    limit = limit or {}
    return min(faces, limit.get(name, limit.get(name.removesuffix(ON_RANDOM_WEIGHTS), faces)))


def planned(
    names: str | Sequence[str], options: Options | None, limit: Mapping[str, int] | None, controls: Sequence[str]
) -> list[str]:
    """Every map set that will be made, in order; refuses unknown names before any work."""
    plan = list(chosen(names, options))
    free = [entry.name for entry in EXPLAINERS if entry.value.role == "control"]
    if not isinstance(controls, Iterable):
        raise UsageError(f"controls are given by name, not as {controls!r}; () for none")
    controls = [controls] if isinstance(controls, str) else list(controls)
    for name in controls:
        if name != RANDOM_WEIGHTS and name not in free:
            raise UnknownNameError("control", name, [RANDOM_WEIGHTS, *free])
    methods = [name for name in plan if EXPLAINERS[name].value.role == "method"]
    plan += [name for name in dict.fromkeys(controls) if name != RANDOM_WEIGHTS and name not in plan]
    plan += [name + ON_RANDOM_WEIGHTS for name in methods] if RANDOM_WEIGHTS in controls else []
    smoothed = {name: Smoothed.under(EXPLAINERS[name].value).name for name in methods if "(" in name}
    for name in options or {}:  # options of others may wait in the same table; near misses of smooth(…) may not
        if name not in plan and ("(" in name or name in smoothed.values()):
            raise UsageError(f"options are given for {name!r}, and asked for is {', '.join(smoothed or plan)}")
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
    said = (str(classifier.module), classifier.preprocessing, dict(classifier.heads), classifier.cam_layer)
    digest = hashlib.sha256(repr(said).encode())
    for name, tensor in classifier.module.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy()).tobytes())
    return digest.hexdigest()

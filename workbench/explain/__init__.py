"""Classifiers + faces + explainers → heatmaps on the canonical face, one float32 array with everything named.

`explain` is the whole road. Its parts can be used apart: `predict`, `explain_native` (what the methods made, at their
own resolution), `to_canonical` (warp) and `assemble` (name and stack).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from workbench.canonical import IBUG, load_frame
from workbench.classifiers.classifier import Classifier
from workbench.errors import UsageError
from workbench.explain.assembly import assemble, named, to_canonical
from workbench.explain.au_maps import au_heatmap
from workbench.explain.native import Options, Store, explain_native, fingerprint, planned
from workbench.explain.parts import region_table
from workbench.explain.regions import frame_for
from workbench.explain.targets import Aim, Prediction, predict, wanted_targets
from workbench.explainers.run import check_precision, layered
from workbench.faces.faceset import FaceSet

__all__ = [
    "Aim",
    "Prediction",
    "Store",
    "assemble",
    "au_heatmap",
    "check_request",
    "explain",
    "explain_native",
    "fingerprint",
    "predict",
    "region_table",
    "to_canonical",
]


def explain(
    classifiers: Classifier | Sequence[Classifier],
    faces: FaceSet,
    explainers: str | Sequence[str],
    *,
    target: str | Sequence[str] = "predicted",
    layers: Sequence[str] | None = None,
    frame: str = "mediapipe478",
    seed: int = 0,
    options: Options | None = None,
    limit: Mapping[str, int] | None = None,
    controls: Sequence[str] = (),
    precision: str = "float32",
    store: Store | None = None,
    progress: bool = True,
) -> Any:
    """Heatmaps of every explainer for every network and face.

    target: see `predict`; a list of them adds the dimension `target`, and shares the forward passes. layers: names of
    layers for explainers that look at one; adds the dimension `layer`. options: explainer → its options. limit:
    explainer → only the first n faces. controls: "random_weights" (every method again on the network with random
    weights, as `<explainer>@random_weights`), "edge_map", or another explainer of role "control". precision:
    "bfloat16" makes perturbed forwards in half precision. store: maps already there are not computed again.

    Returns a DataArray (model, explainer, image, y, x) float32 in the canonical `frame`, raw and signed, NaN where a
    map has no data; coordinates status, role, control_of, layer, predicted, explained, `probability_<class>` (other
    heads: `au_<number>`, `<head>_<label>`), label, subject, sha256 and `group_<column>`; failures of single explainers
    in `attrs["failures"]` (JSON), the score that was explained in `attrs["target_space"]`. With frame="native", a dict
    (model, explainer) → DataArray (image, y, x) at the method's own resolution instead; with layers, (model,
    explainer, layer).

    Raises UnknownNameError for an unknown explainer, option, control, frame or mask set, and UsageError for a wrong
    value, a target that no network has, and faces on which regions or the average face cannot be drawn; before any
    work.
    """
    networks = _networks(classifiers)
    if not isinstance(faces, FaceSet):
        raise UsageError(f"faces are a FaceSet, not {type(faces).__name__}; make it with load_faces(…)")
    names = [network.name for network in networks]
    if len(set(names)) != len(names) or not names:
        raise UsageError(f"classifiers named {', '.join(names) or '(none)'}; give at least one, each with its own name")
    if not len(faces):
        raise UsageError("there is no face to explain; see FaceSet.failures for what could not be used")
    if store is not None and not (hasattr(store, "get") and hasattr(store, "put")):
        raise UsageError(f"a store has get and put, as workbench.study.store.MapStore(Path(…)) has, not {store!r}")
    check_request(
        explainers,
        target=target,
        layers=layers,
        frame=frame,
        seed=seed,
        options=options,
        limit=limit,
        controls=controls,
        precision=precision,
    )
    if frame != "native" and load_frame(frame).scheme not in (faces.scheme, IBUG):  # 478 points give 68, not back
        raise UsageError(
            f"faces with landmarks of {faces.scheme!r} cannot be shown in the frame {frame!r}; "
            f"say frame={frame_for(faces)!r} or 'native'"
        )
    targets = [one.name for one in wanted_targets(target, faces)]
    target = targets[0] if isinstance(target, str) else targets
    predictions = {network.name: predict(network, faces, target) for network in networks}
    _refuse_nothing(networks, predictions)
    native = {}
    for network in networks:
        native[network.name] = explain_native(
            network,
            faces,
            explainers,
            target,
            layers=layers,
            seed=seed,
            options=options,
            limit=limit,
            controls=controls,
            precision=precision,
            store=store,
            progress=progress,
            prediction=predictions[network.name],
        )
    if frame == "native":
        several = isinstance(target, list)
        result = {}
        for model, found in native.items():
            for name, layer in dict.fromkeys(key[:2] for key in found):
                of_this = {key: maps for key, maps in found.items() if key[:2] == (name, layer)}
                place = (model, name, layer) if layers is not None else (model, name)
                result[place] = named(of_this, faces, several=several)
        return result
    return assemble(
        native, predictions, faces, frame=frame, target=target, layers=layers, seed=seed, precision=precision
    )


def check_request(
    explainers: str | Sequence[str],
    *,
    target: str | Sequence[str] = "predicted",
    layers: Sequence[str] | None = None,
    frame: str = "mediapipe478",
    seed: int = 0,
    options: Options | None = None,
    limit: Mapping[str, int] | None = None,
    controls: Sequence[str] = (),
    precision: str = "float32",
) -> None:
    """Arguments of `explain`, checked as far as they can be before networks and faces are there; same errors."""
    plan = planned(explainers, options, limit, controls)
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise UsageError(f"the seed must be a whole number from 0 to 2^63 − 1, not {seed!r}")
    wanted_targets(target)
    layered([name for name in plan if "@" not in name], layers, options)
    check_precision(precision)
    if frame != "native":
        load_frame(frame)


def _refuse_nothing(networks: Sequence[Classifier], predictions: Mapping[str, Prediction]) -> None:
    """UsageError where no network has any of the targets for any face: there would be no map at all."""
    aims = [(network, aim) for network in networks for aim in predictions[network.name].aims]
    if any(aim.weights.any() for _, aim in aims):
        return
    reasons = "; ".join(f"{network.name!r} has {aim.reason}" for network, aim in aims if aim.reason)
    head, labels = next(iter(predictions[networks[0].name].heads.items()))
    raise UsageError(f"there is nothing to explain: {reasons}; say another target, such as '{head}:{labels[0]}'")


def _networks(given: Any) -> list[Classifier]:
    several = (
        isinstance(given, Iterable) and not isinstance(given, str | Classifier | type) and not hasattr(given, "forward")
    )
    networks = list(given) if several else [given]
    for network in networks:
        if not isinstance(network, Classifier):
            raise UsageError(
                f"a network is a Classifier, not {type(network).__name__}; make it with load_classifier(…)"
            )
    return networks

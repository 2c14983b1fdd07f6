"""Faithfulness scores of maps of many networks and explainers, each beside its content-free references."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from tqdm import tqdm

from workbench.classifiers.classifier import Classifier
from workbench.errors import UnknownNameError, UsageError
from workbench.explain import explain, predict
from workbench.explain.regions import check_drawable
from workbench.faces.faceset import FaceSet
from workbench.faithfulness.face_scores import FaceScores
from workbench.faithfulness.registry import FAITHFULNESS, FaithfulnessScore
from workbench.faithfulness.request import check, coordinates, job_of, networks_of, refuse_nothing
from workbench.heatmaps.checks import NON_FINITE, OK, status_of

DEFAULT: Final = (
    "deletion",
    "insertion",
    "insertion_deletion",
    "road",
    "average_drop",
    "sensitivity_n",
    "infidelity",
)
DRAWS: Final = 10
STEPS: Final = 20
REFERENCES: Final = ("random", "centre", "mean_map", "edge")

Maps = Mapping[tuple[str, str], xr.DataArray]


def faithfulness(
    classifiers: Classifier | Sequence[Classifier],
    faces: FaceSet,
    maps: Maps | None = None,
    explainers: str | Sequence[str] | None = None,
    *,
    scores: str | Sequence[str] = DEFAULT,
    target: str = "predicted",
    fill: str = "blur",
    steps: int = STEPS,
    space: str = "probability",
    seed: int = 0,
    controls: bool = True,
    draws: int = DRAWS,
    precision: str = "float32",
    limit: int | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """How well maps say what the network's score depends on, beside maps that know nothing of it.

    maps: what `explain(…, frame="native")` gives for the same faces and target, (model, explainer) → (image, y, x);
    or None and `explainers` by name. scores: names of `FAITHFULNESS`. fill: what stands in hidden places, one of
    black, zero, mean, blur, noise, average_face. steps: of deletion and insertion curves. space: "probability" or
    "logit". limit: only the first so many faces are scored (the mean map is of all). Random numbers depend on seed
    and crop alone.

    Returns a Dataset (model, explainer, image): each score under its name, NaN where `reason` says why, and curves as
    `<score>_curve`. Beside it the same score of references: `random_<score>` (mean of `draws` smooth random maps, the
    same for all explainers of a network, with `p_<score>`: (1 + how many are at least as good) / (1 + draws), and
    `random_<score>_curve`), `centre_<score>` (Gaussian in the middle), `mean_map_<score>` (mean map of the *other*
    images of that network and explainer) and `edge_<score>`. attrs: fill, steps, space, target, seed, draws,
    resolution (the smallest p). controls=False leaves the references out, for a look at curves only.

    Raises UnknownNameError for an unknown score, explainer or fill, UsageError for maps of other faces, of another
    target or of a frame, and for values out of range, before any work.
    """
    networks = networks_of(classifiers)
    chosen = {
        name: FAITHFULNESS[name].value for name in dict.fromkeys([scores] if isinstance(scores, str) else scores or ())
    }
    check(faces, target, fill, space, precision, steps=steps, draws=draws, seed=seed, limit=limit)
    if not chosen:
        raise UsageError(f"no score was named; known: {', '.join(FAITHFULNESS.names())}")
    if (maps is None) == (explainers is None):
        raise UsageError("give either maps, as explain(…, frame='native') makes them, or explainers by name")
    count = len(faces) if limit is None else min(limit, len(faces))
    if maps is None:
        settings: dict[str, Any] = {"target": target, "seed": seed, "precision": precision, "progress": progress}
        maps = explain(networks, faces, explainers or (), frame="native", **settings)
    order = _checked(maps, [network.name for network in networks], faces, target)
    check_drawable(faces, range(count), {"fill": fill})
    predictions = {network.name: predict(network, faces, target) for network in networks}
    refuse_nothing(networks, list(predictions.values()))
    found = []
    with tqdm(
        total=count * len(networks),
        desc="faithfulness",
        unit="face",
        file=sys.stderr,
        disable=None if progress else True,
        leave=False,
    ) as bar:
        for network in networks:
            job = job_of(network, faces, predictions[network.name], seed, precision)
            own = {name: _as_it_is(maps[network.name, name]) for name in order if (network.name, name) in maps}
            scorer = FaceScores(job, own, order, chosen, draws if controls else 0, faces, fill, space, steps)
            found.append(scorer.scored(count, bar.update))
    attrs = {
        "fill": fill,
        "steps": steps,
        "space": space,
        "target": target,
        "seed": seed,
        "draws": draws if controls else 0,
        "resolution": 1 / (draws + 1) if controls else float("nan"),
        "scores": list(chosen),
        "references": list(REFERENCES) if controls else [],
        "precision": precision,
        "summary": json.dumps({name: FAITHFULNESS[name].as_dict() for name in chosen}, default=str),
    }
    coords = coordinates(networks, faces, count, list(predictions.values())) | {"explainer": order}
    return _dataset(found, coords, chosen, steps, attrs)


def _checked(maps: Maps, models: Sequence[str], faces: FaceSet, target: str) -> list[str]:
    """The explainers in order; UsageError or UnknownNameError for maps that do not belong to what is asked."""
    if not isinstance(maps, Mapping):
        raise UsageError(f"maps are what explain(…, frame='native') gives, not {type(maps).__name__}")
    for key, one in maps.items():
        if not isinstance(key, tuple) or len(key) != 2:
            raise UsageError(f"maps are keyed by (model, explainer), not {key!r}; of several layers give one")
        if not isinstance(one, xr.DataArray):
            raise UsageError(f"the maps of {key} are of type {type(one).__name__}, not an xarray.DataArray as native")
        if one.dims != ("image", "y", "x"):
            raise UsageError(
                f"the maps of {key} have the dimensions {one.dims}; expected ('image', 'y', 'x') as native"
            )
        if "status" not in one.coords:
            raise UsageError(f"the maps of {key} have no coordinate 'status', which explain(…, frame='native') gives")
        said = [str(name) for name in one["image"].values]
        if said != faces.names[: len(said)]:
            raise UsageError(f"the maps of {key} are of other faces, or in another order; explain these faces")
        if one.attrs.get("target", target) != target:
            raise UsageError(f"the maps of {key} explain {one.attrs['target']!r}; say target={one.attrs['target']!r}")
    for model in models:
        if not any(key[0] == model for key in maps):
            raise UnknownNameError("network among the maps:", model, {key[0] for key in maps})
    return list(dict.fromkeys(explainer for model, explainer in maps if model in models))


def _as_it_is(maps: xr.DataArray) -> xr.DataArray:
    """Maps whose status is that of their values where it says `ok`, as maps may have been changed since."""
    values, status = maps.values, maps["status"].values.astype(object)
    for index in np.flatnonzero(status == OK):
        status[index] = status_of(values[index])
        if status[index] == OK and np.isnan(values[index]).any():
            status[index] = NON_FINITE
    return maps.assign_coords(status=(maps["status"].dims, status.astype(str)))


def _dataset(
    found: Sequence[Mapping[str, np.ndarray]],
    coords: dict[str, Any],
    chosen: Mapping[str, FaithfulnessScore],
    steps: int,
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    curves = {}
    for name, score in chosen.items():
        if score.axis is not None:
            coords[score.axis[0]] = score.axis[1](steps)
            curves[f"{name}_curve"] = curves[f"random_{name}_curve"] = score.axis[0]
    variables = {}
    for name in found[0]:
        dims = ("model", "explainer", "image") if not name.startswith("random_") else ("model", "image")
        variables[name] = ((*dims, curves[name]) if name in curves else dims, np.stack([one[name] for one in found]))
    return xr.Dataset(variables, coords, dict(attrs))

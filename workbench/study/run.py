"""A study's faces × classifiers × explainers, map by map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import FrameMismatchError
from workbench.study.file import DEMO, Study
from workbench.study.store import MapStore

if TYPE_CHECKING:
    import xarray as xr

    from workbench.classifiers import Classifier
    from workbench.faces import FaceSet
    from workbench.masks import MaskSet


@dataclass(frozen=True)
class StudyResult:
    """Everything that a report of the study needs; `notes` are sentences for the reader."""

    maps: xr.DataArray
    masks: tuple[MaskSet, ...]
    faces: FaceSet
    classifiers: tuple[Classifier, ...]
    provenance: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


def run_study(
    study: Study, *, store: str | Path | None = None, fresh: bool = False, progress: bool = True
) -> StudyResult:
    """Load, explain and assemble; maps already in the store are not computed again.

    Every name is looked up before any work, so that a slip costs seconds. An interrupted run keeps each finished
    (classifier, explainer) pair.
    """
    from workbench.classifiers import load_classifier
    from workbench.explain import check_request, explain
    from workbench.masks import load_masks

    check_request(
        study.explainers,
        target=study.target,
        frame=study.frame,
        seed=study.seed,
        options=study.options,
        limit=study.limit,
        controls=study.controls,
    )
    masks = tuple(
        load_masks(_near(study, row["name"]), frame=study.frame, **{k: v for k, v in row.items() if k != "name"})
        for row in study.masks
    )
    for one in masks:
        if one.frame != study.frame:
            raise FrameMismatchError(
                f"{study.file}: the masks {one.name!r} are in frame {one.frame!r} and the maps would be in "
                f"{study.frame!r}; write frame = {one.frame!r} in [explain], or give masks in {study.frame!r}"
            )
    classifiers = tuple(load_classifier(**_with_paths(study, row)) for row in study.classifiers)
    faces = _load_faces(study, progress)
    maps = explain(
        classifiers,
        faces,
        study.explainers,
        target=study.target,
        frame=study.frame,
        seed=study.seed,
        options=study.options,
        limit=study.limit,
        controls=study.controls,
        progress=progress,
        store=MapStore(_store_folder(study, store), fresh=fresh),
    )
    return StudyResult(maps, masks, faces, classifiers, _provenance(study), _notes(study, faces))


def _near(study: Study, name: str) -> str:
    """A path in a study file is meant relative to that file."""
    candidate = study.file.parent / name
    return str(candidate) if study.file != DEMO and candidate.exists() else name


def _with_paths(study: Study, row: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(row)
    arguments["name_or_module_or_path"] = _near(study, arguments.pop("name"))
    if "checkpoint" in arguments:
        arguments["checkpoint"] = _near(study, arguments["checkpoint"])
    if "alias" in arguments:
        arguments["name"] = arguments.pop("alias")
    return arguments


def _load_faces(study: Study, progress: bool) -> FaceSet:
    from workbench.faces import demo_faces, load_faces

    options = {key: value for key, value in study.faces.items() if key != "source"}
    if study.faces["source"] == "demo":
        return demo_faces(**options)
    if "landmarks" in options:
        options["landmarks"] = _near(study, options["landmarks"])
    return load_faces(_near(study, study.faces["source"]), progress=progress, **options)


def _store_folder(study: Study, store: str | Path | None) -> Path:
    if store is not None:
        return Path(store)
    from workbench.assets import cache_folder

    return cache_folder() / "studies" / study.name


def assets_of(study: Study) -> list[str]:
    """Names of the assets that a study needs: the landmark model, its zoo networks, the demo's photographs."""
    from workbench.assets import ASSETS

    names = ["face-landmarker", *(str(row["name"]) for row in study.classifiers)]
    if study.faces["source"] == "demo":
        names.append("collage")
    return [name for name in names if name in ASSETS]


def _provenance(study: Study) -> tuple[Mapping[str, Any], ...]:
    from workbench.assets import ASSETS

    return tuple(ASSETS[name].value.as_dict() for name in assets_of(study))


def _notes(study: Study, faces: FaceSet) -> tuple[str, ...]:
    notes = list(faces.notes)
    if faces.failures:
        names, count = ", ".join(failure.name for failure in faces.failures), len(faces.failures)
        notes.append(f"No usable face in {count} of {len(faces) + count} pictures: {names}.")
    for name, count in study.limit.items():
        if count < len(faces):
            notes.append(f"{name} was computed on the first {count} of {len(faces)} faces: the study's limit.")
    return tuple(notes)

"""A study file → faces × classifiers × explainers, kept map by map in a store so that a run can be resumed."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import FrameMismatchError, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from workbench.classifiers import Classifier
    from workbench.explainers import NativeMaps
    from workbench.faces import FaceSet
    from workbench.masks import MaskSet

DEMO = Path(__file__).with_name("demo.toml")


@dataclass(frozen=True)
class Study:
    """What a study file says.

    faces: `source` ("demo" or a path) and options of `load_faces`. classifiers, masks: one table each, the
    arguments of `load_classifier` and `load_masks`. limit: explainer → first n faces only. options: explainer →
    its options. controls: maps that need a network or faces (`random_weights`, `edge_map`).
    """

    name: str
    faces: Mapping[str, Any]
    classifiers: tuple[Mapping[str, Any], ...]
    masks: tuple[Mapping[str, Any], ...]
    explainers: tuple[str, ...]
    title: str = ""
    caveat: str = ""
    target: str = "predicted"
    frame: str = "mediapipe478"
    seed: int = 0
    controls: tuple[str, ...] = ()
    limit: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    embed_faces: bool = True
    file: Path = DEMO


@dataclass(frozen=True)
class StudyResult:
    """Everything that a report of the study needs; `notes` are sentences for the reader."""

    maps: xr.DataArray
    masks: tuple[MaskSet, ...]
    faces: FaceSet
    classifiers: tuple[Classifier, ...]
    provenance: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


_KINDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "text": ("a text", (str,)),
    "whole": ("a whole number", (int,)),
    "number": ("a number", (int, float)),
    "numbers": ("a number or a list of numbers", (int, float, list)),
    "switch": ("true or false", (bool,)),
    "names": ("a list", (list,)),
    "table": ("a table", (dict,)),
    "tables": ("a list of tables", (list,)),
    "labels": ("a list of names", (list, str, dict)),
}


def _keys(**kinds: str) -> dict[str, str]:
    """Key → kind, from kind → keys."""
    return {key: kind for kind, keys in kinds.items() for key in keys.split()}


_TOP = _keys(text="name title caveat", table="faces explain report", tables="classifiers masks")
_EXPLAIN = _keys(names="explainers controls", text="target frame", whole="seed", table="limit options")
_REPORT = _keys(switch="embed_faces")
_FACES = _keys(text="source", switch="all_faces", whole="size", number="margin")
_DEMO_FACES = _keys(text="source", switch="collage", whole="size")
_MASKS = _keys(text="name codebook")
_CLASSIFIER = _keys(
    text="name alias checkpoint layer device",
    labels="labels",
    numbers="size mean std",
    whole="channels",
    switch="pretrained random_weights",
)


def load_study(path: str | Path | None = None) -> Study:
    """The study of a TOML file, or the demo study for None; UsageError names the file, the key and the way out."""
    file = DEMO if path is None else Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no study file {file}; run `workbench report` without one for the demo") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as a study file ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from None
    _fitting(file, "the top level", table, _TOP)
    explain, report = table.get("explain", {}), table.get("report", {})
    _fitting(file, "[explain]", explain, _EXPLAIN)
    _fitting(file, "[report]", report, _REPORT)
    for key in ("faces", "classifiers", "masks", "explain"):
        if not table.get(key):
            raise UsageError(f"{file} lacks [{key}]; copy it from the demo study ({DEMO.name}, see docs/how-to)")
    if not explain.get("explainers"):
        raise UsageError(f"{file}: [explain] names no explainers; see `workbench list explainers`")
    for key in ("classifiers", "masks"):
        for row in table[key]:
            if not isinstance(row, dict) or "name" not in row:
                raise UsageError(f"{file}: every [[{key}]] needs a name; see `workbench list {key}`")
        for row in table[key]:
            _fitting(file, f"[[{key}]] {row['name']!r}", row, _CLASSIFIER if key == "classifiers" else _MASKS)
    if "source" not in table["faces"]:
        raise UsageError(f'{file}: [faces] needs source = a folder, a table or "demo"')
    _fitting(file, "[faces]", table["faces"], _DEMO_FACES if table["faces"]["source"] == "demo" else _FACES)
    if explain.get("frame") == "native":
        raise UsageError(f"{file}: a report needs maps in one frame, and 'native' is none; leave frame out")
    name = table.get("name", file.stem)
    if not name.strip() or name.startswith(".") or set(name) & set("/\\:"):
        raise UsageError(f"{file}: the name {name!r} also names a folder; leave out / \\ : and a dot in front")
    rest: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in explain.items() if key != "explainers"
    }
    return Study(
        name=name,
        title=table.get("title", ""),
        caveat=table.get("caveat", ""),
        faces=table["faces"],
        classifiers=tuple(table["classifiers"]),
        masks=tuple(table["masks"]),
        explainers=tuple(explain["explainers"]),
        embed_faces=bool(report.get("embed_faces", True)),
        file=file,
        **rest,
    )


def _fitting(file: Path, where: str, table: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Refuses an unknown key, and a value of another kind than the key takes."""
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise UsageError(f"{file}: unknown key {key!r} at {where}; {hint}")
        wanted, types = _KINDS[known[key]]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise UsageError(f"{file}: {key} = {value!r} at {where} should be {wanted}")


def run_study(
    study: Study, *, store: str | Path | None = None, fresh: bool = False, progress: bool = True
) -> StudyResult:
    """Load, explain and assemble; maps already in the store are not computed again.

    Every name is looked up before any work, so that a slip costs seconds. An interrupted run keeps each finished
    (classifier, explainer) pair.
    """
    from workbench.classifiers import load_classifier
    from workbench.explain import explain
    from workbench.explain.native import planned
    from workbench.masks import load_masks

    planned(study.explainers, study.options, study.limit, study.controls)
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
            notes.append(f"{name} was computed on the first {count} of {len(faces)} faces, to save time.")
    return tuple(notes)


@cache
def _methods() -> str:
    """SHA-256 over the source text of the explainers."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).with_name("explainers").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


class MapStore:
    """Native maps on disk, one file per key; written whole or not at all.

    A key is any JSON-able description of what determines a map (weights, crops, explainer, options, targets, seed);
    the source text of the explainers is part of every key, so that a change of method never meets an old map.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder, self.fresh = folder, fresh

    def _path(self, key: Mapping[str, Any]) -> Path:
        text = json.dumps({**key, "methods": _methods()}, sort_keys=True, default=str)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npz"

    def get(self, key: Mapping[str, Any]) -> NativeMaps | None:
        """The maps kept under `key`, or None; a damaged file counts as absent."""
        from workbench.explainers import NativeMaps

        path = self._path(key)
        if self.fresh or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                meta = json.loads(str(kept["meta"]))
                return NativeMaps(values=kept["values"], **meta)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None

    def put(self, key: Mapping[str, Any], maps: NativeMaps) -> None:
        """Keep `maps` under `key`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        meta = {f.name: getattr(maps, f.name) for f in fields(maps) if f.name != "values"}
        handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, values=maps.values, meta=np.array(json.dumps(meta, default=list)))
            Path(temporary).replace(self._path(key))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

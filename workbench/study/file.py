"""What a study file may say, checked key by key before any work."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import UsageError

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
_FACES = _keys(text="source layout landmarks", switch="all_faces cropped", whole="size", number="margin")
_DEMO_FACES = _keys(text="source", switch="collage", whole="size")
_MASKS = _keys(text="name codebook side weights", switch="soft")
_CLASSIFIER = _keys(
    text="name alias checkpoint layer device",
    labels="labels",
    numbers="size mean std",
    whole="channels",
    switch="pretrained random_weights",
    table="heads",
    names="tokens",
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

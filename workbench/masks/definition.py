"""A mask set as data: `maskset.toml`, read and checked. No code per set."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.canonical import FRAMES, IBUG, MEDIAPIPE
from workbench.errors import UnreadableFileError, UsageError
from workbench.masks.geometry import KINDS, REFERENCES
from workbench.masks.maskset import DIMENSIONS, check_name
from workbench.masks.points import check_helper, check_length
from workbench.masks.soft import RULES

TEXTS: Final = ("summary", "citation", "licence", "authority")
_SCHEMES: Final = (MEDIAPIPE, IBUG)
_KEYS: Final = {
    *TEXTS,
    "name",
    "caveat",
    "dimension",
    "landmarks",
    "frames",
    "drawn_on",
    "symmetric",
    "axes",
    "whole_pixels",
    "points",
    "lengths",
    "rim",
    "soft",
    "indistinguishable",
    "masks",
}
_TYPES: Final[dict[str, type]] = {
    "frames": list,
    "symmetric": bool,
    "whole_pixels": bool,
    "points": dict,
    "lengths": dict,
    "rim": dict,
    "soft": dict,
    "indistinguishable": list,
}


@dataclass(frozen=True)
class Definition:
    """A parsed `maskset.toml`; `table` is its content, keys and types checked, points not yet resolved."""

    path: Path
    name: str
    table: dict[str, Any]

    @property
    def frames(self) -> list[str]:
        """The frames on which the set is defined."""
        return list(self.table["frames"])

    def text(self, key: str) -> str:
        """One of summary, citation, licence, authority, caveat; "" if absent."""
        return " ".join(str(self.table.get(key, "")).split())

    def error(self, what: str, entry: str = "", shape: int = 0) -> UsageError:
        """An error that names the file and, for a shape of an entry, its line."""
        if not entry:
            return UsageError(f"{self.path}: {what}")
        line = self._line(entry, shape)
        return UsageError(f"{self.path}{f', line {line}' if line else ''}: entry {entry!r}: {what}")

    def _line(self, entry: str, shape: int) -> int:
        """Line of the shape-th [[masks.entry]], from 1; 0 where it is written in another way."""
        head = re.compile(rf"\s*\[\[\s*masks\s*\.\s*[\"']?{re.escape(entry)}[\"']?\s*\]\]")
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else []
        found = [number for number, line in enumerate(lines, start=1) if head.match(line)]
        return found[shape] if shape < len(found) else 0


def read_definition(path: Path) -> Definition:
    """Read and check a `maskset.toml`; UsageError names file, line and entry, UnreadableFileError the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UnreadableFileError(f"{path}: not a readable TOML file ({problem})") from None
    definition = Definition(path, str(table.get("name", path.resolve().parent.name)), table)
    table.setdefault("landmarks", MEDIAPIPE)
    table.setdefault("frames", list(FRAMES))
    table.setdefault("drawn_on", MEDIAPIPE)
    table.setdefault("symmetric", False)
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        raise definition.error(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    for key in TEXTS:
        if not isinstance(table.get(key), str) or not table[key].strip():
            raise definition.error(f"{key} is missing; say it in one sentence")
    if table.get("dimension") not in DIMENSIONS:
        raise definition.error(f"dimension is {table.get('dimension')!r}; write one of {', '.join(DIMENSIONS)}")
    if table["landmarks"] not in _SCHEMES:
        raise definition.error(f"landmarks is {table['landmarks']!r}; write {MEDIAPIPE} or {IBUG}")
    for key, kind in _TYPES.items():
        if not isinstance(table.get(key, kind()), kind):
            raise definition.error(f"{key} = {table[key]!r} is no {kind.__name__}")
    if table.get("axes", "face") not in ("face", "picture"):
        raise definition.error(f"axes is {table['axes']!r}; write face (upright with it) or picture")
    for frame in [*table["frames"], table["drawn_on"]]:
        if frame not in FRAMES:
            raise definition.error(f"there is no frame {frame!r}; known: {', '.join(FRAMES)}")
    if table["symmetric"] and table["drawn_on"] != MEDIAPIPE:
        raise definition.error("symmetric = true cannot mirror places given in pixels of another frame")
    _check_soft(definition)
    _check_points(definition)
    _check_masks(definition)
    return definition


def _check_soft(definition: Definition) -> None:
    soft = definition.table.get("soft", {})
    known = RULES.get(str(soft.get("rule", "blur")))
    if known is None or set(soft) - {"rule", *known}:
        rules = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in RULES.items())
        raise definition.error(f"soft = {soft!r} is no rule with its keys ({rules})")


def _check_points(definition: Definition) -> None:
    table = definition.table
    lengths = table.get("lengths", {})
    for name, rule in lengths.items():
        if problem := check_length(rule, lengths):
            raise definition.error(f"length {name!r}: {problem}")
    for name, rule in table.get("points", {}).items():
        if problem := check_helper(rule, lengths):
            raise definition.error(f"point {name!r}: {problem}")


def _check_masks(definition: Definition) -> None:
    masks = definition.table.get("masks")
    if not isinstance(masks, dict) or not masks:
        raise definition.error("no masks; add [[masks.<entry>]] with a hull, polygon, line, ellipse or triangles")
    for entry, shapes in masks.items():
        check_name(definition.table["dimension"], entry, str(definition.error("", entry)).rstrip(": "))
        if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
            raise definition.error(f"it is no list of shapes; write [[masks.{entry}]]", entry)
        for number, shape in enumerate(shapes):
            if problem := _problem(definition, entry, shape):
                raise definition.error(problem, entry, number)
    for group in definition.table.get("indistinguishable", []):
        for entry in group:
            if entry not in masks:
                raise definition.error(f"indistinguishable names {entry!r}, which is no entry")


def _problem(definition: Definition, entry: str, shape: dict[str, Any]) -> str:
    """What is wrong with a shape, "" if nothing is."""
    masks, lengths = definition.table["masks"], definition.table.get("lengths", {})
    kinds = [kind for kind in KINDS if kind in shape]
    kind = kinds[0] if len(kinds) == 1 else ""
    also = {"ellipse": {"radii"}, "square": {"half"}}.get(kind, set())
    odd = sorted(set(shape) - {*KINDS, *also, "grow", "reason", "both"})
    if odd or not kind:
        found = f"unknown key {odd[0]!r}" if odd else f"{len(kinds)} of them"
        return f"a shape has one of {', '.join(KINDS)}; found {found}"
    given = shape[kind]
    if not isinstance(given, KINDS[kind]) or isinstance(given, bool):
        return f"{kind} = {given!r} is no {'point' if also else 'list of points'}"
    if isinstance(given, list) and len(given) < (3 if kind == "polygon" else 1):
        return f"{kind} = {given!r} has too few points"
    if kind in REFERENCES and (
        given not in masks or given == entry or any(set(REFERENCES) & set(other) for other in masks[given])
    ):
        return f"{kind} = {given!r} names no drawn entry"
    if not isinstance(shape.get("both", False), bool):
        return f"both is {shape['both']!r}; write true to draw the shape on both sides"
    if (kind == "mirror_of" or shape.get("both")) and definition.table["drawn_on"] != MEDIAPIPE:
        return "places given in pixels of this frame cannot be mirrored"
    for key in also:
        rules = shape.get(key)
        if rules is None or (key == "radii" and (not isinstance(rules, list) or len(rules) != 2)):
            return f"{kind} needs {'radii = [across, down]' if key == 'radii' else 'half = length of half a side'}"
        for rule in rules if isinstance(rules, list) else [rules]:
            if wrong := check_length(rule, lengths):
                return wrong
    grow = shape.get("grow", 0)
    if isinstance(grow, bool) or not isinstance(grow, int | float) or not 0 <= grow <= 1:
        return f"grow is {grow!r}; give 0 … 1 outer eye corner distances"
    return "a line needs grow > 0" if kind == "line" and not grow else ""

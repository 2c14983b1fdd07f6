"""Codebooks: which action units an author lists for an expression."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from workbench import vocabulary
from workbench.errors import UnknownNameError, UsageError

INTENSITIES: Final = ("A", "B", "C", "D", "E")
SIDES: Final = {"": "both", "L": "left", "R": "right"}
WEIGHTS: Final = ("max", "share")
_KEYS: Final = {"au", "side", "min", "max", "optional", "share"}


@dataclass(frozen=True)
class Unit:
    """One action unit of an alternative.

    au: FACS number. side: "" both, "L" or "R" one side (the subject's). minimum, maximum: FACS intensities A … E, ""
    for any; they say when an expression is coded and do not change a map. optional: it may be absent. share: share of
    people who show it, where the author gives one.
    """

    au: int
    side: str = ""
    minimum: str = ""
    maximum: str = ""
    optional: bool = False
    share: float | None = None

    @property
    def name(self) -> str:
        """`AU12`, or `AU12R` for one side."""
        return f"AU{self.au}{self.side}"


Ways = tuple[tuple[Unit, ...], ...]


@dataclass(frozen=True)
class Codebook:
    """Expression → alternatives, each a tuple of units; summary, citation and caveat as sentences."""

    name: str
    summary: str
    citation: str
    expressions: dict[str, Ways]
    caveat: str = ""

    def required(self, expression: str) -> list[int]:
        """The AUs that are not optional in at least one alternative, in ascending order."""
        return sorted({unit.au for way in self.expressions[expression] for unit in way if not unit.optional})

    def weights(self, expression: str, kind: str = "max") -> dict[str, float]:
        """Unit name → weight, ascending by AU. `max`: 1 for each required unit of any alternative. `share`: mean over
        the alternatives of the share of people who show it; without a share 1 if required, 0 if optional."""
        if kind not in WEIGHTS:
            raise UsageError(f"weights is {kind!r}; give one of {', '.join(WEIGHTS)}")
        ways = self.expressions[expression]
        found: dict[tuple[int, str], list[float]] = {}
        for unit in (unit for way in ways for unit in way):
            plain = float(not unit.optional)
            value = plain if kind == "max" or unit.share is None else unit.share
            found.setdefault((unit.au, unit.side), []).append(value)
        values = {f"AU{au}{side}": found[au, side] for au, side in sorted(found)}
        weights = {name: max(each) if kind == "max" else sum(each) / len(ways) for name, each in values.items()}
        return {name: weight for name, weight in weights.items() if weight > 0}


def masks_root() -> Path:
    """The folder of the mask sets that ship with the workbench: inside the wheel, else the checkout's `masks`."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_masks"
    return inside if inside.is_dir() else package.parent / "masks"


def load_codebook(name: str) -> Codebook:
    """The codebook of that name from `masks/codebooks.toml`; UnknownNameError offers the nearest names."""
    books = _read(masks_root() / "codebooks.toml")
    if name not in books:
        raise UnknownNameError("codebook", name, books)
    return books[name]


def codebook_names() -> list[str]:
    """Names of all codebooks."""
    return list(_read(masks_root() / "codebooks.toml"))


@cache
def _read(path: Path) -> dict[str, Codebook]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    books: dict[str, Codebook] = {}
    for name, entry in table.items():
        base = books[entry["extends"]].expressions if "extends" in entry else {}
        books[name] = codebook(name, entry, base, f"{path.name}: {name}")
    return books


def codebook(name: str, entry: dict[str, Any], base: dict[str, Ways] | None = None, where: str = "") -> Codebook:
    """A codebook from its table {summary, citation, expressions = {expression = [[unit, …], …]}}; a unit is an AU's
    number or {au, side, min, max, optional, share}. Alternatives are added to those of `base`.

    UsageError, beginning with `where`, for unknown expressions, AUs, keys or values.
    """
    where = where or name
    for key in ("summary", "citation"):
        if not str(entry.get(key, "")).strip():
            raise UsageError(f"{where}: {key} is missing; say it in one sentence")
    expressions: dict[str, Ways] = dict(base or {})
    for expression, alternatives in entry["expressions"].items():
        if expression not in vocabulary.EXPRESSIONS:
            raise UsageError(f"{where}: {expression!r} is no expression")
        ways = tuple(tuple(_unit(unit, f"{where}: {expression}") for unit in way) for way in alternatives)
        if not ways or not all(any(not unit.optional for unit in way) for way in ways):
            raise UsageError(f"{where}: {expression} has an alternative without a required action unit")
        expressions[expression] = expressions.get(expression, ()) + ways
    return Codebook(name, entry["summary"], entry["citation"], expressions, str(entry.get("caveat", "")))


def _unit(unit: Any, where: str) -> Unit:
    table = unit if isinstance(unit, dict) else {"au": unit}
    odd = sorted(set(table) - _KEYS)
    if odd:
        raise UsageError(f"{where}: a unit has {', '.join(sorted(_KEYS))}; found {odd[0]!r}")
    number = table.get("au")
    if isinstance(number, bool) or number not in vocabulary.ACTION_UNITS:
        raise UsageError(f"{where}: {number!r} is no action unit")
    made = Unit(
        int(number),
        str(table.get("side", "")),
        str(table.get("min", "")),
        str(table.get("max", "")),
        bool(table.get("optional", False)),
        table.get("share"),
    )
    if made.side not in SIDES:
        raise UsageError(f"{where}: AU{number} has the side {made.side!r}; write L or R, the subject's")
    for bound in (made.minimum, made.maximum):
        if bound and bound not in INTENSITIES:
            raise UsageError(f"{where}: AU{number} has the intensity {bound!r}; write A … E")
    if made.share is not None and not 0 < made.share <= 1:
        raise UsageError(f"{where}: AU{number} has the share {made.share!r}; write 0 … 1")
    return made


def combine(
    book: Codebook, wanted: list[str], map_of: Callable[[str], np.ndarray], kind: str = "max"
) -> tuple[np.ndarray, dict[str, dict[str, float]]]:
    """Maps (E, y, x) of the wanted expressions, and the weight of each unit that went into them.

    `map_of` gives the map of `AU12` or `AU12R`. `max`: the pixelwise maximum; `share`: the weighted mean.
    """
    used = {expression: book.weights(expression, kind) for expression in wanted}
    maps = []
    for weights in used.values():
        stack = np.stack([map_of(unit) for unit in weights])
        maps.append(stack.max(axis=0) if kind == "max" else np.average(stack, axis=0, weights=list(weights.values())))
    return np.stack(maps).astype(np.float32), used
